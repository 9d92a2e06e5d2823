// Makes a backup of a data folder, whether Burgage runs on it or not.
import { createReadStream } from 'node:fs';
import { mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { BurgageError } from '@burgage/contracts/errors';
import { type Backup, type ContainerWriter, createContainer } from './container.ts';
import { checkFormat } from './format.ts';
import { isAlive } from './lock.ts';
import { type DataPaths, dataPaths } from './paths.ts';
import { type HeldFile, takeSnapshot } from './snapshot.ts';

/** How far it is: of all bytes of all files. */
export interface Progress {
  readonly path: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface BackupOptions {
  readonly folder: string;
  /** The file to make; its folder is there. */
  readonly file: string;
  /** A file that is there may be replaced; default false. */
  readonly replace?: boolean;
  readonly now: Date;
  readonly onProgress?: (progress: Progress) => void;
  /** Gives it up, and leaves nothing. */
  readonly signal?: AbortSignal;
}

/** Begins the name of the folder, beside the sockets, where what is copied lies meanwhile; the process id follows. */
const stagingName = 'backup-';
const sqliteMagic = Buffer.from('SQLite format 3\0', 'latin1');
/** Between two steps of SQLite's copy; larger steps are no faster. */
const pagesPerStep = 2_048;
const pieceBytes = 256 * 1024;

/**
 * Copies the state of the folder at one moment (see takeSnapshot) into one file, mode 600. Changes go on meanwhile, and are
 * not in it. Databases are copied by SQLite, and read through once: one that is damaged is no backup.
 * @throws BurgageError `config_invalid` where the folder is none of `npm start`, `data_folder_newer`, `data_corrupt` naming
 * the file, `already_exists`, `unavailable`, `disk_full`.
 */
export async function backUp(options: BackupOptions): Promise<{ readonly backup: Backup; readonly bytes: number }> {
  const { folder, now, replace = false } = options;
  const paths = dataPaths(folder);
  const file = resolve(options.file);
  const dataFormat = await checkFormat(paths, 'embedded');
  if (dataFormat === undefined) {
    throw new BurgageError('config_invalid', { message: `--data: ${paths.root} is no data folder.` });
  }
  await refuseInside(file, paths);
  const container = await createContainer(file, { replace });
  try {
    const staging = await makeStaging(paths);
    try {
      const folders = await copyAll(container, paths, staging, options);
      return await container.finish({ createdAt: now.toISOString(), dataFormat, folders });
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  } finally {
    await container.discard();
  }
}

async function copyAll(
  container: ContainerWriter,
  paths: DataPaths,
  staging: string,
  { onProgress, signal }: BackupOptions,
): Promise<Backup['folders']> {
  const { folders, files, release } = await takeSnapshot(paths, staging);
  try {
    const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    let doneBytes = 0;
    for (const file of files) {
      const copied = async function* (content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
        let fileBytes = 0;
        for await (const piece of content) {
          signal?.throwIfAborted();
          yield piece;
          fileBytes += piece.length;
          onProgress?.({ path: file.path, doneBytes: Math.min(totalBytes, doneBytes + fileBytes), totalBytes });
        }
      };
      signal?.throwIfAborted();
      const content = file.database ? databaseContent(file, file.database, join(staging, 'copy.sqlite'), paths) : fileContent(file, paths);
      await container.add({ path: file.path, mode: file.mode }, copied(content));
      doneBytes += file.bytes;
    }
    return folders;
  } finally {
    release();
  }
}

/** Of a file that is written in place, as none of Burgage's is: what it had at the moment, or what has replaced that. */
async function* fileContent({ path, source, bytes }: HeldFile, { root }: DataPaths): AsyncGenerator<Uint8Array> {
  if (bytes === 0) return;
  let isFirst = true;
  for await (const piece of createReadStream(source, { end: bytes - 1, highWaterMark: pieceBytes })) {
    if (isFirst && piece.subarray(0, sqliteMagic.length).equals(sqliteMagic)) {
      throw new BurgageError('config_invalid', {
        message: `${join(root, path)} is a database of SQLite, expected a name that ends in .sqlite: others are copied as plain files.`,
      });
    }
    isFirst = false;
    yield piece;
  }
}

async function* databaseContent({ path }: HeldFile, database: DatabaseSync, copy: string, { root }: DataPaths): AsyncGenerator<Uint8Array> {
  const { backup, DatabaseSync } = await import('node:sqlite');
  const file = join(root, path);
  try {
    await backup(database, copy, { rate: pagesPerStep });
    database.close();
    // An empty database has no page to copy.
    if ((await stat(copy).catch(() => undefined)) === undefined) return;
    const copied = new DatabaseSync(copy);
    try {
      const answer = copied.prepare('PRAGMA quick_check(1)').get()?.quick_check;
      if (answer !== 'ok') throw new Error(String(answer));
    } finally {
      copied.close();
    }
  } catch (error) {
    throw copyError(file, error);
  }
  yield* createReadStream(copy, { highWaterMark: pieceBytes });
  await rm(copy);
}

/** SQLite's result code where there is no room. */
const full = 13;

function copyError(file: string, error: unknown): BurgageError {
  const isFull = error instanceof Error && 'errcode' in error && error.errcode === full;
  const why = error instanceof Error ? error.message : String(error);
  return new BurgageError(isFull ? 'disk_full' : 'data_corrupt', {
    message: isFull ? `There is no room left on the disk for a copy of ${file}.` : `${file} is damaged: ${why}.`,
    metadata: { file },
    cause: error,
  });
}

/** A backup in the folder would be part of the next, and be lost with it. */
async function refuseInside(file: string, { root }: DataPaths): Promise<void> {
  const folder = await realpath(dirname(file)).catch(() => undefined);
  if (folder === undefined) throw new BurgageError('config_invalid', { message: `--to: ${dirname(file)} is no folder that is there.` });
  if (`${folder}${sep}`.startsWith(`${await realpath(root)}${sep}`)) {
    throw new BurgageError('config_invalid', { message: `--to: got ${file}, which is in the data folder, expected a file outside of it.` });
  }
}

/** On the same disk as the folder, so that its files can have second names there. What killed processes left is removed. */
async function makeStaging({ sockets }: DataPaths): Promise<string> {
  await mkdir(sockets, { recursive: true, mode: 0o700 });
  for (const name of await readdir(sockets)) {
    if (!name.startsWith(stagingName) || isAlive(Number(name.slice(stagingName.length)))) continue;
    await rm(join(sockets, name), { recursive: true, force: true });
  }
  const staging = join(sockets, `${stagingName}${process.pid}`);
  await mkdir(staging, { mode: 0o700 });
  return staging;
}
