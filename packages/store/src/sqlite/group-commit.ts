// Group commit: the writes of one turn of the event loop share a transaction, and so one flush to the disk.
import { BurgageError } from '@burgage/contracts';
import { type Database, storeError } from './database.ts';

/** So that one transaction cannot hold the process for long. */
const batchMax = 1_000;

interface Write {
  readonly work: () => unknown;
  readonly settle: (outcome: Outcome) => void;
}

type Outcome = { readonly done: true; readonly result: unknown } | { readonly done: false; readonly error: unknown };

export class GroupCommit {
  readonly #database: Database;
  #queue: Write[] = [];
  #committing: Promise<void> | undefined;
  #closed = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Runs `work` inside the next transaction and answers after its commit. What `work` throws undoes only what `work` did.
   * @throws BurgageError `unavailable` when the commit failed: nothing of the transaction is kept.
   */
  write<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new BurgageError('unavailable', { message: `${this.#database.file} is closed` }));
    return new Promise<T>((resolve, reject) => {
      // What comes out of `work` is what goes into `settle`.
      const settle = (outcome: Outcome): void => (outcome.done ? resolve(outcome.result as T) : reject(outcome.error));
      this.#queue.push({ work, settle });
      this.#committing ??= this.#commitAll();
    });
  }

  /** Commits what is queued and takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#committing;
  }

  async #commitAll(): Promise<void> {
    while (this.#queue.length > 0) {
      // Everything that the other callbacks of this turn want to write comes into the same transaction.
      await new Promise<void>((resolve) => setImmediate(resolve));
      const batch = this.#queue.splice(0, batchMax);
      const outcomes = await this.#commit(batch);
      batch.forEach((write, index) => {
        write.settle(outcomes[index] ?? { done: false, error: new BurgageError('internal') });
      });
    }
    this.#committing = undefined;
  }

  async #commit(batch: readonly Write[]): Promise<readonly Outcome[]> {
    const [only] = batch;
    if (only !== undefined && batch.length === 1) return [await this.#commitOne(only)];
    try {
      return await this.#database.patiently(() => this.#database.transaction(() => batch.map((write) => this.#attempt(write))));
    } catch (error) {
      // Also for those whose work was refused: they were refused because of something that is not there.
      return batch.map(() => ({ done: false, error }));
    }
  }

  /** A write that is alone needs no savepoint: what it throws undoes the transaction. */
  async #commitOne(write: Write): Promise<Outcome> {
    try {
      return { done: true, result: await this.#database.patiently(() => this.#database.transaction(write.work)) };
    } catch (error) {
      return { done: false, error: storeError(this.#database.file, error) };
    }
  }

  #attempt(write: Write): Outcome {
    this.#database.run('SAVEPOINT one_write');
    try {
      const result = write.work();
      this.#database.run('RELEASE one_write');
      return { done: true, result };
    } catch (error) {
      // Without its transaction nothing of the batch can be kept.
      if (!this.#database.inTransaction) throw error;
      this.#database.run('ROLLBACK TO one_write');
      this.#database.run('RELEASE one_write');
      return { done: false, error: storeError(this.#database.file, error) };
    }
  }
}
