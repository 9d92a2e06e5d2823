// Limits in shared memory: many threads together get what one would, and what an ended thread had taken comes back.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hammering } from '../testing/limit-hammer.ts';
import { cellsPerBlock, LimitCells } from './limit-cells.ts';
import { OwnUse, type TenantUse } from './tenant-use.ts';

const workers = 4;

function begin(cells: LimitCells, hammering: Omit<Hammering, 'workers' | 'locking' | 'blocks'>): Worker {
  const locking = cells.locking.buffer as SharedArrayBuffer;
  return new Worker(new URL('../testing/limit-hammer.ts', import.meta.url), {
    workerData: { ...hammering, workers, locking, blocks: cells.blocks } satisfies Hammering,
  });
}

/** All workers at once on one tenant; how many each was let through. */
async function hammer(
  task: Pick<Hammering, 'what' | 'turns' | 'limit'>,
): Promise<{ passed: number; board: Int32Array; cells: LimitCells }> {
  const cells = new LimitCells(workers);
  cells.grow(1);
  const board = new SharedArrayBuffer(12);
  const threads = Array.from({ length: workers }, (_, worker) => begin(cells, { ...task, worker, tenant: 0, board }));
  const counts = await Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0] as number));
  await Promise.all(threads.map((thread) => thread.terminate()));
  return { passed: counts.reduce((sum, count) => sum + count, 0), board: new Int32Array(board), cells };
}

describe('limits in shared memory', () => {
  it('let several threads through at a rate exactly as often as one, a full burst and then what the time brings', async () => {
    for (const limit of [1, 7, 900.5]) {
      const turns = 10_000;
      const { passed } = await hammer({ what: 'rate', turns, limit });
      const alone = new OwnUse();
      let expected = 0;
      for (let nowMs = 0; nowMs < turns; nowMs++)
        for (let times = 0; times < 3; times++) if (alone.takeRate(limit, nowMs) === 0) expected += 1;
      expect(passed).toBeLessThanOrEqual(expected);
      // One whose clock stood still for a moment cannot ask again in the past.
      expect(passed).toBeGreaterThanOrEqual(expected * 0.99 - 1);
    }
  });

  it('have a burst in them for threads whose looks at the clock come in another order than they ask', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.integer({ min: 1_000, max: 1_005 }), { minLength: 50 }), (limit, looks) => {
        const cells = new LimitCells(2);
        cells.grow(1);
        const threads = [cells.use(0, 0), cells.use(0, 1)];
        for (const [turn, nowMs] of looks.slice(0, limit).entries()) {
          const use = threads[turn % 2] as TenantUse;
          expect([use.previewRate(limit, nowMs), use.takeRate(limit, nowMs)]).toEqual([0, 0]);
        }
      }),
    );
  });

  it('never have more in flight than may be, and none when all have left', async () => {
    for (const limit of [1, 2, 3]) {
      const { passed, board, cells } = await hammer({ what: 'places', turns: 50_000, limit });
      expect(passed).toBeGreaterThan(0);
      expect(board[2]).toBeLessThanOrEqual(limit);
      expect(cells.use(0, 0).inflight).toBe(0);
    }
  });

  it('come back from a thread that is ended in the middle of it, and its lock with them', async () => {
    const cells = new LimitCells(workers);
    cells.grow(1);
    const other = cells.use(0, 1);
    other.enter(0);
    for (let round = 0; round < 10; round++) {
      const thread = begin(cells, { what: 'hold', turns: 0, limit: 1_000_000, worker: 0, tenant: 0, board: new SharedArrayBuffer(12) });
      await once(thread, 'message');
      await new Promise((resolve) => setTimeout(resolve, 5));
      await thread.terminate();
      cells.release(0);
      expect([other.inflight, other.tunnels]).toEqual([1, 0]);
      expect(other.takeRate(1_000_000, performance.now() + 10_000 * (round + 1))).toBe(0);
    }
  });

  it('are those of one thread where there is one, whatever is asked', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('enter' as const), max: fc.nat({ max: 3 }) }),
      fc.record({ kind: fc.constantFrom('leave' as const, 'closeTunnel' as const) }),
      fc.record({ kind: fc.constant('openTunnel' as const), max: fc.nat({ max: 2 }) }),
      fc.record({
        kind: fc.constantFrom('takeRate' as const, 'previewRate' as const),
        limit: fc.constantFrom(0.5, 3, 1_000),
        ms: fc.nat({ max: 400 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(0, 5, cellsPerBlock + 1), (steps, tenant) => {
        const cells = new LimitCells(2);
        cells.grow(tenant + 1);
        const [shared, own] = [cells.use(tenant, 1), new OwnUse()];
        let nowMs = 0;
        for (const one of steps) {
          if (one.kind === 'enter') expect(shared.enter(one.max)).toBe(own.enter(one.max));
          else if (one.kind === 'openTunnel') expect(shared.openTunnel(one.max)).toBe(own.openTunnel(one.max));
          else if (one.kind === 'takeRate' || one.kind === 'previewRate') {
            nowMs += one.ms;
            expect(shared[one.kind](one.limit, nowMs)).toBe(own[one.kind](one.limit, nowMs));
          } else if (one.kind === 'leave' ? own.inflight > 0 : own.tunnels > 0) {
            shared[one.kind]();
            own[one.kind]();
          }
          expect([shared.inflight, shared.tunnels, shared.dueMs]).toEqual([own.inflight, own.tunnels, own.dueMs]);
        }
      }),
      { numRuns: 50 },
    );
  });
});
