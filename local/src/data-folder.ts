// Takes the data folder for this process, and makes what is missing in it.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateContextKey } from '@burgage/app-kit';
import { BurgageError } from '@burgage/contracts';
import { checkFormat, type DataPaths, dataFormatVersion, dataPaths, type Engines, type RuntimeFile, takeLock } from '@burgage/data-folder';

/** The longest path that a Unix socket may have on every platform that we run on. */
const socketPathBytesMax = 100;

/** A data folder that this process, and no other, uses. */
export interface DataFolder {
  readonly paths: DataPaths;
  writeRuntimeFile(content: RuntimeFile): Promise<void>;
  /** Takes the runtime file away and lets others have the folder. */
  release(): Promise<void>;
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
