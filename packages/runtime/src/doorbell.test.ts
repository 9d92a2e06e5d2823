import { expect, test } from 'vitest';
import { ManualClock } from './clock.ts';
import { Doorbell } from './doorbell.ts';

test('a ring wakes everyone who waits', async () => {
  const doorbell = new Doorbell(new ManualClock());
  const waiting = Promise.all([doorbell.wait(1_000), doorbell.wait(1_000)]);
  doorbell.ring();
  await waiting;
});

test('a ring that nobody heard wakes the next who waits, once', async () => {
  const clock = new ManualClock();
  const doorbell = new Doorbell(clock);
  doorbell.ring();
  doorbell.ring();
  await doorbell.wait(1_000);
  const second = doorbell.wait(1_000);
  expect(clock.sleeping).toBe(1);
  await clock.advance(1_000);
  await second;
});

test('waiting ends with the timeout or the signal, and leaves nothing behind', async () => {
  const clock = new ManualClock();
  const doorbell = new Doorbell(clock);
  const abort = new AbortController();
  const waiting = doorbell.wait(1_000, abort.signal);
  abort.abort();
  await waiting;
  await doorbell.wait(1_000, abort.signal);
  expect(clock.sleeping).toBe(0);
  doorbell.ring();
  await doorbell.wait(1_000);
});
