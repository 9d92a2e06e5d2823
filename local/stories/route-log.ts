// What the registry committed to the routes, kept apart from both services, to hold what a gateway shows against.
import { isDeepStrictEqual } from 'node:util';
import type { RegistryDocuments } from '@burgage/registry/documents';
import type { JournalHead, Json, Stored } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';

export const keyOf = ({ kind, key }: RouteEntry): string => `${kind} ${key}`;

/** The newest entry of each entity, removals included. */
export type Newest = ReadonlyMap<string, RouteEntry>;

interface Epoch {
  /** What was committed before it began. */
  base: Newest;
  /** By revision, from 1 at index 0. */
  readonly entries: RouteEntry[];
}

/** Every append, whichever replica made it. */
export class RouteLog {
  readonly #epochs = new Map<string, Epoch>();
  #epoch = '';

  /** The newest. */
  get epoch(): string {
    return this.#epoch;
  }

  begin(epoch: string, base: Newest): void {
    this.#of(epoch).base = base;
    this.#epoch = epoch;
  }

  appended({ epoch, revision }: JournalHead, values: readonly Json[]): void {
    const { entries } = this.#of(epoch);
    // The registry's journal holds nothing but route entries.
    for (const [index, value] of values.entries()) entries[revision - values.length + index] = value as unknown as RouteEntry;
  }

  /** Everything in the journal of an epoch, oldest first. */
  entries(epoch: string): readonly RouteEntry[] {
    return this.#of(epoch).entries;
  }

  base(epoch: string): Newest {
    return this.#of(epoch).base;
  }

  /** The newest of each entity at or before `revision`. */
  newestAt(epoch: string, revision: number): Newest {
    const newest = new Map(this.base(epoch));
    addNewer(newest, this.entries(epoch).slice(0, revision));
    return newest;
  }

  #of(epoch: string): Epoch {
    let found = this.#epochs.get(epoch);
    if (found === undefined) {
      found = { base: new Map(), entries: [] };
      this.#epochs.set(epoch, found);
    }
    return found;
  }
}

export function addNewer(newest: Map<string, RouteEntry>, entries: Iterable<RouteEntry>): void {
  for (const entry of entries) if (entry.version > (newest.get(keyOf(entry))?.version ?? 0)) newest.set(keyOf(entry), entry);
}

/** What the documents say now, read without the code under test. */
export async function truthOf(documents: RegistryDocuments): Promise<Newest> {
  const entries: RouteEntry[] = [];
  for await (const { version, value } of all((cursor) => documents.upstreams.list(pageAt(cursor)))) {
    const { name, endpoints } = value;
    entries.push({ kind: 'upstream', key: name, version, removed: false, entity: { kind: 'upstream', name, endpoints } });
  }
  for await (const { id, version, value } of all((cursor) => documents.tenants.list(pageAt(cursor)))) {
    const { hosts, slug, plan, state, holds, limits, features, upstream, isolation, entitlementVersion, branding } = value;
    const route = { slug, plan, state, holds, limits, features, upstream, isolation, entitlementVersion, branding, platform: false };
    entries.push(
      hosts.length === 0
        ? { kind: 'tenant', key: id, version, removed: true }
        : { kind: 'tenant', key: id, version, removed: false, entity: { kind: 'tenant', tenantId: id, ...route } },
    );
  }
  for await (const { id, version, value } of all((cursor) => documents.platformRoutes.list(pageAt(cursor)))) {
    const { label, upstream } = value;
    const served = { plan: '', state: 'active', holds: [], features: [], isolation: '', entitlementVersion: 0, platform: true } as const;
    const entity = { kind: 'tenant', tenantId: id, slug: label, upstream, ...served, branding: { name: label, color: '#475569' } } as const;
    entries.push({ kind: 'tenant', key: id, version, removed: false, entity });
  }
  for await (const { id, version, value } of all((cursor) => documents.hosts.list(pageAt(cursor)))) {
    const { tenantId } = value;
    entries.push(
      tenantId === null
        ? { kind: 'host', key: id, version, removed: true }
        : { kind: 'host', key: id, version, removed: false, entity: { kind: 'host', host: id, tenantId } },
    );
  }
  return new Map(entries.map((entry) => [keyOf(entry), entry]));
}

const pageAt = (cursor: string | undefined) => ({ pageSize: 1_000, ...(cursor !== undefined && { cursor }) });

interface PageOf<T> {
  readonly items: readonly Stored<T>[];
  readonly nextCursor?: string;
}

async function* all<T>(page: (cursor: string | undefined) => Promise<PageOf<T>>): AsyncGenerator<Stored<T>> {
  let cursor: string | undefined;
  do {
    const { items, nextCursor } = await page(cursor);
    yield* items;
    cursor = nextCursor;
  } while (cursor !== undefined);
}

/** What leads somewhere, by key, whatever its version. */
export function shownIn(entries: Iterable<RouteEntry>): Map<string, RouteEntry['entity']> {
  const shown = [...entries].filter(({ removed }) => !removed).map((entry) => [keyOf(entry), entry.entity] as const);
  return new Map(shown.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The first difference between two tables in words; undefined where there is none. */
export function difference(shown: ReturnType<typeof shownIn>, wanted: ReturnType<typeof shownIn>): string | undefined {
  for (const key of new Set([...shown.keys(), ...wanted.keys()])) {
    const [is, should] = [shown.get(key), wanted.get(key)];
    if (!isDeepStrictEqual(is, should))
      return `${key} is ${JSON.stringify(is) ?? 'nothing'}, expected ${JSON.stringify(should) ?? 'nothing'}`;
  }
  return undefined;
}
