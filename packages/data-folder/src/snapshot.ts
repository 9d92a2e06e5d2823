// One moment of a data folder, held while it is copied: every database in a read transaction, every other file by a second name.
import { existsSync, linkSync, lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { BurgageError } from '@burgage/contracts/errors';
import { codeOf } from './disk.ts';
import type { DataPaths } from './paths.ts';
import { linkError, type State, type StateFile, stateOf } from './state.ts';

/** A file as it was at the moment. */
export interface HeldFile extends StateFile {
  /** Of a database: its connection, in a read transaction. */
  readonly database?: DatabaseSync;
}

export interface Snapshot {
  readonly folders: State['folders'];
  readonly files: readonly HeldFile[];
  release(): void;
}

/** Longest wait for a lock; whoever writes here holds one for milliseconds. */
const busyMsMax = 5_000;
/** SQLite's result code: another connection holds the lock. */
const busy = 5;

/**
 * What `kill -9` of the control plane would have left at one moment, and so what the operation engine carries on from or
 * undoes: while the databases of registry, provisioner, api and events are all locked for writing, nobody can write the
 * intent of a step or its result. So each tenant has at most the one step in flight whose intent the provisioner's copy
 * has, and steps are idempotent; tenants' databases, archives and instances are all taken meanwhile. No order of copies
 * without the lock would do: with the provisioner's first, a move could copy from a source that is gone by then; with it
 * last, it could remove a source whose target was copied before it had the rows. For the same reason nobody has seen a
 * token that the provisioner's copy does not know. (docs/decisions/0010)
 *
 * The locks are held for as long as the moment takes, not the copies: the readers are opened before. A file that is
 * written whole and renamed keeps its content under its second name, below `staging`.
 * @throws BurgageError `unavailable`, `data_corrupt`.
 */
export async function takeSnapshot(paths: DataPaths, staging: string): Promise<Snapshot> {
  const { DatabaseSync } = await import('node:sqlite');
  const readers = new Map<string, Reader>();
  const locks: DatabaseSync[] = [];
  const closeAll = (databases: Iterable<DatabaseSync>): void => {
    for (const database of databases) if (database.isOpen) database.close();
  };

  /** The connection to what has the file's name, read once: that is what takes its time. Undefined where it has gone. */
  function readerOf(file: string): Reader | undefined {
    for (;;) {
      const inode = inodeOf(file);
      const known = readers.get(file);
      if (known !== undefined && known.inode === inode) return known;
      known?.database.close();
      readers.delete(file);
      if (inode === undefined) return undefined;
      const reader = open(file, inode);
      if (reader !== undefined) readers.set(file, reader);
    }
  }

  function open(file: string, inode: number): Reader | undefined {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(file, { readOnly: true, timeout: busyMsMax });
      firstRead(database);
      return { inode, database };
    } catch (error) {
      database?.close();
      if (!existsSync(file)) return undefined;
      throw databaseError(file, error);
    }
  }

  function hold(file: StateFile, index: number): readonly HeldFile[] {
    if (!file.isDatabase) {
      const source = join(staging, String(index));
      if (!linked(file.source, source)) return [];
      // Another file may have taken its name since it was listed: it is the one that is held.
      const held = lstatSync(source);
      if (!held.isFile()) throw linkError(file.source);
      return [{ ...file, source, bytes: held.size, mode: held.mode & 0o777 }];
    }
    for (;;) {
      const reader = readerOf(file.source);
      if (reader === undefined) return [];
      const { database } = reader;
      try {
        database.exec('BEGIN');
        firstRead(database);
      } catch (error) {
        throw databaseError(file.source, error);
      }
      // Another file may have taken its name between the look and the read.
      if (inodeOf(file.source) === reader.inode) return [{ ...file, database }];
      database.exec('ROLLBACK');
    }
  }

  try {
    for (const { source, isDatabase } of stateOf(paths).files) if (isDatabase) readerOf(source);
    for (const file of controlDatabases(paths)) {
      const lock = new DatabaseSync(file, { timeout: busyMsMax });
      locks.push(lock);
      try {
        lock.exec('BEGIN IMMEDIATE');
      } catch (error) {
        throw databaseError(file, error);
      }
    }
    const { folders, files } = stateOf(paths);
    const held = files.flatMap(hold);
    return { folders, files: held, release: () => closeAll([...readers.values()].map(({ database }) => database)) };
  } catch (error) {
    closeAll([...readers.values()].map(({ database }) => database));
    throw error;
  } finally {
    closeAll(locks);
  }
}

interface Reader {
  readonly inode: number;
  readonly database: DatabaseSync;
}

/** What the control plane's process writes to. */
function controlDatabases({ store, events }: DataPaths): readonly string[] {
  return [...['api', 'provisioner', 'registry'].map((name) => join(store, `${name}.sqlite`)), events].filter((file) => existsSync(file));
}

/** Begins what BEGIN has only announced. */
function firstRead(database: DatabaseSync): void {
  database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get();
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

/** In a row, of a file that is replaced between being found and being linked: each is a race of microseconds. */
const linkAttemptsMax = 100;

/** False where the file has gone. One that is replaced meanwhile is found, and is gone when it is to get its second name. */
function linked(from: string, to: string): boolean {
  for (let attempt = 1; ; attempt++) {
    try {
      linkSync(from, to);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      if (!existsSync(from)) return false;
      if (attempt === linkAttemptsMax) throw error;
    }
  }
}

function databaseError(file: string, error: unknown): BurgageError {
  const isBusy = error instanceof Error && 'errcode' in error && Number(error.errcode) % 256 === busy;
  const why = error instanceof Error ? error.message : String(error);
  return new BurgageError(isBusy ? 'unavailable' : 'data_corrupt', {
    message: isBusy ? `${file} was written to for ${busyMsMax} ms without a pause.` : `${file} cannot be read: ${why}.`,
    metadata: { file },
    cause: error,
  });
}
