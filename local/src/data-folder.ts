// The data folder: who may use it, what format it has, where everything in it lies.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { generateContextKey } from '@burgage/app-kit';
import { BurgageError } from '@burgage/contracts';

/** The format that this version writes; a folder of a higher one is refused. */
export const dataFormatVersion = 1;

/** What keeps the state of a folder's Burgage: files in it, or servers beside it. */
export type Engines = 'embedded' | 'mesh';

const startedBy: Readonly<Record<Engines, string>> = { embedded: 'npm start', mesh: 'npm run start:mesh' };

/** The longest path that a Unix socket may have on every platform that we run on. */
const socketPathBytesMax = 100;

/** What `burgage` and other tools need to find a running Burgage. */
export interface RuntimeFile {
  readonly pid: number;
  /** The API's own loopback address. */
  readonly api: string;
  /** The gateway, by loopback address. */
  readonly gateway: string;
  readonly baseDomain: string;
  readonly publicPort: number;
  readonly tokenFile: string;
}

/** Every path in a data folder. Folders are 0700, files with secrets 0600. */
export interface DataPaths {
  readonly root: string;
  readonly adminToken: string;
  readonly internalToken: string;
  readonly contextKeys: string;
  readonly archiveKey: string;
  readonly runtimeFile: string;
  readonly format: string;
  readonly sockets: string;
  readonly store: string;
  readonly events: string;
  readonly gateway: string;
  readonly apps: string;
  readonly files: string;
  readonly mail: string;
  readonly archives: string;
  /** What is to run for one tenant each, and how it is. */
  readonly instances: string;
  readonly fences: string;
  readonly logs: string;
  readonly instanceLogs: string;
}

/** A data folder that this process, and no other, uses. */
export interface DataFolder {
  readonly paths: DataPaths;
  writeRuntimeFile(content: RuntimeFile): Promise<void>;
  /** Takes the runtime file away and lets others have the folder. */
  release(): Promise<void>;
}

export function dataPaths(folder: string): DataPaths {
  const root = resolve(folder);
  const at = (...parts: string[]): string => join(root, ...parts);
  return {
    root,
    adminToken: at('secrets', 'admin-token'),
    internalToken: at('secrets', 'internal-token'),
    contextKeys: at('secrets', 'context-keys.json'),
    archiveKey: at('secrets', 'archive-key'),
    runtimeFile: at('runtime.json'),
    format: at('format.json'),
    sockets: at('run'),
    store: at('store'),
    events: at('events.sqlite'),
    gateway: at('gateway'),
    apps: at('apps'),
    files: at('files'),
    mail: at('mail'),
    archives: at('archives'),
    instances: at('instances'),
    fences: at('fences'),
    logs: at('logs'),
    instanceLogs: at('logs', 'instances'),
  };
}

/**
 * Takes a data folder for this process, making what is missing. The lock is the kernel's: it ends with the process,
 * however that ends.
 * @throws BurgageError `data_folder_in_use`, `data_folder_newer`, `config_invalid` where it cannot be a data folder, or stands on other engines.
 */
export async function openDataFolder(folder: string, engines: Engines = 'embedded'): Promise<DataFolder> {
  const paths = dataPaths(folder);
  if (Buffer.byteLength(join(paths.sockets, 'provisioner.sock')) > socketPathBytesMax) {
    throw new BurgageError('config_invalid', {
      message: `--data: ${paths.root} is too long for the sockets in it, expected a path of at most ${socketPathBytesMax - 21} bytes.`,
    });
  }
  // Before anything is made in it: a folder that is refused stays as it is.
  await checkFormat(paths, engines);
  try {
    await mkdir(paths.root, { recursive: true, mode: 0o700 });
    for (const path of [
      paths.root,
      paths.sockets,
      paths.store,
      paths.gateway,
      paths.apps,
      paths.files,
      paths.mail,
      paths.archives,
      paths.instances,
      paths.fences,
      paths.logs,
      paths.instanceLogs,
      join(paths.root, 'secrets'),
    ]) {
      await mkdir(path, { recursive: true, mode: 0o700 });
      await chmod(path, 0o700);
    }
  } catch (error) {
    throw new BurgageError('config_invalid', {
      message: `--data: ${paths.root} cannot be used as a folder (${codeOf(error)}).`,
      cause: error,
    });
  }
  const lock = await takeLock(paths);
  try {
    // What a process that was killed has left would send others to a port that may be anybody's by now.
    await rm(paths.runtimeFile, { force: true });
    // Again, as another version may have had the folder meanwhile.
    if ((await checkFormat(paths, engines)) === undefined) {
      await writeWhole(paths.format, `${JSON.stringify({ version: dataFormatVersion, engines })}\n`);
    }
    await createOnce(paths.adminToken, () => `bur_${randomBytes(32).toString('base64url')}\n`);
    await createOnce(paths.internalToken, () => `${randomBytes(32).toString('base64url')}\n`);
    await createOnce(paths.archiveKey, () => `${randomBytes(32).toString('base64url')}\n`);
    await createOnce(paths.contextKeys, async () => `${JSON.stringify({ keys: [await generateContextKey()] }, undefined, 2)}\n`);
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    paths,
    writeRuntimeFile: (content) => writeWhole(paths.runtimeFile, `${JSON.stringify(content, undefined, 2)}\n`),
    async release() {
      await rm(paths.runtimeFile, { force: true });
      lock.close();
    },
  };
}

/** SQLite's result code for a file that another process has locked. */
const sqliteBusy = 5;

/** An exclusive transaction that is never ended: no other process can begin one on the file. */
async function takeLock(paths: DataPaths): Promise<DatabaseSync> {
  const file = join(paths.root, 'lock');
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

/** The format's version, or undefined where there is none yet. Changes nothing. */
async function checkFormat(paths: DataPaths, engines: Engines): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(paths.format, 'utf8');
  } catch {
    // No such file, or no such folder: what keeps the folder from being used shows when it is made.
    return undefined;
  }
  let version: unknown;
  let found: unknown;
  try {
    // Folders of before there was a choice are embedded.
    ({ version, engines: found = 'embedded' } = JSON.parse(text) ?? {});
  } catch {
    version = undefined;
  }
  if (typeof version !== 'number') {
    throw new BurgageError('data_corrupt', {
      message: `${paths.format}: got ${JSON.stringify(text.slice(0, 40))}, expected {"version": number}.`,
    });
  }
  if (version > dataFormatVersion) {
    throw new BurgageError('data_folder_newer', {
      message: `${paths.root} has the data format ${version}; this version of Burgage knows formats up to ${dataFormatVersion}.`,
    });
  }
  if (found !== engines) {
    const by = Object.hasOwn(startedBy, String(found)) ? startedBy[found as Engines] : JSON.stringify(found);
    throw new BurgageError('config_invalid', {
      message: `--data: got ${paths.root}, a folder of ${by}, expected one of ${startedBy[engines]}, or a new one.`,
    });
  }
  return version;
}

async function createOnce(file: string, content: () => string | Promise<string>): Promise<void> {
  try {
    await readFile(file);
    await chmod(file, 0o600);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await writeWhole(file, await content());
  }
}

async function writeWhole(file: string, content: string): Promise<void> {
  const part = `${file}.part`;
  await writeFile(part, content, { mode: 0o600, flush: true });
  await rename(part, file);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
