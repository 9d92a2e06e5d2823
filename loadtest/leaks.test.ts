import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeGrowth, leftOver, type Sample, slope } from './leaks.ts';

const mebi = 2 ** 20;

/** An hour of samples, one a minute. */
function samples(heapMiB: (minute: number) => number): readonly Sample[] {
  return Array.from({ length: 61 }, (_, minute) => ({
    atMs: minute * 60_000,
    heapBytes: heapMiB(minute) * mebi,
    externalBytes: mebi,
    rssBytes: 100 * mebi,
    resources: {},
  }));
}

const heapIsFlat = (heapMiB: (minute: number) => number): boolean | undefined => judgeGrowth(samples(heapMiB))[0]?.isFlat;

test('the slope of a straight line is its own, wherever it lies', () => {
  const coordinate = fc.integer({ min: -1_000, max: 1_000 });
  fc.assert(
    fc.property(coordinate, coordinate, fc.uniqueArray(coordinate, { minLength: 2, maxLength: 20 }), (a, b, xs) => {
      expect(slope(xs.map((x) => [x, a * x + b]))).toBeCloseTo(a, 6);
    }),
  );
});

test('a heap that goes up and down is flat, and one that reaches its size at the begin too', () => {
  expect(heapIsFlat((minute) => 40 + (minute % 2) * 10)).toBe(true);
  expect(heapIsFlat((minute) => (minute < 10 ? 20 + 2 * minute : 40))).toBe(true);
});

test('a heap that grows by little all the time is told, with how much', () => {
  expect(heapIsFlat((minute) => 40 + minute * 0.2 + (minute % 2) * 5)).toBe(false);
  const [heap, buffers, rss] = judgeGrowth(samples((minute) => 40 + minute));
  expect(heap?.line).toBe(
    'grows   heap after collection: 100.0 MiB at the end; +50.0 MiB over the run, at most 8; +60.0 MiB an hour by its slope',
  );
  expect([buffers?.isFlat, rss?.isFlat]).toEqual([true, true]);
});

test('what is left over is named by kind, with how many there were; what is gone is no leak', () => {
  expect(leftOver({ Timeout: 3, TCPSocketWrap: 1 }, { Timeout: 3, TCPSocketWrap: 4, FSReqPromise: 1 })).toEqual([
    'TCPSocketWrap 1 → 4',
    'FSReqPromise 0 → 1',
  ]);
  expect(leftOver({ Timeout: 3 }, { Timeout: 2 })).toEqual([]);
});
