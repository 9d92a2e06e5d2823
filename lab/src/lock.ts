// A lock between processes that is the kernel's: it ends with its holder, however that ends.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '@burgage/runtime';

/** SQLite's result code for a file that another connection has locked. */
const sqliteBusy = 5;
const retryMs = 100;

/** Let go by `release()` or the end of the process. */
export interface Lock extends Disposable {
  release(): void;
}

/** Takes the lock `file`, or nothing where another holds it. */
export function tryLock(file: string): Lock | undefined {
  mkdirSync(dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy) return undefined;
    throw error;
  }
  writeFileSync(holderFile(file), String(process.pid));
  const release = (): void => database.close();
  return { release, [Symbol.dispose]: release };
}

/** Waits until it has the lock `file`; `onWait` is told once, with the process that holds it where that is known. */
export async function lock(file: string, clock: Clock, onWait: (holder: number | undefined) => void): Promise<Lock> {
  let waiting = false;
  for (;;) {
    const taken = tryLock(file);
    if (taken !== undefined) return taken;
    if (!waiting) onWait(holderOf(file));
    waiting = true;
    await clock.sleep(retryMs);
  }
}

/** The process that took the lock last; only a hint, as that may be over. */
function holderOf(file: string): number | undefined {
  try {
    return Number(readFileSync(holderFile(file), 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function holderFile(file: string): string {
  return `${file}.holder`;
}
