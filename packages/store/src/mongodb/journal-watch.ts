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
   * @throws BurgageError `unavailable` where the server cannot be asked.
   */
  async untilAt(key: string, signal: AbortSignal): Promise<void> {
    let end = (): void => {};
    await new Promise<void>((resolve, reject) => {
      const waiter = { key, wake: resolve, fail: reject };
      end = (): void => {
        this.#waiters.delete(waiter);
        resolve();
      };
      this.#waiters.add(waiter);
      if (signal.aborted) end();
      signal.addEventListener('abort', end);
      if (!this.#looking) void this.#look();
    }).finally(() => {
      signal.removeEventListener('abort', end);
      end();
    });
  }

  /** There is a batch with `key` now. */
  notify(key: string): void {
    for (const waiter of this.#waiters) if (waiter.key <= key) waiter.wake();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    while (this.#waiters.size > 0) {
      await this.#server.clock.sleep(lookEveryMs, this.#server.closing);
      if (this.#waiters.size === 0) break;
      try {
        const lowest = [...this.#waiters].reduce((least, { key }) => (key < least ? key : least), '\uffff');
        const last = await this.#server.call(() => this.#record.lastAtOrBehind(lowest));
        if (last !== undefined) this.notify(last._id);
      } catch (error) {
        for (const waiter of this.#waiters) waiter.fail(error);
      }
    }
    this.#looking = false;
  }
}
