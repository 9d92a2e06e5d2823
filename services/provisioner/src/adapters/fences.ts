// What keeps late writers out: the highest token seen for a key, and one effect at a time under it, among all processes of a machine.
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BurgageError, isBurgageError } from '@burgage/contracts';
import type { Clock, Random } from '@burgage/runtime';
import type { Fence } from '../domain/ports.ts';
import { codeOf, roomError } from './durable-file.ts';

export interface FencesOptions {
  /** Holds one small SQLite file a key. They stay: a token outlives what it fenced. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Fences {
  /**
   * Does `effect` if no higher token was seen for `key`. Nobody else's effect under the key runs meanwhile, and a token
   * that was let in is remembered before its effect begins.
   * @throws BurgageError `fenced`, `deadline_exceeded` when `signal` says so, or a minute is over, while another holds the key, `data_corrupt`, `disk_full`.
   */
  under<T>(key: string, fence: Fence, effect: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Does `effect` while nobody else does anything under `key`. */
  alone<T>(key: string, effect: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Far longer than any effect: whoever holds a key for so long has been stopped, and is waited for no more. */
const waitMsMax = 60_000;

/** SQLite's result codes: another connection holds the lock; not a file of SQLite, or damaged; no room. */
const busy = 5;
const damaged: ReadonlySet<unknown> = new Set([11, 26]);
const full = 13;

/** Between two looks at a lock that another holds; not the same for everyone, or two could knock at the same moments for ever. */
const knockMs = { least: 2, most: 12 } as const;

/**
 * The lock is a write transaction of SQLite, so the kernel's: it ends with the process that holds it, however that ends.
 * A commit is synchronous: SQLite's default is FULL.
 */
export function createFences({ folder, clock, random }: FencesOptions): Fences {
  function fileOf(key: string): string {
    if (!/^[A-Za-z0-9_-]+$/.test(key)) throw new BurgageError('internal', { cause: new Error(`${key} cannot name a fence`) });
    return join(folder, `${key}.sqlite`);
  }

  /** Begins a write transaction, waiting for whoever is in one. */
  async function locked(database: DatabaseSync, key: string, signal: AbortSignal | undefined): Promise<void> {
    const giveUpAtMs = clock.monotonicMs() + waitMsMax;
    for (;;) {
      try {
        // Not IMMEDIATE: whoever knocks reads for a moment, and that would keep this one from its commit.
        database.exec('BEGIN EXCLUSIVE');
        return;
      } catch (error) {
        if (errcodeOf(error) !== busy) throw error;
      }
      if (signal?.aborted || clock.monotonicMs() > giveUpAtMs) {
        throw new BurgageError('deadline_exceeded', { message: `Another change of ${key} was not done in time.`, cause: signal?.reason });
      }
      await clock.sleep(knockMs.least + (knockMs.most - knockMs.least) * random.float(), signal);
    }
  }

  async function within<T>(key: string, signal: AbortSignal | undefined, work: (database: DatabaseSync) => Promise<T>): Promise<T> {
    const file = fileOf(key);
    const failure = (error: unknown): unknown => (isBurgageError(error) ? error : fileError(file, error));
    let database: DatabaseSync;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      createEmpty(file);
      // A wait inside SQLite would stop this whole process.
      database = new DatabaseSync(file, { timeout: 0 });
    } catch (error) {
      throw failure(error);
    }
    try {
      try {
        await locked(database, key, signal);
      } catch (error) {
        throw failure(error);
      }
      return await work(database);
    } finally {
      // Ends the transaction as well.
      database.close();
    }
  }

  return {
    alone: (key, effect, signal) => within(key, signal, effect),
    under: (key, { token }, effect, signal) =>
      within(key, signal, async (database) => {
        try {
          for (;;) {
            const seen = seenIn(database);
            if (seen !== undefined && seen > token) throw fencedError(key, token, seen);
            if (seen === token) break;
            remember(database, token);
            // The commit let others in: what they have seen counts.
            await locked(database, key, signal);
          }
        } catch (error) {
          throw isBurgageError(error) ? error : fileError(fileOf(key), error);
        }
        return await effect();
      }),
  };
}

/** The highest token so far. Makes the table where there is none. */
function seenIn(database: DatabaseSync): number | undefined {
  database.exec('CREATE TABLE IF NOT EXISTS fence (only INTEGER PRIMARY KEY CHECK (only = 1), token INTEGER NOT NULL) STRICT');
  const row = database.prepare('SELECT token FROM fence').get();
  return row === undefined ? undefined : Number(row.token);
}

function remember(database: DatabaseSync, token: number): void {
  database.prepare('INSERT INTO fence VALUES (1, ?) ON CONFLICT DO UPDATE SET token = excluded.token').run(token);
  database.exec('COMMIT');
}

function fencedError(key: string, token: number, seen: number): BurgageError {
  return new BurgageError('fenced', {
    message: `${key}: got the token ${token}, expected at least ${seen}: a later attempt has taken over.`,
    metadata: { seen: String(seen) },
  });
}

/** Before SQLite would make it, for its owner alone. */
function createEmpty(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

function errcodeOf(error: unknown): unknown {
  return error instanceof Error && 'errcode' in error ? error.errcode : undefined;
}

function fileError(file: string, error: unknown): unknown {
  const code = errcodeOf(error);
  if (damaged.has(code)) {
    return new BurgageError('data_corrupt', { message: `${file} is damaged.`, metadata: { file }, cause: error });
  }
  if (code === full) {
    return new BurgageError('disk_full', { message: `There is no room left on the disk for ${file}.`, metadata: { file }, cause: error });
  }
  return roomError(file, error);
}
