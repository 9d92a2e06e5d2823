// Time as a parameter: the clock of the machine, and one that tests move by hand.

export interface Clock {
  /** Wall-clock time: for what people read and what is stored. */
  now(): Date;
  /** Milliseconds that only ever grow, from an arbitrary origin: for intervals and deadlines. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds, or as soon as `signal` is aborted. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay that a timer of Node takes: 2^31 - 1 ms. */
const timerMsMax = 2_147_483_647;

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, Math.min(Math.max(ms, 0), timerMsMax));
      signal?.addEventListener('abort', finish, { once: true });
    }),
};

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** A clock that stands still until `advance`: for tests and simulation. */
export class ManualClock implements Clock {
  #sleepers: Sleeper[] = [];
  #elapsedMs = 0;
  readonly #startMs: number;

  constructor(start: Date = new Date('2026-01-01T00:00:00Z')) {
    this.#startMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#startMs + this.#elapsedMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  /** How many sleep at the moment. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted || ms <= 0) {
        resolve();
        return;
      }
      const wake = () => {
        signal?.removeEventListener('abort', wake);
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        resolve();
      };
      const sleeper: Sleeper = { dueMs: this.#elapsedMs + ms, wake };
      signal?.addEventListener('abort', wake, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /**
   * Moves the time `ms` forward and wakes who is due, in order of time. After each wake the woken code runs until it
   * waits for something else, so that a sleep it begins within the span is woken as well.
   */
  async advance(ms: number): Promise<void> {
    const targetMs = this.#elapsedMs + ms;
    await turn();
    for (;;) {
      const next = this.#earliest(targetMs);
      if (next === undefined) break;
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      next.wake();
      await turn();
    }
    this.#elapsedMs = targetMs;
  }

  #earliest(limitMs: number): Sleeper | undefined {
    let earliest: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.dueMs <= limitMs && (earliest === undefined || sleeper.dueMs < earliest.dueMs)) earliest = sleeper;
    }
    return earliest;
  }
}

/** One turn of the event loop: every promise that can go on has gone on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
