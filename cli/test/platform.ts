// A running platform as the command line sees it: the api over fakes, a data folder that leads to it, and the command as a child process.
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adminToken, type Rig, startRig } from '@burgage/api/testing';
import { run } from '../src/program.ts';
import type { Terminal } from '../src/terminal.ts';

const bin = join(import.meta.dirname, '..', 'bin', 'burgage.js');

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Called with all of standard output so far, whenever more comes. */
  readonly onOutput?: (stdout: string, interrupt: () => void) => void;
}

export interface Platform extends Rig {
  readonly dataFolder: string;
  /** The command in this platform's folder. */
  run(args: readonly string[], options?: RunOptions): Promise<Result>;
}

export { adminToken };

/** What a command did that ran in this process: everything it showed, in order, and how it ended. */
export interface Typed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly screen: string;
}

/** Runs the command in this process; with `answers` on a terminal whose user types them, and then leaves. */
export async function typed({ dataFolder }: Platform, args: readonly string[], answers?: Iterable<string>): Promise<Typed> {
  const shown: { stream: 'out' | 'err'; text: string }[] = [];
  const write = (stream: 'out' | 'err') => (text: string) => {
    shown.push({ stream, text: text.replaceAll(` --data ${dataFolder}`, '') });
  };
  const left = answers?.[Symbol.iterator]();
  const terminal: Terminal = {
    out: write('out'),
    err: write('err'),
    live: false,
    color: false,
    errColor: false,
    canAsk: answers !== undefined,
    ask: async (question) => {
      const answer: string | undefined = left?.next().value;
      write('err')(`${question}${answer ?? '^D'}\n`);
      return answer;
    },
    columns: () => undefined,
    env: {},
    cwd: dataFolder,
    now: () => new Date(),
    sleep: async () => {},
    interrupted: () => new AbortController().signal,
  };
  const code = await run([...args, '--data', dataFolder], terminal);
  const textOf = (...streams: string[]) =>
    shown
      .filter(({ stream }) => streams.includes(stream))
      .map(({ text }) => text)
      .join('');
  return { code, out: textOf('out'), err: textOf('err'), screen: textOf('out', 'err') };
}

export async function startPlatform(): Promise<Platform> {
  const rig = await startRig();
  const dataFolder = join(rig.folder, '.burgage');
  await mkdir(join(dataFolder, 'secrets'), { recursive: true });
  await writeFile(join(dataFolder, 'secrets', 'admin-token'), `${adminToken}\n`, { mode: 0o600 });
  await leadTo(dataFolder, rig.url);
  return { ...rig, dataFolder, run: (args, options = {}) => runCommand(args, { cwd: rig.folder, ...options }) };
}

/** Makes the data folder lead to an API at `api`, as the process `pid` would. */
export async function leadTo(dataFolder: string, api: string, pid = process.pid): Promise<void> {
  const tokenFile = join(dataFolder, 'secrets', 'admin-token');
  const runtime = { pid, api, gateway: 'http://127.0.0.1:8080', baseDomain: 'localhost', publicPort: 8080, tokenFile };
  await writeFile(join(dataFolder, 'runtime.json'), JSON.stringify(runtime));
}

/** The id of a process that has ended. */
export function endedProcess(): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    child.on('error', reject);
    child.on('close', () => resolve(child.pid ?? 0));
  });
}

/** The command as a user runs it, without a terminal. */
export function runCommand(args: readonly string[], { env = {}, cwd, onOutput }: RunOptions): Promise<Result> {
  return new Promise((resolve, reject) => {
    const { BURGAGE_DATA: _data, BURGAGE_TOKEN: _token, FORCE_COLOR: _color, npm_lifecycle_event: _event, ...inherited } = process.env;
    const child = spawn(process.execPath, [bin, ...args], { cwd, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onOutput?.(stdout, () => child.kill('SIGINT'));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Output without what differs from run to run. */
export const steady = (text: string) =>
  text
    .replace(/(op_[a-z_]+|ten)_[0-9A-Z]{26}/g, '$1_ID')
    .replace(/\b[0-9A-Z]{26}\b/g, 'REQUEST_ID___')
    .replace(/\d+(\.\d)? m?s\b/g, 'SOME TIME')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/ +\d+s\b/g, ' 0s')
    .replace(/\(\d+s ago\)/g, '(0s ago)')
    .replace(/\(in (\d+d)\)/g, '(in DAYS)')
    .replace(/^ *request REQUEST_ID___\n/gm, '');
