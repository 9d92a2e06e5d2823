// Opens the file of the embedded events: its mode, its durability and its tables.
import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { BurgageError } from '@burgage/contracts';

const formatVersion = 2;
/** How long opening waits for another process that is just making the tables. */
const openBusyTimeoutMs = 5_000;
/** Later on a writer waits this long in place, then lets the event loop go on and tries again. */
const busyTimeoutMs = 20;

const tables = `
  -- AUTOINCREMENT: a number is never given twice, so that a consumer's cursor stays true after old events were deleted.
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    source TEXT NOT NULL,
    entity TEXT NOT NULL,
    time TEXT NOT NULL,
    traceparent TEXT,
    data BLOB NOT NULL,
    published_ms INTEGER NOT NULL,
    schema TEXT
  ) STRICT;

  -- Everything up to the cursor was handled, is in deliveries, is a dead letter, or is nothing that the consumer asked for.
  CREATE TABLE consumers (
    name TEXT PRIMARY KEY,
    subjects TEXT NOT NULL,
    cursor INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- One row for each event in flight (lease set; due when the lease ends) or waiting for another try (no lease; due then).
  CREATE TABLE deliveries (
    consumer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    lease TEXT,
    PRIMARY KEY (consumer, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX deliveries_due ON deliveries (consumer, due_ms);
  CREATE INDEX deliveries_seq ON deliveries (seq);

  CREATE TABLE dead_letters (
    consumer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (consumer, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX dead_letters_seq ON dead_letters (seq);
`;

/**
 * The database in `file`, made with mode 0600 where it does not exist; durable at each commit.
 *
 * @throws BurgageError `data_folder_newer` for a later format, `data_corrupt` for a file that is something else,
 * `unavailable` where it cannot be opened.
 */
export function openFile(file: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    database = new DatabaseSync(file, { timeout: openBusyTimeoutMs });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    migrate(database, file);
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    return database;
  } catch (error) {
    database?.close();
    throw asOpenError(error, file);
  }
}

function migrate(database: DatabaseSync, file: string): void {
  if (formatOf(database) === formatVersion) return;
  database.exec('BEGIN IMMEDIATE');
  const found = formatOf(database);
  if (found > formatVersion) {
    throw new BurgageError('data_folder_newer', {
      message: `${file} has the format ${found}; this version of Burgage knows formats up to ${formatVersion}.`,
      metadata: { file, found: String(found), known: String(formatVersion) },
    });
  }
  if (found === 0) database.exec(tables);
  // Format 1 had events without a schema.
  if (found === 1) database.exec('ALTER TABLE events ADD COLUMN schema TEXT');
  database.exec(`PRAGMA user_version = ${formatVersion}`);
  database.exec('COMMIT');
}

function formatOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version);
}

function asOpenError(error: unknown, file: string): unknown {
  if (error instanceof BurgageError) return error;
  if (sqliteCode(error) === sqliteCodes.notADatabase) {
    return new BurgageError('data_corrupt', { message: `${file} is not a file of events.`, metadata: { file }, cause: error });
  }
  return new BurgageError('unavailable', { message: `The events file ${file} cannot be opened.`, metadata: { file }, cause: error });
}

/** Result codes of SQLite that mean something here. Source: sqlite.org/rescode.html. */
export const sqliteCodes = { busy: 5, notADatabase: 26 } as const;

/** The primary result code of an error that SQLite threw. */
export function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
