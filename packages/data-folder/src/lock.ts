// The lock of a data folder: one process at a time has it.
import { chmod, readFile } from 'node:fs/promises';
import { BurgageError } from '@burgage/contracts/errors';
import type { DataPaths } from './paths.ts';

export interface FolderLock {
  /** Lets others have the folder. */
  close(): void;
}

/** SQLite's result code for a file that another process has locked. */
const sqliteBusy = 5;

/**
 * An exclusive transaction that is never ended: no other process can begin one on the file. It is the kernel's: it ends
 * with the process, however that ends.
 * @throws BurgageError `data_folder_in_use`, `data_corrupt` where the file is no lock.
 */
export async function takeLock(paths: DataPaths): Promise<FolderLock> {
  const file = paths.lock;
  // Not at the top: where Node says that its SQLite is experimental, only who needs it is told.
  const { DatabaseSync } = await import('node:sqlite');
  const lock = new DatabaseSync(file);
  try {
    await chmod(file, 0o600);
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (!(error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy)) {
      throw new BurgageError('data_corrupt', {
        message: `${file} cannot be locked; remove it if no Burgage runs on this folder.`,
        cause: error,
      });
    }
    throw new BurgageError('data_folder_in_use', {
      message: `Another Burgage${await ownerOf(paths)} runs on ${paths.root}.`,
      cause: error,
    });
  }
}

/** The process that said it runs here, in words; nothing where it has not said so. */
async function ownerOf(paths: DataPaths): Promise<string> {
  try {
    return ` (process ${JSON.parse(await readFile(paths.runtimeFile, 'utf8')).pid})`;
  } catch {
    return '';
  }
}

/** True while a process of that id lives. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
