// A doorbell: says that there may be work, and forgets how often it was said.
import { type Clock, systemClock } from './clock.ts';

/** Wakes whoever waits. A ring that nobody heard is kept for the next who waits, so that no work is slept over. */
export class Doorbell {
  readonly #clock: Clock;
  readonly #waiting = new Set<AbortController>();
  #rung = false;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Wakes everyone who waits; if nobody does, the next `wait` returns at once. */
  ring(): void {
    if (this.#waiting.size === 0) this.#rung = true;
    for (const waiting of this.#waiting) waiting.abort();
  }

  /** Resolves at the next ring, after `timeoutMs`, or when `signal` is aborted. Never rejects. */
  async wait(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#rung) {
      this.#rung = false;
      return;
    }
    if (signal?.aborted) return;
    const waiting = new AbortController();
    const cancel = () => waiting.abort();
    signal?.addEventListener('abort', cancel, { once: true });
    this.#waiting.add(waiting);
    try {
      await this.#clock.sleep(timeoutMs, waiting.signal);
    } finally {
      this.#waiting.delete(waiting);
      signal?.removeEventListener('abort', cancel);
    }
  }
}
