// Archives as files in a folder: encrypted, whole or not there, and found out where a byte is another one.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import type { Random } from '@burgage/runtime';
import type { Archives } from '../domain/ports.ts';
import { ArchiveDamage, archiveKeyBytes, opened, saltBytes, sealed } from './archive-format.ts';
import { codeOf, roomError, syncFolder } from './durable-file.ts';
import type { Fences } from './fences.ts';

export interface FolderArchivesOptions {
  readonly folder: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly fences: Fences;
  readonly random: Random;
}

/** The key in a file: 32 bytes in base64url. @throws BurgageError `config_invalid` where it is something else, or cannot be read. */
export async function archiveKeyFrom(file: string): Promise<Uint8Array> {
  const invalid = (why: string, cause?: unknown): BurgageError =>
    new BurgageError('config_invalid', {
      message: `--archive-key: got ${JSON.stringify(file)}, which ${why}, expected a file of ${archiveKeyBytes} bytes in base64url`,
      cause,
    });
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw invalid(`cannot be read (${codeOf(cause)})`, cause);
  }
  const key = Buffer.from(text, 'base64url');
  if (key.length !== archiveKeyBytes || key.toString('base64url') !== text) throw invalid('is something else');
  return key;
}

/** An archive's name may be a path below the folder. */
const archiveName = /^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/;

export function createFolderArchives({ folder, key, fences, random }: FolderArchivesOptions): Archives {
  const fileOf = (name: string): string => {
    if (!archiveName.test(name)) throw new BurgageError('internal', { cause: new Error(`${name} cannot name an archive`) });
    return join(folder, `${name}.archive`);
  };

  return {
    async write(name, source, fence, tenantId, signal) {
      const file = fileOf(name);
      const part = `${file}.${randomUUID()}.part`;
      try {
        const prepare = async (): Promise<void> => {
          await mkdir(dirname(file), { recursive: true, mode: 0o700 });
          await removeParts(file);
        };
        await fences.under(tenantId, fence, prepare, signal);
        const bytes = await writePart(part, sealed(source, { key, salt: random.bytes(saltBytes), name }), signal);
        // Not held for as long as the copy takes: it is what takes its place that counts.
        const take = async (): Promise<void> => {
          await rename(part, file);
          await syncFolder(dirname(file));
          await syncFolder(folder);
        };
        await fences.under(tenantId, fence, take, signal);
        return { bytes };
      } catch (error) {
        await rm(part, { force: true });
        throw roomError(file, error);
      }
    },
    async *read(name, signal) {
      const file = fileOf(name);
      try {
        yield* opened(createReadStream(file, { signal, highWaterMark: 256 * 1024 }), { key, name });
      } catch (error) {
        throw readError(file, error, signal);
      }
    },
    async remove(name, fence, tenantId) {
      const file = fileOf(name);
      await fences.under(tenantId, fence, async () => {
        await rm(file, { force: true });
        await removeParts(file);
      });
    },
  };
}

/** What writers left that cannot finish any more: called under the fence. */
async function removeParts(file: string): Promise<void> {
  const folder = dirname(file);
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  for (const name of names)
    if (name.startsWith(`${basename(file)}.`) && name.endsWith('.part')) await rm(join(folder, name), { force: true });
  await syncFolder(folder);
}

/** Answers with how many bytes were written; they are on the disk then. */
async function writePart(part: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
  const handle = await open(part, 'wx', 0o600);
  try {
    let written = 0;
    for await (const bytes of content) {
      if (signal.aborted) throw late(part, signal);
      for (let from = 0; from < bytes.length; ) from += (await handle.write(bytes, from)).bytesWritten;
      written += bytes.length;
    }
    await handle.sync();
    return written;
  } finally {
    await handle.close();
  }
}

function readError(file: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return late(file, signal);
  if (codeOf(error) === 'ENOENT')
    return new BurgageError('not_found', { message: `There is no archive ${file}.`, metadata: { file }, cause: error });
  // What passed the tags and is still no gzip was never written by this code.
  if (error instanceof ArchiveDamage || codeOf(error)?.startsWith('Z_')) {
    return new BurgageError('data_corrupt', {
      message: `${file} is not what was written: ${(error as Error).message}.`,
      metadata: { file },
      cause: error,
    });
  }
  return error;
}

function late(file: string, signal: AbortSignal): BurgageError {
  return new BurgageError('deadline_exceeded', { message: `${file} was not done in time.`, cause: signal.reason });
}
