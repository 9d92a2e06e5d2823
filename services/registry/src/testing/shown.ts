// What gateways are shown: by the journal, and by a snapshot of the documents.
import type { RouteEntry } from '@burgage/tenancy';
import { routeFromJson } from '../adapters/outbox.ts';
import { routeSnapshot } from '../snapshot.ts';
import type { TestRegistry } from './registry.ts';
import { applyAll, shownIn } from './table.ts';

type ShownRoutes = ReturnType<typeof shownIn>;

/** What a gateway shows that has read the journal up to `revision`. */
export async function journalled({ documents }: TestRegistry, revision = Number.MAX_SAFE_INTEGER): Promise<ShownRoutes> {
  const table = new Map<string, RouteEntry>();
  const entries = await documents.routes.readAfter(0, 10_000);
  applyAll(
    table,
    entries.filter((entry) => entry.revision <= revision).flatMap(({ value }) => routeFromJson(value) ?? []),
  );
  return shownIn(table.values());
}

/** What a gateway shows that has got a snapshot. */
export async function documented({ documents }: TestRegistry): Promise<ShownRoutes> {
  const entries: RouteEntry[] = [];
  for await (const page of routeSnapshot(documents, 3)) entries.push(...page);
  return shownIn(entries);
}
