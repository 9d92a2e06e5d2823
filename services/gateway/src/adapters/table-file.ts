// The last good route table on disk, so that a gateway can start and serve without the registry.
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { BurgageError } from '@burgage/contracts';
import type { Clock, Component, Logger } from '@burgage/runtime';
import type { TablePosition } from '../domain/route-follower.ts';
import type { RouteNames, RouteTable } from '../domain/route-table.ts';
import { endLine, entryLine, headingLine, type LoadedTable, readTable } from '../domain/table-format.ts';

/** Changes within this time go to disk together. */
const settleMs = 1_000;
/** The rest between two saves is this many times as long as the last one took: writing is never what the gateway does. */
const restShare = 20;
/** Bytes that are put together before the event loop gets a turn. */
const pieceBytes = 256 * 1024;

export type Loaded =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'loaded' } & LoadedTable)
  | { readonly kind: 'set-aside'; readonly movedTo: string; readonly error: BurgageError };

/**
 * Reads the table in `file`. One that is not whole, or of a later version, is set aside as `<file>.corrupt-<time>` and reported;
 * the gateway then starts without it.
 */
export async function loadTable(file: string, names: RouteNames, clock: Clock): Promise<Loaded> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'none' };
    throw error;
  }
  const read = readTable(bytes, crc32, names);
  if (read.ok) return { kind: 'loaded', ...read.value };
  const movedTo = `${file}.corrupt-${clock.now().toISOString().replaceAll(':', '')}`;
  await rename(file, movedTo);
  return { kind: 'set-aside', movedTo, error: read.error };
}

/** A table as it is served at the moment, and how far it goes. */
export interface CurrentTable {
  readonly table: RouteTable;
  readonly position: TablePosition;
}

/**
 * Writes the current table whole or not at all: to a file beside it, synced, renamed. The event loop gets its turns: entries
 * that change meanwhile are written newer than the position says, which a later entry by entry resume repairs; what is seen at
 * the end is said there. False, and nothing is written, where another table took the place of that one meanwhile.
 */
export async function saveTable(file: string, current: () => CurrentTable, savedAt: Date): Promise<boolean> {
  const { table, position } = current();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // Of this process: while one gateway takes over from another, two may save at once.
  const temporary = `${file}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  const handle = await open(temporary, 'wx', 0o600);
  try {
    let checksum = 0;
    let entries = 0;
    let piece = headingLine({ epoch: position.epoch, revision: position.revision, savedAt: savedAt.toISOString() });
    const write = async () => {
      const bytes = Buffer.from(piece);
      piece = '';
      checksum = crc32(bytes, checksum);
      await handle.writeFile(bytes);
    };
    for (const entry of table.entries()) {
      piece += entryLine(entry);
      entries += 1;
      if (piece.length >= pieceBytes) await write();
    }
    const after = current();
    if (after.table !== table) return false;
    await write();
    await handle.writeFile(endLine(entries, after.position.seen, checksum, crc32));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return true;
}

export interface TableFile extends Component {
  /** There is something new to save. */
  changed(): void;
  /** Saves no more: another process does. */
  leave(): void;
}

export interface TableFileOptions {
  readonly file: string;
  /** What to save now. */
  readonly current: () => CurrentTable;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Saves the table a moment after it changed, and at the end. */
export function createTableFile({ file, current, clock, logger }: TableFileOptions): TableFile {
  const stopping = new AbortController();
  let dirty = false;
  let hasLeft = false;
  let wake: (() => void) | undefined;
  let running: Promise<void> = Promise.resolve();
  let failing = false;

  async function save(): Promise<void> {
    dirty = false;
    if (hasLeft || current().position.epoch === '') return;
    try {
      if (!(await saveTable(file, current, clock.now()))) dirty = true;
      if (failing) logger.info({ file }, 'route table saved again');
      failing = false;
    } catch (error) {
      dirty = true;
      if (!failing) logger.error({ err: error, file }, 'route table not saved');
      failing = true;
    }
  }

  async function keep(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (!dirty) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      await clock.sleep(settleMs, stopping.signal);
      if (stopping.signal.aborted) break;
      const startedMs = clock.monotonicMs();
      await save();
      await clock.sleep((clock.monotonicMs() - startedMs) * restShare, stopping.signal);
    }
  }

  return {
    name: 'route table file',
    start: async () => {
      await removeUnfinished(file);
      running = keep();
    },
    stop: async () => {
      stopping.abort();
      wake?.();
      await running;
      if (dirty) await save();
    },
    changed: () => {
      dirty = true;
      wake?.();
    },
    leave: () => {
      hasLeft = true;
    },
  };
}

/** Removes what saves left whose processes ended in the middle. */
async function removeUnfinished(file: string): Promise<void> {
  const names = await readdir(dirname(file)).catch(() => []);
  for (const name of names) {
    const [, pid] = /^\.(\d+)\.tmp$/.exec(name.startsWith(basename(file)) ? name.slice(basename(file).length) : '') ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(dirname(file), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
