// The databases of an app: rows of many tenants in one SQLite file, or of one tenant in its own, opened so that code sees one tenant at a time.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from './archive-format.ts';
import { isTenantId, type TenantContext } from './claims.ts';
import { openOwnFiles } from './own-files.ts';
import { invalidField, ProblemError } from './problem.ts';
import { openStagingArea, restoredReason, type Staging } from './staging.ts';
import type { Columns, TenantTableDefinition } from './table.ts';
import { openTenantFile, type SchemaOptions, type TenantFile, type TenantInfo } from './tenant-file.ts';
import { openSnapshot, type TenantSnapshot } from './tenant-snapshot.ts';
import { createTenantTable, type TenantTable } from './tenant-table.ts';

/** Where a tenant's rows are: `pool`, the database that tenants share, or `own`, one of its own. The two know nothing of each other. */
export type Place = 'pool' | 'own';

/** Where the rows of a request's tenant are, by its isolation: a move is nothing but another isolation in the context. */
export function placeOf({ isolation }: Pick<TenantContext, 'isolation'>): Place {
  return isolation === 'pool' ? 'pool' : 'own';
}

export interface TenantDataOptions extends SchemaOptions {
  /** Made when missing (0700). In it `pool.sqlite`, and `own/<tenant id>.sqlite` for each tenant with a database of its own (0600 each). */
  readonly folder: string;
  /** Databases of tenants' own that are open at a time; what is closed is opened again when it is asked for. Default 64. */
  readonly openFilesMax?: number;
  readonly now?: () => Date;
}

/** What one tenant's requests get to see: its rows, and no way to name another tenant. */
export interface TenantHandle {
  readonly tenantId: string;
  /** As the platform last said it; for work that no request asked for. */
  readonly info: TenantInfo;
  table<C extends Columns>(definition: TenantTableDefinition<C>): TenantTable<C>;
  /** All or nothing. `work` is synchronous; when it throws, nothing of it stays. May be nested. */
  transaction<T>(work: () => T): T;
}

/** Which of a tenant's places the platform changes, and as who. */
export interface Seat {
  /** Default `pool`. */
  readonly place?: Place;
  /**
   * Grows with every attempt of the platform; default 0. The highest of a tenant and place is kept, also after the rows are gone: whoever
   * comes with a lower one is late, and gets `fenced` with `seen`.
   */
  readonly fence?: number;
}

export interface TenantUsage {
  readonly tenantId: string;
  readonly place: Place;
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
}

export interface TenantPlace extends TenantUsage {
  /** Whether its rows are read only for now. */
  readonly frozen: boolean;
}

/**
 * What changes something on the platform's behalf checks the fence and acts with nothing in between. Methods that need the tenant
 * to be prepared at the place throw `tenant_not_prepared`.
 */
export interface TenantData {
  /** The tenant's rows at the place (default `pool`). Throws `tenant_not_prepared` where `prepare` has not made room for it. */
  for(tenantId: string, place?: Place): TenantHandle;
  /** Makes room for a tenant, or takes over a new slug, name or colour. Throws `invalid_argument` for an id that is not one. */
  prepare(tenantId: string, info: TenantInfo, seat?: Seat): { created: boolean };
  isPrepared(tenantId: string, place?: Place): boolean;
  /** Deletes every row of the tenant there, and leaves nothing of them in the file. False when there was nothing. */
  remove(tenantId: string, seat?: Seat): boolean;
  /** One transaction on the tenant's rows. */
  change<T>(tenantId: string, seat: Seat, work: (tenant: TenantHandle) => T): T;
  /**
   * From here on every write of the tenant's rows there is refused with `tenant_moving`, over restarts too; reads go on. Every write that
   * was acknowledged is in whatever is read afterwards.
   */
  freeze(tenantId: string, reason: string, seat?: Seat): void;
  /** Writes go on; nothing when they do already or when there is no such tenant. */
  thaw(tenantId: string, seat?: Seat): void;
  isFrozen(tenantId: string, place?: Place): boolean;
  /** Counts and hashes of what is stored, at one moment. */
  digest(tenantId: string, place?: Place): Promise<Digest>;
  /** Every row at one moment, in the form of archive-format.ts. The moment is that of the first portion that is asked for. */
  archive(tenantId: string, place?: Place): AsyncGenerator<Uint8Array>;
  /**
   * Replaces every row of the tenant there by those of the archive, whole or not at all, and leaves it frozen there. Resolves with the
   * digest of what is then stored. Throws `invalid_argument` for the field `archive` when it is damaged, not complete, of another tenant
   * or of other tables, and `disk_full`.
   */
  restore(tenantId: string, archive: AsyncIterable<Uint8Array>, seat?: Seat): Promise<Digest>;
  usage(tenantId: string, place?: Place): TenantUsage;
  /** What there is of any tenant, by tenant id, those after `after`; a page has up to 100 tenants and ends with `next` when there are more. */
  places(after?: string): Promise<{ places: TenantPlace[]; next?: string }>;
  close(): void;
}

const openFilesMaxDefault = 64;
const tenantsPageMax = 100;

/**
 * Opens the databases and brings the pool's schema up to date; a tenant's own follows when it is opened. Throws as openTenantFile does.
 * One process at a time works on a folder; a second one, as while one takes over from another, sees the same fences and freezes.
 */
export function openTenantData({
  folder,
  openFilesMax = openFilesMaxDefault,
  now = () => new Date(),
  ...schema
}: TenantDataOptions): TenantData {
  const { tables } = schema;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pool = openTenantFile(join(folder, 'pool.sqlite'), schema, now().getTime());
  const own = openOwnFiles({ folder: join(folder, 'own'), openMax: openFilesMax, now, ...schema });
  const stagingArea = openStagingArea(join(folder, 'staging'), schema, now);
  const declared = new Set<unknown>(tables);
  const snapshots = new Set<TenantSnapshot>();
  let poolNeedsScrub = false;

  function fileAt(tenantId: string, place: Place): TenantFile | undefined {
    if (!isTenantId(tenantId)) return undefined;
    if (place === 'pool') return pool;
    if (place === 'own') return own.get(tenantId);
    throw new TypeError(`there is no place ${JSON.stringify(place)}; there are pool and own`);
  }
  const infoAt = (tenantId: string, place: Place): TenantInfo | undefined => fileAt(tenantId, place)?.infoOf(tenantId);
  function preparedFile(tenantId: string, place: Place): TenantFile {
    const file = fileAt(tenantId, place);
    if (!file?.infoOf(tenantId)) throw new ProblemError('tenant_not_prepared');
    return file;
  }

  function handleAt(tenantId: string, place: Place): TenantHandle {
    const info = infoAt(tenantId, place);
    if (!info) throw new ProblemError('tenant_not_prepared');
    // Looked up anew each time: a handle may be kept while its file is closed, or deleted.
    const file = (): TenantFile => {
      const present = fileAt(tenantId, place);
      if (!present) throw new ProblemError('tenant_not_prepared');
      return present;
    };
    const runner = {
      read: (statement) => file().runner(tenantId).read(statement),
      write: (statement) => file().runner(tenantId).write(statement),
      writeCount: (statement) => file().runner(tenantId).writeCount(statement),
    } satisfies ReturnType<TenantFile['runner']>;
    return {
      tenantId,
      info,
      transaction: (work) => file().transaction(work),
      table(definition) {
        if (!declared.has(definition)) throw new TypeError(`the table ${definition.name} was not given to openTenantData`);
        return createTenantTable(tenantId, definition, runner);
      },
    };
  }

  /** Fences stand in the pool, so that they outlive a database of a tenant's own. */
  function passFence(tenantId: string, place: Place, fence: number): void {
    const [row] = pool.query('SELECT token FROM burgage_fences WHERE tenant_id = ? AND place = ?', tenantId, place);
    const seen = Number(row?.token ?? 0);
    if (fence < seen)
      throw new ProblemError('fenced', { message: `Fence ${fence} is late: ${seen} has been seen.`, metadata: { seen: String(seen) } });
    if (fence > seen)
      pool.query(
        'INSERT INTO burgage_fences (tenant_id, place, token) VALUES (?, ?, ?) ON CONFLICT (tenant_id, place) DO UPDATE SET token = excluded.token',
        tenantId,
        place,
        fence,
      );
  }

  function fenced<T>(tenantId: string, { place = 'pool', fence = 0 }: Seat, work: () => T): T {
    // By itself first: whatever becomes of the work, nobody with a lower fence comes after it.
    if (fence > 0) pool.transaction(() => passFence(tenantId, place, fence));
    // Holds the pool's write lock during the work, so that no other process passes a higher fence meanwhile.
    return pool.transaction(() => {
      passFence(tenantId, place, fence);
      return work();
    });
  }

  function scrubPool(): void {
    if (poolNeedsScrub) poolNeedsScrub = !pool.scrub();
  }

  function snapshotAt(tenantId: string, place: Place): TenantSnapshot {
    const snapshot = openSnapshot(preparedFile(tenantId, place).path, tenantId, tables);
    snapshots.add(snapshot);
    return snapshot;
  }
  function closeSnapshot(snapshot: TenantSnapshot): void {
    if (!snapshots.delete(snapshot)) return;
    snapshot.close();
    scrubPool();
  }
  async function digestAt(tenantId: string, place: Place): Promise<Digest> {
    const snapshot = snapshotAt(tenantId, place);
    try {
      return await snapshot.digest();
    } finally {
      closeSnapshot(snapshot);
    }
  }
  async function* archiveAt(tenantId: string, place: Place): AsyncGenerator<Uint8Array> {
    const snapshot = snapshotAt(tenantId, place);
    try {
      yield* snapshot.archive();
    } finally {
      closeSnapshot(snapshot);
    }
  }

  function replaceInPool(tenantId: string): void {
    preparedFile(tenantId, 'pool').adoptRows(tenantId);
    pool.freeze(tenantId, restoredReason, now().getTime());
  }
  function replaceOwn(tenantId: string, staging: Staging): void {
    // Another process that has the old file open writes nothing into it any more.
    preparedFile(tenantId, 'own').freeze(tenantId, restoredReason, now().getTime());
    own.replace(tenantId, staging.path);
    // A commit in the new file makes its name durable.
    preparedFile(tenantId, 'own').freeze(tenantId, restoredReason, now().getTime());
  }

  const placeIn = (tenantId: string, place: Place, file: TenantFile): TenantPlace => ({
    tenantId,
    place,
    frozen: file.isFrozen(tenantId),
    rows: file.counts(tenantId),
  });

  function ownPlace(tenantId: string): TenantPlace {
    const empty: TenantPlace = { tenantId, place: 'own', frozen: false, rows: {} };
    try {
      return own.look(tenantId, (file) => placeIn(tenantId, 'own', file)) ?? empty;
    } catch {
      // It is there, and may be removed. Whoever asks for its rows hears what is wrong with it.
      return empty;
    }
  }

  return {
    for: (tenantId, place = 'pool') => handleAt(tenantId, place),
    prepare(tenantId, info, seat = {}) {
      if (!isTenantId(tenantId)) throw invalidField('id', 'expected a tenant id: ASCII letters, digits, _, - and ., at most 128');
      return fenced(tenantId, seat, () => {
        const file = seat.place === 'own' ? own.create(tenantId) : pool;
        return file.put(tenantId, info, now().getTime());
      });
    },
    isPrepared: (tenantId, place = 'pool') => infoAt(tenantId, place) !== undefined,
    remove(tenantId, seat = {}) {
      if (!isTenantId(tenantId)) return false;
      const removed = fenced(tenantId, seat, () => (seat.place === 'own' ? own.remove(tenantId) : pool.remove(tenantId)));
      if (removed && seat.place !== 'own') {
        poolNeedsScrub = true;
        scrubPool();
      }
      return removed;
    },
    change: (tenantId, seat, work) =>
      fenced(tenantId, seat, () => {
        const tenant = handleAt(tenantId, seat.place ?? 'pool');
        return tenant.transaction(() => work(tenant));
      }),
    freeze: (tenantId, reason, seat = {}) =>
      fenced(tenantId, seat, () => preparedFile(tenantId, seat.place ?? 'pool').freeze(tenantId, reason, now().getTime())),
    thaw: (tenantId, seat = {}) => fenced(tenantId, seat, () => fileAt(tenantId, seat.place ?? 'pool')?.thaw(tenantId)),
    isFrozen: (tenantId, place = 'pool') => fileAt(tenantId, place)?.isFrozen(tenantId) ?? false,
    digest: (tenantId, place = 'pool') => digestAt(tenantId, place),
    archive(tenantId, place = 'pool') {
      preparedFile(tenantId, place);
      return archiveAt(tenantId, place);
    },
    async restore(tenantId, archive, seat = {}) {
      const place = seat.place ?? 'pool';
      const { info } = fenced(tenantId, seat, () => handleAt(tenantId, place));
      const staging = await stagingArea.stage(tenantId, info, archive);
      try {
        if (place === 'own') fenced(tenantId, seat, () => replaceOwn(tenantId, staging));
        else pool.staged(staging.path, () => fenced(tenantId, seat, () => replaceInPool(tenantId)));
      } finally {
        staging.drop();
      }
      return digestAt(tenantId, place);
    },
    usage: (tenantId, place = 'pool') => ({ tenantId, place, rows: fileAt(tenantId, place)?.counts(tenantId) ?? {} }),
    async places(after = '') {
      const pooled = pool
        .query('SELECT tenant_id FROM burgage_tenants WHERE tenant_id > ? ORDER BY tenant_id LIMIT ?', after, tenantsPageMax + 1)
        .map((row) => String(row.tenant_id));
      const owning = new Set(own.tenantIds().filter((id) => id > after));
      const ids = [...new Set([...pooled, ...owning])].sort();
      const page = ids.slice(0, tenantsPageMax);
      const places: TenantPlace[] = [];
      for (const tenantId of page) {
        if (pool.infoOf(tenantId)) places.push(placeIn(tenantId, 'pool', pool));
        if (!owning.has(tenantId)) continue;
        places.push(ownPlace(tenantId));
        await nextTurn();
      }
      const last = page.at(-1);
      return { places, ...(ids.length > page.length && last !== undefined && { next: last }) };
    },
    close() {
      for (const snapshot of snapshots) closeSnapshot(snapshot);
      own.close();
      pool.close();
    },
  };
}
