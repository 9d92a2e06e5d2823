// The file that a backup is: every file of a data folder, each found out where a byte of it is another one.
import { createHash, type Hash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip, createGzip, gunzip, gzip } from 'node:zlib';
import { BurgageError } from '@burgage/contracts/errors';
import { codeOf, syncFolder, writeFully } from './disk.ts';

/*
 * magic (8 bytes) · the content of each file, gzip, one after the other · manifest, JSON, gzip · footer
 *
 * The footer is where the manifest begins (8 bytes, big endian) and the SHA-256 of all bytes before the hash. The manifest
 * is a `Backup`; files lie in its order. Nothing is encrypted.
 */
const magic = Buffer.from('burgbak1', 'latin1');
const offsetBytes = 8;
const hashBytes = 32;
const footerBytes = offsetBytes + hashBytes;

/** The format of backups that this version writes; a higher one is refused. */
export const backupVersion = 1;

/** Fast: what fills a backup is encrypted archives, which do not shrink, and SQLite pages, which shrink at any level. */
const gzipLevel = 1;
const pieceBytes = 256 * 1024;
/** Of the manifest, unpacked: some million files. */
const manifestBytesMax = 512 * 1024 * 1024;

export interface BackupFolder {
  /** Below the data folder, with `/` between names. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
}

export interface BackupFile extends BackupFolder {
  readonly bytes: number;
  /** SHA-256 of the content, hex. */
  readonly sha256: string;
  /** What it takes in the backup. */
  readonly storedBytes: number;
}

/** What a backup says of itself. */
export interface Backup {
  readonly backup: 'burgage';
  readonly version: number;
  /** ISO 8601: when the copy is of. */
  readonly createdAt: string;
  /** The format of the data folder. */
  readonly dataFormat: number;
  /** Each before what is in it. */
  readonly folders: readonly BackupFolder[];
  readonly files: readonly BackupFile[];
}

export interface ContainerWriter {
  /** `content` to its end. @throws whatever `content` throws; `disk_full`. */
  add(file: BackupFolder, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Puts it in place, durable. Answers with its size in bytes. @throws BurgageError `already_exists`, `disk_full`. */
  finish(about: Pick<Backup, 'createdAt' | 'dataFormat' | 'folders'>): Promise<{ readonly backup: Backup; readonly bytes: number }>;
  /** Leaves nothing of what was not finished. */
  discard(): Promise<void>;
}

/** Begins the backup that will be `file`, mode 600; until it is finished there is no such file, or the one that was there. */
export async function createContainer(file: string, options: { readonly replace: boolean }): Promise<ContainerWriter> {
  const part = `${file}.${randomUUID()}.part`;
  await refuseExisting();
  const handle = await opened(file, () => open(part, 'wx', 0o600));
  const whole = createHash('sha256');
  const files: BackupFile[] = [];
  let offset = 0;

  async function refuseExisting(): Promise<void> {
    const found = await lstat(file).catch(() => undefined);
    if (found === undefined || (options.replace && found.isFile())) return;
    throw new BurgageError('already_exists', { message: `${file} exists already.`, metadata: { file } });
  }

  async function write(bytes: Uint8Array): Promise<void> {
    await writeFully(handle, bytes, part);
    whole.update(bytes);
    offset += bytes.length;
  }

  await write(magic);
  return {
    async add({ path, mode }, content) {
      const from = offset;
      const hash = createHash('sha256');
      let bytes = 0;
      const read = async function* (): AsyncGenerator<Uint8Array> {
        for await (const piece of content) {
          hash.update(piece);
          bytes += piece.length;
          yield piece;
        }
      };
      for await (const piece of through(read(), createGzip({ level: gzipLevel, chunkSize: pieceBytes }))) await write(piece);
      files.push({ path, mode, bytes, sha256: hash.digest('hex'), storedBytes: offset - from });
    },
    async finish({ createdAt, dataFormat, folders }) {
      const backup: Backup = { backup: 'burgage', version: backupVersion, createdAt, dataFormat, folders, files };
      const footer = Buffer.alloc(offsetBytes);
      footer.writeBigUInt64BE(BigInt(offset));
      await write(await promisify(gzip)(JSON.stringify(backup)));
      await write(footer);
      await write(whole.copy().digest());
      await handle.sync();
      await handle.close();
      await refuseExisting();
      await rename(part, file);
      await syncFolder(dirname(resolve(file)));
      return { backup, bytes: offset };
    },
    async discard() {
      await handle.close().catch(() => undefined);
      await rm(part, { force: true });
    },
  };
}

/** Takes the content of one file; what it has thrown is what reading throws. */
export type Sink = (file: BackupFile, content: AsyncIterable<Uint8Array>) => Promise<void>;

export interface ContainerReader {
  readonly backup: Backup;
  readonly bytes: number;
  /**
   * Hands every file to `sink`, in order. What came is worth nothing until this has resolved: then every byte of the
   * backup is what was written. @throws BurgageError `data_corrupt` naming the file inside.
   */
  readAll(sink: Sink): Promise<void>;
}

/** @throws BurgageError `not_found`, `data_corrupt`, `data_folder_newer` where it is of a newer format. */
export async function openContainer(file: string): Promise<ContainerReader> {
  const handle = await opened(file, () => open(file, 'r'));
  try {
    const { size, isFile } = await handle.stat().then((stat) => ({ size: stat.size, isFile: stat.isFile() }));
    const begin = isFile ? await readAt(handle, 0, Math.min(size, magic.length)) : Buffer.alloc(0);
    if (!begin.equals(magic)) throw damaged(file, 'it does not begin as a backup');
    if (size < magic.length + footerBytes) throw damaged(file, 'it ends too early');
    const footer = await readAt(handle, size - footerBytes, footerBytes);
    const manifestAt = Number(footer.readBigUInt64BE());
    const manifestEnd = size - footerBytes;
    if (manifestAt < magic.length || manifestAt >= manifestEnd) throw damaged(file, 'it ends too early, or its end is damaged');
    const stored = await readAt(handle, manifestAt, manifestEnd - manifestAt);
    const backup = await manifestIn(file, stored, manifestAt);
    return { backup, bytes: size, readAll: (sink) => readAll(file, backup, Buffer.concat([stored, footer]), sink) };
  } finally {
    await handle.close();
  }
}

async function readAll(file: string, { files }: Backup, end: Buffer, sink: Sink): Promise<void> {
  const whole = createHash('sha256').update(magic);
  let from = magic.length;
  for (const entry of files) {
    const stored = createReadStream(file, { start: from, end: from + entry.storedBytes - 1, highWaterMark: pieceBytes });
    await readOne(file, entry, hashing(stored, whole), sink);
    from += entry.storedBytes;
  }
  whole.update(end.subarray(0, -hashBytes));
  if (!whole.digest().equals(end.subarray(-hashBytes))) throw damaged(file, 'a byte between its files is another one');
}

async function readOne(file: string, entry: BackupFile, stored: AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  const { path, bytes, sha256 } = entry;
  const hash = createHash('sha256');
  let found = 0;
  const checked = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of unpacked(file, path, stored)) {
      found += piece.length;
      if (found > bytes) break;
      hash.update(piece);
      yield piece;
    }
    if (found !== bytes || hash.digest('hex') !== sha256) throw damaged(file, `${path} in it is not what was written`);
  };
  await sink(entry, checked());
}

async function* unpacked(file: string, path: string, stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* through(stored, createGunzip({ chunkSize: pieceBytes }));
  } catch (error) {
    if (!codeOf(error)?.startsWith('Z_')) throw error;
    throw damaged(file, `${path} in it is not what was written`, error);
  }
}

async function* hashing(source: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}

async function manifestIn(file: string, stored: Buffer, manifestAt: number): Promise<Backup> {
  let value: unknown;
  try {
    const text = await promisify(gunzip)(stored, { maxOutputLength: manifestBytesMax });
    value = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw damaged(file, 'its manifest is not what was written', error);
  }
  const { backup, version } = (value ?? {}) as Partial<Backup>;
  if (backup !== 'burgage' || typeof version !== 'number') throw damaged(file, 'its manifest is none of a backup');
  if (version > backupVersion) {
    throw new BurgageError('data_folder_newer', {
      message: `${file} has the backup format ${version}; this version of Burgage knows formats up to ${backupVersion}.`,
      metadata: { file },
    });
  }
  const fault = faultOf(value as Backup, manifestAt);
  if (fault !== undefined) throw damaged(file, `its manifest is not valid: ${fault}`);
  return value as Backup;
}

/** What is wrong with a manifest that anybody may have written; nothing in it may lead out of the folder that it is restored to. */
function faultOf({ createdAt, dataFormat, folders, files }: Partial<Backup>, manifestAt: number): string | undefined {
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
  if (typeof createdAt !== 'string' || Number.isNaN(Date.parse(createdAt))) return 'createdAt is no time';
  if (!isCount(dataFormat)) return 'dataFormat is no number';
  if (!Array.isArray(folders) || !Array.isArray(files)) return 'folders and files are not both lists';
  const known = new Set<unknown>(['']);
  const taken = new Set<unknown>();
  for (const entry of [...folders, ...files] as readonly (Partial<BackupFile> | null)[]) {
    const { path, mode } = entry ?? {};
    if (typeof path !== 'string' || !isBelow(path)) return `${JSON.stringify(path)} is no path below a folder`;
    if (taken.has(path)) return `${JSON.stringify(path)} is there twice`;
    if (!known.has(path.slice(0, Math.max(0, path.lastIndexOf('/'))))) return `${JSON.stringify(path)} is in no folder`;
    if (!isCount(mode) || Number(mode) > 0o777) return `${JSON.stringify(path)} has no mode`;
    taken.add(path);
    if (taken.size <= folders.length) known.add(path);
  }
  let end = magic.length;
  for (const { path, bytes, sha256, storedBytes } of files as readonly Partial<BackupFile>[]) {
    if (!isCount(bytes) || !isCount(storedBytes) || Number(storedBytes) === 0 || typeof sha256 !== 'string')
      return `${JSON.stringify(path)} has no size or no checksum`;
    end += Number(storedBytes);
  }
  return end === manifestAt ? undefined : `its files end at ${end}, and it begins at ${manifestAt}`;
}

function isBelow(path: string): boolean {
  const foreign = process.platform === 'win32' ? /[\0\\:]/ : /\0/;
  return !foreign.test(path) && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) return bytes.subarray(0, done);
    done += bytesRead;
  }
  return bytes;
}

async function opened(file: string, attempt: () => Promise<FileHandle>): Promise<FileHandle> {
  try {
    return await attempt();
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw new BurgageError('not_found', { message: `There is no ${file}.`, metadata: { file }, cause: error });
    throw new BurgageError('config_invalid', { message: `${file} cannot be opened (${codeOf(error)}).`, metadata: { file }, cause: error });
  }
}

function damaged(file: string, why: string, cause?: unknown): BurgageError {
  return new BurgageError('data_corrupt', { message: `${file} is damaged: ${why}.`, metadata: { file }, cause });
}

/** What a transform makes of the source; an error of either is thrown as it is, and both end when nobody reads on. */
async function* through(
  source: AsyncIterable<Uint8Array>,
  transform: ReturnType<typeof createGzip> | ReturnType<typeof createGunzip>,
): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  pipeline(source, transform, (error) => {
    failure = error;
  });
  try {
    yield* transform as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw failure ?? error;
  } finally {
    transform.destroy();
  }
}
