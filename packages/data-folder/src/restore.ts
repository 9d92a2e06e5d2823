// Puts a backup in the place of a data folder, whole or not at all.
import { randomUUID } from 'node:crypto';
import { chmod, type FileHandle, lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BurgageError } from '@burgage/contracts/errors';
import type { Progress } from './backup.ts';
import { type Backup, type ContainerReader, openContainer } from './container.ts';
import { codeOf, syncFolder, writeFully } from './disk.ts';
import { dataFormatVersion } from './format.ts';
import { type FolderLock, takeLock } from './lock.ts';
import { type DataPaths, dataPaths } from './paths.ts';

/** Files whose content is brought to the disk together. */
const syncedAtOnce = 32;

export interface RestoreOptions {
  readonly file: string;
  readonly folder: string;
  /** A data folder that is there is moved aside; default false. */
  readonly replace?: boolean;
  readonly now: Date;
  readonly onProgress?: (progress: Progress) => void;
  /** Gives it up, and leaves everything as it was. */
  readonly signal?: AbortSignal;
}

export interface Restored {
  readonly backup: Backup;
  /** Where the folder is now whose place it took; undefined where there was none. */
  readonly before: string | undefined;
}

/** Reads all of a backup. @throws BurgageError `not_found`, `data_folder_newer`, `data_corrupt` naming the file inside. */
export async function verifyBackup({
  file,
  onProgress,
  signal,
}: Pick<RestoreOptions, 'file' | 'onProgress' | 'signal'>): Promise<{ readonly backup: Backup; readonly bytes: number }> {
  const container = await openKnown(file);
  await readThrough(container, readOnly, onProgress, signal);
  return { backup: container.backup, bytes: container.bytes };
}

/**
 * Every byte is checked before anything is put in place: what is read lies beside the folder until then.
 * @throws BurgageError as `verifyBackup`; `data_folder_in_use` while Burgage runs on the folder, `already_exists` where it is
 * not empty and `replace` was not given, `config_invalid` where it is something else than a data folder, `disk_full`.
 */
export async function restore({ file, folder, replace = false, now, onProgress, signal }: RestoreOptions): Promise<Restored> {
  const paths = dataPaths(folder);
  const { root } = paths;
  const container = await openKnown(file);
  const lock = await takeOver(paths, replace);
  const part = `${root}.${randomUUID()}.part`;
  try {
    await mkdir(part, { recursive: true, mode: 0o700 });
    await unpack(container, part, onProgress, signal);
    const before = lock === undefined ? undefined : `${root}.before-${now.toISOString().replaceAll(/[:.]/g, '-')}`;
    await putInPlace(part, root, before);
    return { backup: container.backup, before };
  } finally {
    lock?.close();
    await rm(part, { recursive: true, force: true });
  }
}

async function openKnown(file: string): Promise<ContainerReader> {
  const container = await openContainer(file);
  const { dataFormat } = container.backup;
  if (dataFormat <= dataFormatVersion) return container;
  throw new BurgageError('data_folder_newer', {
    message: `${file} has the data format ${dataFormat}; this version of Burgage knows formats up to ${dataFormatVersion}.`,
    metadata: { file },
  });
}

/** The lock of the data folder that is there; undefined where there is nothing. */
async function takeOver(paths: DataPaths, replace: boolean): Promise<FolderLock | undefined> {
  const { root, format } = paths;
  const found = await lstat(root).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isDirectory()) throw new BurgageError('config_invalid', { message: `--data: ${root} is not a folder.` });
  if ((await readdir(root)).length === 0) return undefined;
  // Whatever somebody names by mistake stays where it is.
  if ((await lstat(format).catch(() => undefined)) === undefined) {
    throw new BurgageError('config_invalid', { message: `--data: ${root} is not empty and no data folder, expected one or the other.` });
  }
  const lock = await takeLock(paths);
  if (replace) return lock;
  lock.close();
  throw new BurgageError('already_exists', { message: `${root} is not empty.`, metadata: { folder: root } });
}

async function unpack(
  container: ContainerReader,
  part: string,
  onProgress: RestoreOptions['onProgress'],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { folders, files } = container.backup;
  const at = (path: string): string => join(part, ...path.split('/'));
  for (const { path } of folders) await mkdir(at(path), { mode: 0o700 });
  await readThrough(
    container,
    async ({ path }, content) => {
      const handle = await open(at(path), 'wx', 0o600);
      try {
        await copy(content, handle, at(path));
      } finally {
        await handle.close();
      }
    },
    onProgress,
    signal,
  );
  // Many at once, and not as each is written: a disk brings them together.
  for (let from = 0; from < files.length; from += syncedAtOnce) {
    signal?.throwIfAborted();
    await Promise.all(files.slice(from, from + syncedAtOnce).map(({ path, mode }) => settle(at(path), mode)));
  }
  // The innermost first: one that may not be written to could not take what belongs into it.
  for (const { path, mode } of folders.toReversed()) {
    await syncFolder(at(path));
    await chmod(at(path), mode);
  }
  await syncFolder(part);
}

/** With the mode that it had, and there to stay. */
async function settle(file: string, mode: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function copy(content: AsyncIterable<Uint8Array>, handle: FileHandle, file: string): Promise<void> {
  for await (const piece of content) await writeFully(handle, piece, file);
}

/** Both moves, or none. */
async function putInPlace(part: string, root: string, before: string | undefined): Promise<void> {
  if (before === undefined) await rmdir(root).catch(() => undefined);
  else await rename(root, before);
  try {
    await rename(part, root);
  } catch (error) {
    if (before !== undefined) await rename(before, root);
    if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) throw error;
    throw new BurgageError('already_exists', { message: `${root} was made by somebody meanwhile.`, cause: error });
  }
  await syncFolder(dirname(root));
}

/** Hands every file to `take`, saying how far it is. */
async function readThrough(
  { backup, readAll }: ContainerReader,
  take: Parameters<ContainerReader['readAll']>[0],
  onProgress: RestoreOptions['onProgress'],
  signal: AbortSignal | undefined,
): Promise<void> {
  const totalBytes = backup.files.reduce((sum, { bytes }) => sum + bytes, 0);
  let doneBytes = 0;
  await readAll(async (file, content) => {
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const piece of content) {
        signal?.throwIfAborted();
        yield piece;
        doneBytes += piece.length;
        onProgress?.({ path: file.path, doneBytes, totalBytes });
      }
    };
    await take(file, counted());
  });
}

async function readOnly(_file: unknown, content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _piece of content);
}
