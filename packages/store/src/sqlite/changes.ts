// Who waits for a journal to grow: woken at once by this process, and within 10 ms by others.
import type { Database } from './database.ts';

/** How often the file is looked at while somebody waits. */
const lookEveryMs = 10;

export class Changes {
  readonly #database: Database;
  readonly #waiting = new Map<() => void, string>();
  #seen = 0;
  #looking = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Calls `wake` once, at the next change of the journal or of the file by others, or never after `forget(wake)`. */
  next(journal: string, wake: () => void): void {
    this.#waiting.set(wake, journal);
    if (this.#looking) return;
    this.#looking = true;
    this.#seen = this.#fileVersion();
    void this.#look();
  }

  forget(wake: () => void): void {
    this.#waiting.delete(wake);
  }

  /** Wakes those who wait for `journal`, or everyone. */
  notify(journal?: string): void {
    for (const [wake, waitedFor] of [...this.#waiting]) {
      if (journal !== undefined && journal !== waitedFor) continue;
      this.#waiting.delete(wake);
      wake();
    }
  }

  async #look(): Promise<void> {
    while (this.#waiting.size > 0) {
      await this.#database.clock.sleep(lookEveryMs);
      if (this.#waiting.size === 0) break;
      const version = this.#fileVersion();
      if (version === this.#seen) continue;
      this.#seen = version;
      this.notify();
    }
    this.#looking = false;
  }

  /** Another number whenever another connection has committed. A file that cannot be read counts as changed: who wakes up finds out why. */
  #fileVersion(): number {
    try {
      return this.#database.one<{ data_version: number }>('PRAGMA data_version')?.data_version ?? 0;
    } catch {
      return -1;
    }
  }
}
