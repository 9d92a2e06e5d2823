// Replaces and removes all rows of a tenant of the pool while others use it: in runs of slices, of which the latest counts.
import type { Fences } from './fences.ts';
import { ProblemError } from './problem.ts';
import { restoredReason, type Staging } from './staging.ts';
import type { Seat } from './tenant-data.ts';
import type { SchemaOptions, TenantFile, TenantInfo } from './tenant-file.ts';
import { openSlices, type Slices } from './tenant-slices.ts';

/** As TenantData has them, for the place `pool`. */
export interface PoolChanges {
  prepare(tenantId: string, info: TenantInfo, seat: Seat): Promise<{ created: boolean }>;
  remove(tenantId: string, seat: Seat): Promise<boolean>;
  /** As what the tenant is there, or comes back when a restore has come to its end. Throws `tenant_not_prepared`. */
  restorable(tenantId: string): TenantInfo;
  /** Puts the rows of the staging in the place of the tenant's, and freezes it. */
  replace(tenantId: string, staging: Staging, seat: Seat): Promise<void>;
  /** What is under way fails, and leaves unfinished tenants. */
  close(): void;
}

export interface PoolChangesOptions {
  readonly pool: TenantFile;
  readonly schema: SchemaOptions;
  readonly fences: Fences;
  /** Called when rows have been deleted of which nothing is to stay in the log. */
  readonly scrub: () => void;
  readonly now: () => Date;
}

export function createPoolChanges({ pool, schema, fences, scrub, now }: PoolChangesOptions): PoolChanges {
  const open = new Set<Slices>();
  const nowMs = (): number => now().getTime();

  function passRun(file: TenantFile, tenantId: string, run: number, { fence = 0 }: Seat): void {
    if (file.unfinishedOf(tenantId)?.run === run) return;
    throw new ProblemError('fenced', { message: 'A later attempt is at the rows of this tenant.', metadata: { seen: String(fence) } });
  }

  /** Between the beginning and the end of a run. */
  async function inSlices(tenantId: string, seat: Seat, run: number, work: (slices: Slices) => Promise<void>): Promise<void> {
    const check = (file: TenantFile): void => {
      fences.pass(file, tenantId, seat);
      passRun(file, tenantId, run, seat);
    };
    const slices = openSlices(tenantId, { ...schema, path: pool.path, nowMs: nowMs(), check });
    open.add(slices);
    try {
      await work(slices);
    } finally {
      if (open.delete(slices)) slices.close();
    }
  }

  async function empty(tenantId: string, seat: Seat, run: number): Promise<void> {
    await inSlices(tenantId, seat, run, (slices) => slices.empty());
  }

  /** The end of a run: what `settle` makes of the tenant, which is gone by then, frozen or not. */
  function finish(tenantId: string, seat: Seat, run: number, settle: () => void): void {
    // Before it: a run that is killed between the two is repeated, and scrubs.
    scrub();
    fences.guard(tenantId, seat, () => {
      passRun(pool, tenantId, run, seat);
      pool.finish(tenantId);
      settle();
    });
  }

  function restorable(tenantId: string): TenantInfo {
    const info = pool.infoOf(tenantId) ?? pool.unfinishedOf(tenantId)?.info;
    if (!info) throw new ProblemError('tenant_not_prepared');
    return info;
  }

  return {
    async prepare(tenantId, info, seat) {
      const put = () => pool.put(tenantId, info, nowMs());
      const begun = fences.guard(tenantId, seat, () => (pool.unfinishedOf(tenantId) ? { run: pool.begin(tenantId) } : put()));
      if (!('run' in begun)) return begun;
      await empty(tenantId, seat, begun.run);
      finish(tenantId, seat, begun.run, put);
      return { created: true };
    },
    async remove(tenantId, seat) {
      const run = fences.guard(tenantId, seat, () => (pool.has(tenantId) ? pool.begin(tenantId) : undefined));
      if (run === undefined) return false;
      await empty(tenantId, seat, run);
      finish(tenantId, seat, run, () => undefined);
      return true;
    },
    restorable,
    async replace(tenantId, staging, seat) {
      const { info, run } = fences.guard(tenantId, seat, () => {
        const info = restorable(tenantId);
        return { info, run: pool.begin(tenantId, info) };
      });
      try {
        await inSlices(tenantId, seat, run, async (slices) => {
          await slices.empty();
          await slices.fill(staging.path);
        });
      } catch (error) {
        if (error instanceof ProblemError && error.code === 'disk_full') {
          // The disk is everybody's: what came until it was full goes again. Where not even that has room, the next attempt sees to it.
          await staging.drop();
          await empty(tenantId, seat, run).catch(() => undefined);
        }
        throw error;
      }
      finish(tenantId, seat, run, () => {
        pool.put(tenantId, info, nowMs());
        pool.freeze(tenantId, restoredReason, nowMs());
      });
    },
    close() {
      for (const slices of open) {
        open.delete(slices);
        slices.close();
      }
    },
  };
}
