// The store in one SQLite file, which several processes may share.
import { type Clock, type Random, systemClock, systemRandom } from '@burgage/runtime';
import type { Documents, DocumentType, Journal, Store } from '../port.ts';
import { Changes } from './changes.ts';
import { Database } from './database.ts';
import { SqliteDocuments } from './documents.ts';
import { GroupCommit } from './group-commit.ts';
import { SqliteJournal } from './journal.ts';

export interface SqliteStoreOptions {
  /** Path of the file; made (mode 0600, missing folders 0700) where there is none. */
  readonly file: string;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * Opens the store that is `file`. What a promise of it has said to be written survives the loss of power
 * (`synchronous=FULL`). Any number of processes may open the same file at once.
 * @throws BurgageError `data_folder_newer`, `data_corrupt`, `unavailable`; each names the file.
 */
export async function openSqliteStore({ file, clock = systemClock, random = systemRandom }: SqliteStoreOptions): Promise<Store> {
  return new SqliteStore(await Database.open(file, clock, random));
}

class SqliteStore implements Store {
  readonly #database: Database;
  readonly #writes: GroupCommit;
  readonly #changes: Changes;

  constructor(database: Database) {
    this.#database = database;
    this.#writes = new GroupCommit(database);
    this.#changes = new Changes(database);
  }

  documents<T>(type: DocumentType<T>): Documents<T> {
    return new SqliteDocuments(this.#database, this.#writes, type);
  }

  journal(name: string): Journal {
    return new SqliteJournal(this.#database, this.#writes, this.#changes, name);
  }

  async ping(): Promise<void> {
    await this.#database.patiently(() => this.#database.one('SELECT 1 FROM types LIMIT 1'));
  }

  async close(): Promise<void> {
    await this.#writes.close();
    this.#database.close();
    this.#changes.notify();
  }
}
