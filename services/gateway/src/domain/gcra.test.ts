// GCRA: the bound holds in every window, and nothing that fits is refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freshRate, isRateIdle, takeRate } from './gcra.ts';

const limits = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 51, max: 100_000 }), fc.constant(4_000_000_000));
const starts = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 40 }));

describe('takeRate', () => {
  it('lets at most limit + limit × W / 1000 through in any window of W ms', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        starts,
        fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 300, size: 'max' }),
        (limit, startMs, gaps) => {
          const state = freshRate();
          const passed: number[] = [];
          let nowMs = startMs;
          for (const gap of gaps) {
            nowMs += gap;
            if (takeRate(state, limit, nowMs) === 0) passed.push(nowMs);
          }
          for (let from = 0; from < passed.length; from++) {
            for (let to = from; to < passed.length; to++) {
              const windowMs = (passed[to] ?? 0) - (passed[from] ?? 0);
              expect(to - from + 1).toBeLessThanOrEqual(limit + Math.floor((limit * windowMs) / 1000));
            }
          }
        },
      ),
    );
  });

  it('agrees with the same arithmetic in big integers', () => {
    fc.assert(
      fc.property(limits, starts, fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 200, size: 'max' }), (limit, startMs, gaps) => {
        const state = freshRate();
        const perMs = BigInt(limit);
        let due = 0n;
        let nowMs = startMs;
        for (const gap of gaps) {
          nowMs += gap;
          const now = BigInt(nowMs) * perMs;
          const ahead = due > now ? due - now : 0n;
          const isLet = ahead <= (perMs - 1n) * 1000n;
          expect(takeRate(state, limit, nowMs) === 0).toBe(isLet);
          if (isLet) due = now + ahead + 1000n;
        }
      }),
    );
  });

  it('says a wait after which the request passes, and not a millisecond earlier', () => {
    fc.assert(
      fc.property(
        limits.filter((limit) => limit <= 2_000),
        starts,
        (limit, startMs) => {
          const state = freshRate();
          while (takeRate(state, limit, startMs) === 0);
          const waitMs = takeRate(state, limit, startMs);
          expect(takeRate({ ...state }, limit, startMs + waitMs - 1)).toBeGreaterThan(0);
          expect(takeRate({ ...state }, limit, startMs + waitMs)).toBe(0);
        },
      ),
    );
  });

  it('lets exactly a burst of limit through at once, from idle', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), starts, (limit, nowMs) => {
        const state = freshRate();
        let passed = 0;
        while (takeRate(state, limit, nowMs) === 0) passed += 1;
        expect(passed).toBe(limit);
        expect(isRateIdle(state, nowMs)).toBe(false);
        expect(isRateIdle(state, nowMs + 1_001)).toBe(true);
      }),
    );
  });

  it('never lets more through by a change of limit than the larger limit would', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), starts, (first, second, nowMs) => {
        const state = freshRate();
        let passed = 0;
        while (takeRate(state, first, nowMs) === 0) passed += 1;
        while (takeRate(state, second, nowMs) === 0) passed += 1;
        expect(passed).toBeLessThanOrEqual(Math.max(first, second));
      }),
    );
  });

  it('keeps to limits that are not whole, also to those below one a second', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 20, noNaN: true }),
        starts,
        fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 200, size: 'max' }),
        (limit, startMs, gaps) => {
          const state = freshRate();
          const passed: number[] = [];
          let nowMs = startMs;
          for (const gap of gaps) {
            nowMs += gap;
            const waitMs = takeRate(state, limit, nowMs);
            if (waitMs === 0) passed.push(nowMs);
            else expect(takeRate({ ...state }, limit, nowMs + waitMs)).toBe(0);
          }
          for (const [from, fromMs] of passed.entries()) {
            for (const [to, toMs] of passed.entries()) {
              if (to < from) continue;
              expect(to - from + 1).toBeLessThanOrEqual(Math.max(limit, 1) + (limit * (toMs - fromMs)) / 1000 + 1e-6);
            }
          }
        },
      ),
    );
  });

  it('never lets more through by limits that change than by the time that each held, and the largest burst', () => {
    const change = fc.record({ limit: fc.double({ min: 0.1, max: 50, noNaN: true }), forMs: fc.integer({ min: 0, max: 3_000 }) });
    fc.assert(
      fc.property(starts, fc.array(change, { minLength: 1, maxLength: 30, size: 'max' }), (startMs, changes) => {
        const state = freshRate();
        let nowMs = startMs;
        let passed = 0;
        let earned = Math.max(1, changes[0]?.limit ?? 0);
        for (const { limit, forMs } of changes) {
          for (const endsAtMs = nowMs + forMs; nowMs <= endsAtMs; nowMs += 7) while (takeRate(state, limit, nowMs) === 0) passed += 1;
          earned += (limit * (forMs + 7)) / 1000;
          expect(passed).toBeLessThanOrEqual(earned + 1);
        }
      }),
    );
  });
});
