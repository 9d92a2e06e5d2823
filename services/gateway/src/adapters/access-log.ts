// The access log: JSON lines, written behind the requests and never waited for.
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fieldError } from '@burgage/contracts';
import type { Clock, Component, Logger } from '@burgage/runtime';
import type { AccessLines, LineRoom } from '../domain/access-line.ts';
import { viewOf } from '../domain/put.ts';

const flushMs = 500;
/** Lines are put together and written in pieces of this size: a call for each line would cost more than the line. */
const pieceBytes = 256 * 1024;
/** Pieces that wait for the disk; beyond them lines are dropped and counted, for a full disk must not become a full memory. */
const piecesMax = 32;

interface LogPiece extends LineRoom {
  lines: number;
}

export interface AccessLog extends Component, AccessLines {}

/** Where lines go, many at once. */
export interface LogSink {
  /** @throws BurgageError `config_invalid` where it cannot be opened. */
  open(): Promise<void>;
  append(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface AccessLogOptions {
  readonly sink: LogSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onDropped: (lines: number) => void;
}

/** @throws BurgageError `config_invalid` at start where the file cannot be opened. */
export function createAccessLog({ sink, clock, logger, onDropped }: AccessLogOptions): AccessLog {
  const stopping = new AbortController();
  let filling = freshPiece();
  /** Oldest first: not written yet. */
  const sealed: LogPiece[] = [];
  /** Written, to be filled again. */
  const spare: LogPiece[] = [];
  let keeping: Promise<void> = Promise.resolve();
  let writing: Promise<void> | undefined;
  let failing = false;

  function seal(): void {
    sealed.push(filling);
    filling = spare.pop() ?? freshPiece();
  }

  /** What is sealed, and what is sealed meanwhile. What is being filled waits until it is full, or for as long as it may. */
  async function write(): Promise<void> {
    if (writing === undefined && sealed.length > 0) writing = writeSealed();
    await writing;
  }

  async function writeSealed(): Promise<void> {
    for (let piece = sealed.shift(); piece !== undefined; piece = sealed.shift()) {
      try {
        await sink.append(piece.bytes.subarray(0, piece.length));
        failing = false;
      } catch (error) {
        onDropped(piece.lines);
        if (!failing) logger.error({ err: error }, 'access log not written');
        failing = true;
      }
      piece.length = 0;
      piece.lines = 0;
      if (spare.length === 0) spare.push(piece);
    }
    writing = undefined;
  }

  async function writeAll(): Promise<void> {
    if (filling.length > 0) seal();
    await write();
  }

  async function keep(): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(flushMs, stopping.signal);
      await writeAll();
    }
  }

  return {
    name: 'access log',
    start: async () => {
      await sink.open();
      keeping = keep();
    },
    stop: async () => {
      stopping.abort();
      await keeping;
      await writeAll();
      await sink.close();
    },
    room: (bytesMax) => {
      if (bytesMax > pieceBytes - filling.length) {
        if (sealed.length >= piecesMax || bytesMax > pieceBytes) {
          onDropped(1);
          return undefined;
        }
        seal();
        void write();
      }
      filling.lines += 1;
      return filling;
    },
  };
}

/** How often is looked whether the log is where it was opened. */
const lookMs = 1_000;

/**
 * A file that is appended to, made with mode 600; `-` is standard output. Where it has been moved away or removed, as those do who
 * rotate logs, it is made anew for what is appended a second later; as long as that fails, what was opened last is written to.
 */
export function logFile(destination: string, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }): LogSink {
  let handle: FileHandle | undefined;
  let failing = false;
  let lookedMs = Number.NEGATIVE_INFINITY;

  async function follow(opened: FileHandle): Promise<FileHandle> {
    const nowMs = clock.monotonicMs();
    if (nowMs - lookedMs < lookMs) return opened;
    lookedMs = nowMs;
    try {
      if (await isAt(opened, destination)) return opened;
      const next = await openLog(destination);
      handle = next;
      failing = false;
      logger.info({ file: destination }, 'access log was moved away: begun anew');
      await opened.close();
      return next;
    } catch (error) {
      if (!failing) logger.error({ err: error }, 'access log was moved away and cannot be begun anew: the old one is written to');
      failing = true;
      return handle ?? opened;
    }
  }

  return {
    open: async () => {
      if (destination !== '-') handle = await openLog(destination);
    },
    append: async (bytes) => {
      if (handle === undefined) await writeOut(bytes);
      else await (await follow(handle)).appendFile(bytes);
    },
    close: async () => {
      await handle?.close();
      handle = undefined;
    },
  };
}

/** Whether the path still leads to what was opened there. */
async function isAt(handle: FileHandle, path: string): Promise<boolean> {
  const opened = await handle.stat({ bigint: true });
  try {
    const there = await lstat(path, { bigint: true });
    return there.ino === opened.ino && there.dev === opened.dev;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

function freshPiece(): LogPiece {
  const bytes = Buffer.allocUnsafeSlow(pieceBytes);
  return { bytes, view: viewOf(bytes), length: 0, lines: 0 };
}

async function openLog(file: string): Promise<FileHandle> {
  try {
    await mkdir(dirname(file), { recursive: true });
    // A link in its place is not followed: the log must not be led into another file.
    return await open(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw fieldError('config_invalid', 'accessLog', `${JSON.stringify(file)} cannot be written to (${code}), expected a file or -`, error);
  }
}

function writeOut(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
