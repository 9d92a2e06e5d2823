// Which of a data folder's files are its state: what a backup holds, and what is left out because it is made anew.
import { lstatSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { BurgageError } from '@burgage/contracts/errors';
import type { BackupFolder } from './container.ts';
import { codeOf } from './disk.ts';
import type { DataPaths } from './paths.ts';

/** Databases are known by their names: whoever opens one only to look, and closes it, ends the locks of its own process on it. */
const databaseName = /\.sqlite$/;

export interface StateFile extends BackupFolder {
  /** Where it is. */
  readonly source: string;
  readonly bytes: number;
  readonly isDatabase: boolean;
}

export interface State {
  /** Each before what is in it. */
  readonly folders: readonly BackupFolder[];
  readonly files: readonly StateFile[];
}

/**
 * What of the folder is there to be kept. Left out is what tells of one run (lock, sockets, logs, reports of instances),
 * what keeps the late writers of one run out (fences: nobody outlives the folder to write into a restored one), the
 * gateway's table (it follows from the registry, and would be one of another history), and what was not finished.
 * @throws BurgageError `config_invalid` for a link: what it leads to would be left out in silence.
 */
export function stateOf(paths: DataPaths): State {
  const { root, lock, runtimeFile, sockets, logs, fences, gateway, instances, apps } = paths;
  const leftOut = new Set([lock, `${lock}-journal`, runtimeFile, sockets, logs, fences, gateway]);
  const folders: BackupFolder[] = [];
  const files: StateFile[] = [];

  function isLeftOut(folder: string, name: string): boolean {
    if (leftOut.has(join(folder, name)) || name.endsWith('.part')) return true;
    // SQLite's own: what is in them comes with the database.
    if (/\.sqlite-(wal|shm|journal)$/.test(name)) return true;
    if (folder === instances && name.endsWith('.status.json')) return true;
    // An app takes archives in there, and empties it when it starts.
    return name === 'staging' && join(folder, '..') === apps;
  }

  function look(folder: string): void {
    for (const name of namesIn(folder)) {
      if (isLeftOut(folder, name)) continue;
      const source = join(folder, name);
      const found = lstatSync(source, { throwIfNoEntry: false });
      if (found === undefined) continue;
      const path = relative(root, source).split(sep).join('/');
      const mode = found.mode & 0o777;
      if (found.isDirectory()) {
        folders.push({ path, mode });
        look(source);
      } else if (found.isFile()) {
        files.push({ path, mode, source, bytes: found.size, isDatabase: databaseName.test(name) });
      } else if (found.isSymbolicLink()) throw linkError(source);
    }
  }

  look(root);
  return { folders, files };
}

/** What a link leads to is not in the folder. */
export function linkError(source: string): BurgageError {
  return new BurgageError('config_invalid', { message: `${source} is a link, expected a file or a folder.`, metadata: { file: source } });
}

/** None where the folder has gone meanwhile. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
