// The store in one database of a MongoDB server, which any number of processes may share.
import { type Clock, type Logger, type Random, systemClock, systemRandom } from '@burgage/runtime';
import type { Documents, DocumentType, Journal, Store } from '../port.ts';
import { MongoDocuments } from './documents.ts';
import { MongoJournal } from './journal.ts';
import { Server } from './server.ts';

export interface MongoStoreOptions {
  /** A connection string: `mongodb://user:password@host:27017/registry`. The database in its path is used. */
  readonly url: string;
  /** The database where the address names none. */
  readonly database?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Told which server it is. */
  readonly logger?: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Opens the store in a database of MongoDB 7 or later. What a promise of it has said to be written is on the disks of a
 * majority. Collections and indexes are made when a type or a journal is used for the first time.
 * @throws BurgageError `unavailable` where no server answers within five seconds, `credentials_refused`,
 * `server_too_old`, `invalid_argument` (url, database); none names the password.
 */
export async function openMongoStore({
  clock = systemClock,
  random = systemRandom,
  url,
  database,
  logger,
}: MongoStoreOptions): Promise<Store> {
  return new MongoStore(await Server.open({ url, database, clock, random, logger }));
}

class MongoStore implements Store {
  readonly #server: Server;
  /** By name: what one part of the process appends, another part waits for. */
  readonly #journals = new Map<string, MongoJournal>();

  constructor(server: Server) {
    this.#server = server;
  }

  documents<T>(type: DocumentType<T>): Documents<T> {
    return new MongoDocuments(this.#server, type);
  }

  journal(name: string): Journal {
    const journal = this.#journals.get(name) ?? new MongoJournal(this.#server, name);
    this.#journals.set(name, journal);
    return journal;
  }

  async ping(): Promise<void> {
    await this.#server.call(() => this.#server.ping());
  }

  async close(): Promise<void> {
    await this.#server.close();
  }
}
