// Shedding: begins and ends without flapping, and takes from the heaviest first.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  calm,
  nextShedding,
  type Shedding,
  type Strain,
  shedShareMax,
  strainBounds,
  takeShed,
  WeightSpread,
  wouldShed,
} from './shedding.ts';

const strain = fc.record({ loopDelayMs: fc.integer({ min: 0, max: 300 }), heapShare: fc.double({ min: 0, max: 1, noNaN: true }) });
const { begin, end } = strainBounds;
const isOver = ({ loopDelayMs, heapShare }: Strain) => loopDelayMs >= begin.loopDelayMs || heapShare >= begin.heapShare;
const isUnder = ({ loopDelayMs, heapShare }: Strain) => loopDelayMs < end.loopDelayMs && heapShare < end.heapShare;
const shareOf = (state: Shedding) => (state.kind === 'shedding' ? state.share : 0);

describe('an overloaded gateway', () => {
  it('refuses more while it is overloaded, as much as before while it is in between, less once it is relieved, and never everything', () => {
    fc.assert(
      fc.property(fc.array(strain, { maxLength: 100, size: 'max' }), (looks) => {
        let state: Shedding = calm;
        let overInARow = 0;
        for (const look of looks) {
          const before = state;
          state = nextShedding(before, look);
          overInARow = isOver(look) ? overInARow + 1 : 0;
          const [was, is] = [shareOf(before), shareOf(state)];
          expect(is).toBeGreaterThanOrEqual(0);
          expect(is).toBeLessThanOrEqual(shedShareMax);
          if (was === 0) expect(is > 0).toBe(overInARow >= 3);
          else if (isOver(look)) expect(is > was || is === shedShareMax).toBe(true);
          else if (isUnder(look)) expect(is).toBeLessThan(was);
          else expect(is).toBe(was);
        }
      }),
    );
  });

  it('lets all in again within half a minute of relief', () => {
    let state: Shedding = { kind: 'shedding', share: shedShareMax };
    for (let looks = 0; looks < 30; looks++) state = nextShedding(state, { loopDelayMs: 0, heapShare: 0.1 });
    expect(state).toEqual(calm);
  });
});

describe('whose requests are refused', () => {
  const weights = fc.array(fc.double({ min: 0.01, max: 10_000, noNaN: true }), { minLength: 1, maxLength: 200, size: 'max' });
  const share = fc.double({ min: 0.01, max: shedShareMax, noNaN: true });

  function capOf(all: readonly number[], refused: number): number {
    const spread = new WeightSpread();
    for (const weight of all) spread.add(weight);
    return spread.cap(refused);
  }

  it('cuts all down to one bound, so that together they lose what they have to and nobody who uses less loses anything', () => {
    fc.assert(
      fc.property(weights, share, (all, refused) => {
        const cap = capOf(all, refused);
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const kept = all.reduce((sum, weight) => sum + Math.min(weight, cap), 0);
        // Those that are nearly alike are taken for alike.
        expect(kept).toBeLessThanOrEqual((1 - refused) * total * 1.0001);
        expect(kept).toBeGreaterThanOrEqual((1 - refused) * total * 0.98);
        expect(cap).toBeLessThan(Math.max(...all));
      }),
    );
  });

  it('cuts nobody down where nobody uses anything', () => {
    expect(capOf([], 0.5)).toBe(Number.POSITIVE_INFINITY);
  });

  it('leaves a light tenant alone as long as heavier ones can give way', () => {
    expect(capOf([1_000, 900, 5, 5], 0.9)).toBeGreaterThan(5);
  });

  it('refuses of one tenant exactly its share, evenly, and says beforehand which', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 1_000 }), (shedShare, requests) => {
        const shed = { shedShare, shedDue: 0 };
        let refused = 0;
        for (let request = 1; request <= requests; request++) {
          const foretold = wouldShed(shed);
          const isRefused = takeShed(shed);
          expect(isRefused).toBe(foretold);
          if (isRefused) refused += 1;
          expect(Math.abs(refused - request * shedShare)).toBeLessThanOrEqual(1 + 1e-6);
        }
      }),
    );
  });
});
