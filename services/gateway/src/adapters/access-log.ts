// The access log: JSON lines, written behind the requests and never waited for.
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import type { Clock, Component, Logger } from '@burgage/runtime';

const flushMs = 500;
/** Lines that wait for the disk; beyond it they are dropped and counted, for a full disk must not become a full memory. */
const waitingBytesMax = 8 * 1024 * 1024;
const pieceBytes = 64 * 1024;

export interface AccessLog extends Component {
  /** Hot path. One line with its end. */
  write(line: string): void;
}

export interface AccessLogOptions {
  /** A file that is appended to, made with mode 600; `-` is standard output. */
  readonly destination: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onDropped: (lines: number) => void;
}

/** @throws BurgageError `config_invalid` at start where the file cannot be opened. */
export function createAccessLog({ destination, clock, logger, onDropped }: AccessLogOptions): AccessLog {
  const stopping = new AbortController();
  let handle: FileHandle | undefined;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let wake: (() => void) | undefined;
  let running: Promise<void> = Promise.resolve();
  let failing = false;

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      const lines = waiting;
      waiting = [];
      waitingBytes = 0;
      try {
        const text = lines.join('');
        if (handle === undefined) await writeOut(text);
        else await handle.appendFile(text);
        failing = false;
      } catch (error) {
        onDropped(lines.length);
        if (!failing) logger.error({ err: error, destination }, 'access log not written');
        failing = true;
      }
    }
  }

  async function keep(): Promise<void> {
    while (!stopping.signal.aborted) {
      const early = new AbortController();
      wake = () => early.abort();
      await clock.sleep(flushMs, AbortSignal.any([stopping.signal, early.signal]));
      await flush();
    }
  }

  return {
    name: 'access log',
    start: async () => {
      if (destination !== '-') handle = await openLog(destination);
      running = keep();
    },
    stop: async () => {
      stopping.abort();
      await running;
      await flush();
      await handle?.close();
      handle = undefined;
    },
    write: (line) => {
      if (waitingBytes + line.length > waitingBytesMax) {
        onDropped(1);
        return;
      }
      waiting.push(line);
      waitingBytes += line.length;
      if (waitingBytes >= pieceBytes) wake?.();
    },
  };
}

async function openLog(file: string): Promise<FileHandle> {
  try {
    await mkdir(dirname(file), { recursive: true });
    // A link in its place is not followed: the log must not be led into another file.
    return await open(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw new BurgageError('config_invalid', { message: `The access log cannot be written to ${JSON.stringify(file)}.`, cause: error });
  }
}

function writeOut(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
