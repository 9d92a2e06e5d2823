// Every route as the documents have it now, page by page.
import type { Documents, Stored } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';
import type { RegistryDocuments } from './adapters/documents.ts';
import { hostEntry } from './domain/host.ts';
import { platformEntry } from './domain/platform-route.ts';
import { tenantEntry } from './domain/tenant.ts';
import { upstreamEntry } from './domain/upstream.ts';

/**
 * Upstreams, then tenants, then hosts: what a later page names has come before. Removed entities are in it too, because
 * their versions are what keeps a late duplicate in the journal from bringing them back.
 */
export async function* routeSnapshot(documents: RegistryDocuments, pageSize: number): AsyncGenerator<readonly RouteEntry[], void> {
  yield* pages(documents.upstreams, pageSize, ({ value, version }) => upstreamEntry(value, version));
  yield* pages(documents.platformRoutes, pageSize, ({ value, version }) => platformEntry(value, version));
  yield* pages(documents.tenants, pageSize, ({ value, version }) => tenantEntry(value, version));
  yield* pages(documents.hosts, pageSize, ({ value, version }) => hostEntry(value, version));
}

async function* pages<T>(
  documents: Documents<T>,
  pageSize: number,
  entry: (stored: Stored<T>) => RouteEntry,
): AsyncGenerator<readonly RouteEntry[], void> {
  let cursor: string | undefined;
  do {
    // What newer code has written is left to it: one such document must not keep the routes of all others from a gateway.
    const page = await documents.list({ pageSize, tooNew: 'omit', ...(cursor === undefined ? {} : { cursor }) });
    if (page.items.length > 0) yield page.items.map(entry);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
