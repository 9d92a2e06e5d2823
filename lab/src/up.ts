// Servers that people start by hand: each has an attendant, a process in the background that holds it, and a file in the cache that says where it is.
import { fork } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@burgage/runtime';
import { cacheFolder } from './cache.ts';
import type { ServerName } from './catalogue.ts';
import { LabError } from './errors.ts';
import { type Lock, tryLock } from './lock.ts';
import { isAlive } from './process-tree.ts';

/** What a server's attendant has written about it. */
export interface UpServer {
  readonly name: ServerName;
  readonly url: string;
  /** Of the server's process that listens. */
  readonly pid: number;
  readonly attendantPid: number;
  /** Data and logs. */
  readonly folder: string;
}

/** What an attendant says to whoever started it. */
export type AttendantMessage = { readonly up: UpServer } | { readonly failed: string };

const pollMs = 50;
const downTimeoutMs = 30_000;

/** Starts an attendant and answers when its server does. @throws LabError with the reason when it does not. */
export async function startAttendant(name: ServerName): Promise<UpServer> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const attendant = fork(join(import.meta.dirname, 'attendant.ts'), [name], {
    execArgv: [],
    env,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const message = await new Promise<AttendantMessage>((resolve) => {
    attendant.once('message', (said: AttendantMessage) => resolve(said));
    attendant.once('error', (error) => resolve({ failed: error.message }));
    attendant.once('exit', (code, signal) => resolve({ failed: `its attendant ended with ${signal ?? code}` }));
  });
  if (attendant.connected) attendant.disconnect();
  attendant.unref();
  if ('failed' in message) throw new LabError(`${name} did not start: ${message.failed}`);
  return message.up;
}

/** The servers whose attendants live. What others left behind is cleared away. */
export async function upServers(): Promise<readonly UpServer[]> {
  const files = await readdir(upFolder()).catch(() => []);
  const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
  const found: UpServer[] = [];
  for (const name of names) {
    const lock = takeName(name);
    try {
      if (lock !== undefined) await rm(stateFile(name), { force: true });
      else found.push(JSON.parse(await readFile(stateFile(name), 'utf8')));
    } catch {
      // It has gone down in this moment.
    } finally {
      lock?.release();
    }
  }
  return found;
}

/** Whether the server itself lives: somebody else may have ended it. */
export function answersStill({ pid }: UpServer): boolean {
  return isAlive(pid);
}

/** Tells the attendant to stop its server and waits until both are gone, the server's folder too. */
export async function takeDown({ name, attendantPid }: UpServer, clock: Clock): Promise<void> {
  try {
    process.kill(attendantPid, 'SIGTERM');
  } catch {
    // Its keeper has done the rest.
  }
  const giveUpAtMs = clock.monotonicMs() + downTimeoutMs;
  while (isAlive(attendantPid)) {
    if (clock.monotonicMs() > giveUpAtMs)
      throw new LabError(`${name} did not go down within ${downTimeoutMs} ms (process ${attendantPid})`);
    await clock.sleep(pollMs);
  }
}

/** The right to be the attendant of `name`: nothing where another is. Ends with the process. */
export function takeName(name: string): Lock | undefined {
  return tryLock(join(upFolder(), `${name}.lock`));
}

export async function writeState(state: UpServer): Promise<void> {
  await mkdir(upFolder(), { recursive: true });
  const file = stateFile(state.name);
  await writeFile(`${file}.part`, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(`${file}.part`, file);
}

export async function removeState(name: ServerName): Promise<void> {
  await rm(stateFile(name), { force: true });
}

function upFolder(): string {
  return join(cacheFolder(), 'up');
}

function stateFile(name: string): string {
  return join(upFolder(), `${name}.json`);
}
