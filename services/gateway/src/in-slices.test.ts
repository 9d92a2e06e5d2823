// Work in slices: each is done once, in time, and a loop that was late does not get all of it at once.
import { type Clock, ManualClock } from '@burgage/runtime';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { inSlices } from './in-slices.ts';

const signal = new AbortController().signal;

it('does every slice once and in order, spread over the span', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 300 }), async (count) => {
      const clock = new ManualClock();
      const done: { slice: number; atMs: number }[] = [];
      const running = inSlices({ count, spanMs: 1_000, clock, signal }, (slice) => done.push({ slice, atMs: clock.monotonicMs() }));
      for (let ms = 0; ms < 1_010; ms += 10) await clock.advance(10);
      await running;
      expect(done.map(({ slice }) => slice)).toEqual(Array.from({ length: count }, (_, slice) => slice));
      for (const { slice, atMs } of done) expect(Math.abs(atMs - ((slice + 1) / count) * 1_000)).toBeLessThan(5);
    }),
    { numRuns: 20 },
  );
});

it('catches up where the loop is late, with a tenth at most at a time', async () => {
  for (const [lateMs, atOnceMax] of [
    [60, 6],
    [400, 10],
  ] as const) {
    let nowMs = 0;
    const done: number[] = [];
    const late: Clock = {
      now: () => new Date(nowMs),
      monotonicMs: () => nowMs,
      sleep: async () => {
        nowMs += lateMs;
      },
    };
    await inSlices({ count: 100, spanMs: 1_000, clock: late, signal }, () => done.push(nowMs));
    expect(done).toHaveLength(100);
    for (const atMs of done) expect(done.filter((other) => other === atMs).length).toBeLessThanOrEqual(atOnceMax);
  }
});

it('ends early where it is told to', async () => {
  const clock = new ManualClock();
  const stopping = new AbortController();
  const done: number[] = [];
  const running = inSlices({ count: 10, spanMs: 1_000, clock, signal: stopping.signal }, (slice) => done.push(slice));
  await clock.advance(350);
  stopping.abort();
  await running;
  expect(done).toEqual([0, 1, 2]);
});
