// Who waits for a journal to grow: woken at once by this process, and soon by others.
import type { JournalRecord } from './journal-record.ts';
import type { Server } from './server.ts';

/** How often the server is asked while somebody waits, by one question for all who do. */
const lookEveryMs = 12;

interface Waiter {
  /** Of the first batch that it does not know. */
  readonly key: string;
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

export class JournalWatch {
  readonly #server: Server;
  readonly #record: JournalRecord;
  readonly #waiters = new Set<Waiter>();
  #looking = false;

  constructor(server: Server, record: JournalRecord) {
    this.#server = server;
    this.#record = record;
  }

  /**
   * Resolves when there is a batch with `key` or behind it, or when `signal` is aborted.
   * @throws BurgageError `unavailable` where the server cannot be asked, or the store is closed.
   */
  async untilAt(key: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { key, wake: resolve, fail: reject };
    signal.addEventListener('abort', waiter.wake, { once: true });
    this.#waiters.add(waiter);
    if (!this.#looking) void this.#look();
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener('abort', waiter.wake);
    }
  }

  /** There is a batch with `key` now. */
  notify(key: string): void {
    for (const waiter of this.#waiters) if (waiter.key <= key) waiter.wake();
  }

  async #look(): Promise<void> {
    const { clock, closing } = this.#server;
    this.#looking = true;
    while (this.#waiters.size > 0) {
      await clock.sleep(lookEveryMs, closing);
      const waiters = [...this.#waiters];
      const [first] = waiters.map(({ key }) => key).sort();
      if (first === undefined) break;
      try {
        const last = await this.#server.call(() => this.#record.lastAtOrBehind(first));
        if (last !== undefined) this.notify(last._id);
      } catch (error) {
        for (const waiter of waiters) waiter.fail(error);
      }
    }
    this.#looking = false;
  }
}
