// The databases of an app: rows of many tenants in one SQLite file, or of one tenant in its own, opened so that code sees one tenant at a time.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from './archive-format.ts';
import { isTenantId, type TenantContext } from './claims.ts';
import { createFences } from './fences.ts';
import { openOwnFiles } from './own-files.ts';
import { createPoolChanges } from './pool-changes.ts';
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
  /** True where the tenant is not prepared, as its rows are being replaced or removed, or as that broke off; absent elsewhere. */
  readonly unfinished?: true;
}

/**
 * What changes something on the platform's behalf checks the fence and acts with nothing in between. Methods that need the tenant
 * to be prepared at the place throw `tenant_not_prepared`.
 *
 * In the pool, all rows of a tenant go and come in slices, between which other tenants are served. From before the first of them until
 * after the last the tenant is *unfinished*: not prepared there, over restarts too, so that nobody ever sees a part of it; `places` has
 * it. Each slice checks the fence. A later attempt takes over, and the earlier one ends at its next slice with `fenced`.
 */
export interface TenantData {
  /** The tenant's rows at the place (default `pool`). Throws `tenant_not_prepared` where `prepare` has not made room for it. */
  for(tenantId: string, place?: Place): TenantHandle;
  /**
   * Makes room for a tenant, or takes over a new slug, name or colour. Throws `invalid_argument` for an id that is not one.
   *
   * What there is of an unfinished tenant goes first, and the room is a new and empty one (`created`). That is right for whoever prepares:
   * a sign-up has no rows yet, and the target of a move none that are not at its source, so a move that is tried again begins anew
   * (one that is undone removes it, with the same result). Whoever wants an interrupted restore to come to its end repeats that instead.
   */
  prepare(tenantId: string, info: TenantInfo, seat?: Seat): Promise<{ created: boolean }>;
  isPrepared(tenantId: string, place?: Place): boolean;
  /**
   * Deletes every row of the tenant there, and leaves nothing of them in the file, but for a few bytes that SQLite may keep in the unused
   * space of a page that a neighbour's rows share. False when there was nothing. One that broke off carries on where it was, when it is
   * repeated; nothing but `prepare` brings the tenant back.
   */
  remove(tenantId: string, seat?: Seat): Promise<boolean>;
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
   * Replaces every row of the tenant there by those of the archive, and leaves it frozen there. Resolves with the digest of what is then
   * stored. Throws `invalid_argument` for the field `archive` when it is damaged, not complete, of another tenant or of other tables, and
   * `disk_full`. Nothing is touched before all of the archive is here and checked.
   *
   * A database of the tenant's own is then replaced whole or not at all. In the pool the old rows go, and then the new ones come: what
   * breaks that off (the process is killed, `fenced`, `disk_full`) leaves an unfinished tenant, whose old rows are lost, all or some. A
   * restore that is repeated begins anew and needs nothing of them; `remove` clears away what is there. In Burgage moves alone restore,
   * to a target whose rows are all at the source too. Who restores a backup by hand keeps it until this resolves, and archives the rows
   * that it replaces first, if anybody may want them back.
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
  const fences = createFences(pool);
  const snapshots = new Set<TenantSnapshot>();
  let poolNeedsScrub = false;
  const poolChanges = createPoolChanges({
    pool,
    schema,
    fences,
    scrub() {
      poolNeedsScrub = true;
      scrubPool();
    },
    now,
  });

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
    ...(file.unfinishedOf(tenantId) && { unfinished: true }),
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
    async prepare(tenantId, info, seat = {}) {
      if (!isTenantId(tenantId)) throw invalidField('id', 'expected a tenant id: ASCII letters, digits, _, - and ., at most 128');
      if (seat.place === 'own') return fences.guard(tenantId, seat, () => own.create(tenantId).put(tenantId, info, now().getTime()));
      return await poolChanges.prepare(tenantId, info, seat);
    },
    isPrepared: (tenantId, place = 'pool') => infoAt(tenantId, place) !== undefined,
    async remove(tenantId, seat = {}) {
      if (!isTenantId(tenantId)) return false;
      if (seat.place === 'own') return fences.guard(tenantId, seat, () => own.remove(tenantId));
      return await poolChanges.remove(tenantId, seat);
    },
    change: (tenantId, seat, work) =>
      fences.guard(tenantId, seat, () => {
        const tenant = handleAt(tenantId, seat.place ?? 'pool');
        return tenant.transaction(() => work(tenant));
      }),
    freeze: (tenantId, reason, seat = {}) =>
      fences.guard(tenantId, seat, () => preparedFile(tenantId, seat.place ?? 'pool').freeze(tenantId, reason, now().getTime())),
    thaw: (tenantId, seat = {}) => fences.guard(tenantId, seat, () => fileAt(tenantId, seat.place ?? 'pool')?.thaw(tenantId)),
    isFrozen: (tenantId, place = 'pool') => fileAt(tenantId, place)?.isFrozen(tenantId) ?? false,
    digest: (tenantId, place = 'pool') => digestAt(tenantId, place),
    archive(tenantId, place = 'pool') {
      preparedFile(tenantId, place);
      return archiveAt(tenantId, place);
    },
    async restore(tenantId, archive, seat = {}) {
      const place = seat.place ?? 'pool';
      const info = () => (place === 'own' ? handleAt(tenantId, place).info : poolChanges.restorable(tenantId));
      fences.guard(tenantId, seat, info);
      const staging = await stagingArea.stage(tenantId, archive);
      try {
        if (place === 'own') {
          staging.settle(info());
          fences.guard(tenantId, seat, () => replaceOwn(tenantId, staging));
        } else await poolChanges.replace(tenantId, staging, seat);
      } finally {
        await staging.drop();
      }
      return digestAt(tenantId, place);
    },
    usage: (tenantId, place = 'pool') => ({ tenantId, place, rows: fileAt(tenantId, place)?.counts(tenantId) ?? {} }),
    async places(after = '') {
      const pooled = pool.tenantIds(after, tenantsPageMax + 1);
      const owning = new Set(own.tenantIds().filter((id) => id > after));
      const ids = [...new Set([...pooled, ...owning])].sort();
      const page = ids.slice(0, tenantsPageMax);
      const places: TenantPlace[] = [];
      for (const tenantId of page) {
        if (pool.has(tenantId)) places.push(placeIn(tenantId, 'pool', pool));
        if (!owning.has(tenantId)) continue;
        places.push(ownPlace(tenantId));
        await nextTurn();
      }
      const last = page.at(-1);
      return { places, ...(ids.length > page.length && last !== undefined && { next: last }) };
    },
    close() {
      poolChanges.close();
      for (const snapshot of snapshots) closeSnapshot(snapshot);
      own.close();
      pool.close();
    },
  };
}
