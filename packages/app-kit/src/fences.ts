// Fences: the highest number that the platform has come with, per tenant and place, below which it changes nothing any more.
import { ProblemError } from './problem.ts';
import type { Place, Seat } from './tenant-data.ts';
import type { TenantFile } from './tenant-file.ts';

export interface Fences {
  /** Throws `fenced` with `seen` for whoever comes late. Good for as long as the transaction of `file`, which is open on the pool. */
  pass(file: TenantFile, tenantId: string, seat: Seat): void;
  /** Runs `work` with nothing between it and the fence. */
  guard<T>(tenantId: string, seat: Seat, work: () => T): T;
}

/** They stand in the pool, so that they outlive a database of a tenant's own. */
export function createFences(pool: TenantFile): Fences {
  function pass(file: TenantFile, tenantId: string, { place = 'pool', fence = 0 }: Seat): void {
    const seen = seenOf(file, tenantId, place);
    if (fence < seen)
      throw new ProblemError('fenced', { message: `Fence ${fence} is late: ${seen} has been seen.`, metadata: { seen: String(seen) } });
    if (fence > seen)
      file.query(
        'INSERT INTO burgage_fences (tenant_id, place, token) VALUES (?, ?, ?) ON CONFLICT (tenant_id, place) DO UPDATE SET token = excluded.token',
        tenantId,
        place,
        fence,
      );
  }

  return {
    pass,
    guard(tenantId, seat, work) {
      // By itself first: whatever becomes of the work, nobody with a lower fence comes after it.
      if ((seat.fence ?? 0) > 0) pool.transaction(() => pass(pool, tenantId, seat));
      // Holds the pool's write lock during the work, so that no other process passes a higher fence meanwhile.
      return pool.transaction(() => {
        pass(pool, tenantId, seat);
        return work();
      });
    },
  };
}

function seenOf(file: TenantFile, tenantId: string, place: Place): number {
  const [row] = file.query('SELECT token FROM burgage_fences WHERE tenant_id = ? AND place = ?', tenantId, place);
  return Number(row?.token ?? 0);
}
