// The connection to one database of a MongoDB server: how it is made, and how every call through it is carried out.
import { BurgageError, invalidField } from '@burgage/contracts';
import type { Clock, Logger, Random } from '@burgage/runtime';
import {
  type Db,
  type DbOptions,
  type MongoClient,
  type MongoClientOptions,
  MongoNetworkTimeoutError,
  MongoServerSelectionError,
  ReadConcern,
} from 'mongodb';
import { Client } from './client.ts';
import { isUndecided, isUnsent, storeError } from './errors.ts';
import { checkServerVersion } from './server-version.ts';

export interface ServerOptions {
  readonly url: string;
  readonly database?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Pick<Logger, 'info' | 'warn'> | undefined;
}

/**
 * What every question is asked with, whatever the address says. A write is acknowledged when it is on the disks of a
 * majority; a read sees only what is. Together with the primary, whoever has seen a write sees it again, also after
 * another member has become primary.
 */
const guarantees: DbOptions = {
  writeConcern: { w: 'majority', journal: true },
  readConcern: new ReadConcern('majority'),
  readPreference: 'primary',
};

/**
 * What the address cannot override.
 * - The driver repeats nothing by itself: its way of repeating writes needs sessions, which not every server has, and
 *   hides that a write was repeated. See `repeating`.
 * - A server that does not answer is given up, so that callers hear `unavailable` and not nothing.
 * - A server is looked at once a second and never sooner. Asked to look at once when a connection ends, which it does
 *   otherwise, the driver writes to a connection that is just ending, and waits for ever (7.8; one end of a server in
 *   twenty).
 */
const options: MongoClientOptions = {
  appName: 'burgage',
  retryWrites: false,
  retryReads: false,
  maxPoolSize: 32,
  maxConnecting: 4,
  maxIdleTimeMS: 300_000,
  waitQueueTimeoutMS: 5_000,
  serverSelectionTimeoutMS: 5_000,
  connectTimeoutMS: 5_000,
  socketTimeoutMS: 10_000,
  heartbeatFrequencyMS: 1_000,
  minHeartbeatFrequencyMS: 1_000,
};

/** When all limits of the driver have passed. */
const answerMsMax = 25_000;
/** A client is given this time to find the server before another one tries. */
const clientMsMin = 5_000;
/** So often is something attempted whose outcome is not known, and only so long after its beginning. */
const attemptsMax = 3;
const repeatedForMs = 10_000;
/** So long is a reason waited for. */
const unclearForMs = 5_000;
const unclearPauseMsMax = 50;

const addressForm = /^mongodb(?:\+srv)?:\/\/(?<authority>[^/?]+)(?:\/(?<path>[^?]*))?/;

export class Server {
  /** The server and database as messages name them: without credentials. */
  readonly place: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: ServerOptions['logger'];
  /** Aborted when the store is being closed. */
  readonly closing: AbortSignal;
  readonly #url: string;
  readonly #database: string;
  readonly #close = new AbortController();
  readonly #calls = new Set<Promise<unknown>>();
  #client: MongoClient;
  /** Monotonic. */
  #clientSinceMs: number;
  #closed: Promise<void> | undefined;

  private constructor(client: MongoClient, database: string, { url, clock, random, logger }: ServerOptions) {
    const { srvHost, hosts } = client.options;
    this.place = `mongodb://${srvHost ?? hosts.join(',')}/${database}`;
    this.clock = clock;
    this.random = random;
    this.logger = logger;
    this.closing = this.#close.signal;
    this.#url = url;
    this.#database = database;
    this.#client = client;
    this.#clientSinceMs = clock.monotonicMs();
  }

  /**
   * Connects and looks at the server. @throws BurgageError `invalid_argument` (url, database), `unavailable` after five
   * seconds, `credentials_refused`, `server_too_old`.
   */
  static async open(wanted: ServerOptions): Promise<Server> {
    const server = new Server(clientOf(wanted.url), databaseOf(wanted), wanted);
    try {
      await server.call(async () => {
        const name = checkServerVersion(server.place, await server.ask((db) => db.admin().command({ buildInfo: 1 })));
        // Changes nothing, but takes the rights of the address's user.
        await server.ask((db) => db.collection('journals').findOne({}));
        wanted.logger?.info({ server: server.place, version: name }, 'store opened');
      });
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  /** Carries out one call of the store, which `close` waits for; whatever it throws becomes an error of the port. */
  call<T>(work: () => Promise<T>): Promise<T> {
    if (this.closing.aborted) return Promise.reject(this.closedError());
    const call = work().catch((error: unknown) => {
      throw storeError(this.place, error);
    });
    this.#calls.add(call);
    const forget = (): void => void this.#calls.delete(call);
    call.then(forget, forget);
    return call;
  }

  /**
   * One question to the server. What gets no answer is given up, and a client that finds no server is replaced: its
   * watch over the server may be what has stopped.
   */
  async ask<T>(question: (db: Db) => Promise<T>): Promise<T> {
    const client = this.#client;
    const answered = new AbortController();
    const late = this.clock.sleep(answerMsMax, answered.signal).then(async () => {
      if (answered.signal.aborted) return await new Promise<never>(() => {});
      this.#replace(client);
      throw new MongoNetworkTimeoutError(`no answer within ${answerMsMax} ms`);
    });
    try {
      return await Promise.race([question(client.db(this.#database, guarantees)), late]);
    } catch (error) {
      if (error instanceof MongoServerSelectionError) this.#replace(client);
      throw error;
    } finally {
      answered.abort();
    }
  }

  /** Asks for something, and changes nothing. */
  async read<T>(question: (db: Db) => Promise<T>): Promise<T> {
    return await this.repeating(() => this.ask(question));
  }

  /**
   * Attempts something again where the connection broke, or the primary has changed. Once it is not known whether an
   * attempt was carried out, those behind it are told so: a write must take what an earlier one has done for its own.
   */
  async repeating<T>(attempt: (repeated: boolean) => Promise<T>): Promise<T> {
    const givenUpAtMs = this.clock.monotonicMs() + repeatedForMs;
    let repeated = false;
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await attempt(repeated);
      } catch (error) {
        if (!isUndecided(error) || attempts === attemptsMax || this.clock.monotonicMs() >= givenUpAtMs) throw error;
        repeated ||= !isUnsent(error);
      }
    }
  }

  /**
   * Asks again while `attempt` answers with nothing: what stood in its way is gone, or not yet known to a majority and
   * so not to be seen. @throws BurgageError `unavailable` where it lasts.
   */
  async untilClear<T>(attempt: () => Promise<T | undefined>): Promise<T> {
    const givenUpAtMs = this.clock.monotonicMs() + unclearForMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, unclearPauseMsMax)) {
      const result = await attempt();
      if (result !== undefined) return result;
      if (this.clock.monotonicMs() >= givenUpAtMs) {
        throw new BurgageError('unavailable', { message: `${this.place}: what stands in the way of a write does not become visible` });
      }
      await this.clock.sleep(pauseMs * (1 + this.random.float()));
    }
  }

  async ping(): Promise<void> {
    await this.read((db) => db.command({ ping: 1 }));
  }

  closedError(): BurgageError {
    return new BurgageError('unavailable', { message: `${this.place} is closed` });
  }

  close(): Promise<void> {
    this.#close.abort();
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  #replace(client: MongoClient): void {
    const nowMs = this.clock.monotonicMs();
    if (client !== this.#client || this.closing.aborted || nowMs - this.#clientSinceMs < clientMsMin) return;
    this.#client = clientOf(this.#url);
    this.#clientSinceMs = nowMs;
    client.close().catch(() => {});
  }

  async #finish(): Promise<void> {
    await Promise.allSettled(this.#calls);
    await this.#client.close();
  }
}

/** What the driver says of an address may hold a part of its password, so nothing of it is repeated. */
function clientOf(url: string): MongoClient {
  const authority = addressForm.exec(url)?.groups?.authority ?? '';
  try {
    // A password with an @ in it would be taken for a host, and be named as such.
    if (authority !== '' && authority.split('@').length <= 2) return new Client(url, options);
  } catch {}
  throw invalidField(
    'url',
    'got what is no MongoDB connection string, expected mongodb://user:password@host:27017/database, percent-encoded',
  );
}

/** In the address, what follows the hosts. */
function databaseOf({ url, database }: ServerOptions): string {
  const name = decodeURIComponent(addressForm.exec(url)?.groups?.path ?? '') || database;
  if (name === undefined || name === '')
    throw invalidField('database', 'is missing, expected a name in the path of the address or beside it');
  // What every server and file system takes.
  if (!/^[A-Za-z0-9_-]{1,63}$/.test(name)) throw invalidField('database', `got "${name}", expected letters, digits, _ and -, 63 at most`);
  return name;
}
