// A clock that runs faster than the machine's, so that seconds of a protocol pass in milliseconds of a test.
import { type Clock, systemClock } from '@burgage/runtime';

/** Time passes `factor` times as fast; the date is today's. */
export function fastClock(factor: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonicMs: () => systemClock.monotonicMs() * factor,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  };
}
