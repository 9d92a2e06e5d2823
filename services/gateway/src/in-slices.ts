// Spreads work on very many things over time, so that no request waits for all of it.
import type { Clock } from '@burgage/runtime';

/** A loop that is late catches up, but with no more than this part of the whole at a time. */
const partMax = 0.1;

export interface Pace {
  /** How many slices there are. */
  readonly count: number;
  /** Over how long they are spread. */
  readonly spanMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Calls `work` with each slice from 0 on, the last one when the span is over. Ends early where `signal` is aborted. */
export async function inSlices({ count, spanMs, clock, signal }: Pace, work: (slice: number) => void): Promise<void> {
  const beganMs = clock.monotonicMs();
  const elapsed = () => (clock.monotonicMs() - beganMs) / spanMs;
  for (let next = 0; next < count; ) {
    await clock.sleep(((next + 1) / count - elapsed()) * spanMs, signal);
    if (signal.aborted) return;
    const due = Math.min(Math.floor(elapsed() * count), count, next + Math.ceil(partMax * count));
    // A timer may be a little early.
    do work(next++);
    while (next < due);
  }
}
