import { expect, test } from 'vitest';
import { ManualClock, systemClock } from './clock.ts';

test('a sleep of the system clock ends at once when it is aborted, before or meanwhile', async () => {
  const abort = new AbortController();
  const sleeping = systemClock.sleep(60_000, abort.signal);
  abort.abort();
  await sleeping;
  await systemClock.sleep(60_000, abort.signal);
});

test('the system clock takes delays that are longer than a timer can be, and lower than zero', async () => {
  const abort = new AbortController();
  let woken = false;
  const sleeping = systemClock.sleep(2 ** 40, abort.signal).then(() => {
    woken = true;
  });
  await systemClock.sleep(-1);
  expect(woken).toBe(false);
  abort.abort();
  await sleeping;
});

test('the manual clock stands still until it is moved, and wakes sleepers in order of time', async () => {
  const clock = new ManualClock(new Date('2026-03-01T00:00:00Z'));
  const woken: string[] = [];
  void clock.sleep(20).then(() => woken.push(`b at ${clock.monotonicMs()}`));
  void clock.sleep(10).then(() => woken.push(`a at ${clock.monotonicMs()}`));
  void clock.sleep(31).then(() => woken.push('never'));
  await clock.advance(30);
  expect(woken).toEqual(['a at 10', 'b at 20']);
  expect(clock.monotonicMs()).toBe(30);
  expect(clock.now().toISOString()).toBe('2026-03-01T00:00:00.030Z');
  expect(clock.sleeping).toBe(1);
});

test('a loop of sleeps runs as often as fits into the span', async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  let rounds = 0;
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(100, stop.signal);
      rounds++;
    }
  })();
  await clock.advance(1_050);
  expect(rounds).toBe(10);
  stop.abort();
  await loop;
  expect(clock.sleeping).toBe(0);
});
