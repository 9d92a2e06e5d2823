// What the registry committed to the routes, kept apart from both services, to hold what a gateway shows against.
import { isDeepStrictEqual } from 'node:util';
import type { RegistryDocuments } from '@burgage/registry/documents';
import type { JournalHead, Json, Stored } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';

export const keyOf = ({ kind, key }: RouteEntry): string => `${kind} ${key}`;

/** The newest entry of each entity, removals included. */
export type Newest = ReadonlyMap<string, RouteEntry>;

/** Where a gateway is, and the newest that it has seen, as it says hello with. */
export interface Claimed {
  readonly epoch: string;
  readonly revision: number;
  readonly seen: { readonly revision: number; readonly stamp: string };
}

/** The journal in one epoch, as far as one history of the store goes. */
export class History {
  readonly epoch: string;
  /** What was committed before it began. */
  base: Newest;
  /** By revision, from 1 at index 0; undefined for what is no entry. */
  readonly entries: (RouteEntry | undefined)[];
  readonly #stamps: string[];

  constructor(epoch: string, base: Newest = new Map(), entries: readonly (RouteEntry | undefined)[] = [], stamps: readonly string[] = []) {
    this.epoch = epoch;
    this.base = base;
    this.entries = [...entries];
    this.#stamps = [...stamps];
  }

  copy(): History {
    return new History(this.epoch, this.base, this.entries, this.#stamps);
  }

  appended({ revision, stamp }: JournalHead, values: readonly Json[]): void {
    for (const [index, value] of values.entries()) {
      // The registry's journal holds nothing but route entries, and null where it only wants a revision.
      this.entries[revision - values.length + index] = value === null ? undefined : (value as unknown as RouteEntry);
      this.#stamps[revision - values.length + index] = stamp;
    }
  }

  /** Whether everything that the one who claims this has seen was committed here. */
  holds({ epoch, seen }: Claimed): boolean {
    return epoch === this.epoch && (seen.revision === 0 || this.#stamps[seen.revision - 1] === seen.stamp);
  }
}

/** Every append, whichever replica made it, in every history that the store has had. */
export class RouteLog {
  /** The live ones last. */
  readonly #histories: History[] = [];
  #epoch = '';

  /** The newest. */
  get epoch(): string {
    return this.#epoch;
  }

  /** `base`: what was committed when it began, or a little before. */
  begin(epoch: string, base: Newest): void {
    const history = this.#live(epoch);
    // Whoever began it and whoever only found it begun may both say so.
    if (history.base.size === 0) history.base = base;
    else history.base = new Map([...history.base].map(([key, entry]) => [key, lower(entry, base.get(key))]));
    this.#epoch = epoch;
  }

  appended(head: JournalHead, values: readonly Json[]): void {
    this.#live(head.epoch).appended(head, values);
  }

  /** The live history as it is now, to be given to `restored`. */
  copy(): History {
    return this.#live(this.#epoch).copy();
  }

  /** The store goes on from this copy. */
  restored(copy: History): void {
    this.#histories.push(copy.copy());
    this.#epoch = copy.epoch;
  }

  /** The newest history with everything that was seen by whoever claims this. */
  historyOf(claimed: Claimed): History | undefined {
    return this.#histories.findLast((history) => history.holds(claimed));
  }

  /** The newest of each entity at or before `revision`. */
  newestAt(epoch: string, revision: number): Newest {
    const { base, entries } = this.#live(epoch);
    const newest = new Map(base);
    addNewer(newest, entries.slice(0, revision));
    return newest;
  }

  #live(epoch: string): History {
    let found = this.#histories.findLast((history) => history.epoch === epoch);
    if (found === undefined) {
      found = new History(epoch);
      this.#histories.push(found);
    }
    return found;
  }
}

function lower(entry: RouteEntry, other: RouteEntry | undefined): RouteEntry {
  return other !== undefined && other.version < entry.version ? other : entry;
}

export function addNewer(newest: Map<string, RouteEntry>, entries: Iterable<RouteEntry | undefined>): void {
  for (const entry of entries) {
    if (entry !== undefined && entry.version > (newest.get(keyOf(entry))?.version ?? 0)) newest.set(keyOf(entry), entry);
  }
}

/** What the documents say now, read without the code under test. */
export async function truthOf(documents: RegistryDocuments): Promise<Newest> {
  const entries: RouteEntry[] = [];
  for await (const { version, value } of all((cursor) => documents.upstreams.list(pageAt(cursor)))) {
    const { name, endpoints, removed = false } = value;
    entries.push({ kind: 'upstream', key: name, version, removed, ...(!removed && { entity: { kind: 'upstream', name, endpoints } }) });
  }
  for await (const { id, version, value } of all((cursor) => documents.tenants.list(pageAt(cursor)))) {
    const { hosts, slug, plan, state, holds, limits, features, upstream, isolation, entitlementVersion, branding, moving = false } = value;
    const route = {
      slug,
      plan,
      state,
      holds,
      limits,
      features,
      upstream,
      isolation,
      entitlementVersion,
      branding,
      platform: false,
      moving,
    };
    entries.push(
      hosts.length === 0
        ? { kind: 'tenant', key: id, version, removed: true }
        : { kind: 'tenant', key: id, version, removed: false, entity: { kind: 'tenant', tenantId: id, ...route } },
    );
  }
  for await (const { id, version, value } of all((cursor) => documents.platformRoutes.list(pageAt(cursor)))) {
    const { label, upstream } = value;
    const served = {
      plan: '',
      state: 'active',
      holds: [],
      features: [],
      isolation: '',
      entitlementVersion: 0,
      platform: true,
      moving: false,
    } as const;
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
