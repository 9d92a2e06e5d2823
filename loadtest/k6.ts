// Runs the k6 script on a plan, and reads what it counted.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { tool } from '@burgage/lab';
import type { Plan } from './plan.ts';

/** One of k6's metrics at the end; which values there are depends on its kind. */
export interface Metric {
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

export type Metrics = Readonly<Record<string, Metric>>;

export interface Load {
  readonly metrics: Metrics;
  /** What k6 and the script said went wrong: the first few lines. */
  readonly complaints: readonly string[];
}

const complaintsMax = 10;
/** How often a line of progress is shown. */
const progressMs = 5_000;
/** k6's exit code where a threshold is crossed: no failure of k6. */
const crossed = 99;

/** Where to send to. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface Targets {
  readonly gateway: Target;
  /** What k6 writes goes to its folder. */
  readonly app: Target & { readonly folder: string };
}

/** @throws Error where k6 itself fails, with what it said. */
export async function runLoad(plan: Plan, { app, gateway }: Targets, say: (line: string) => void = () => {}): Promise<Load> {
  const summary = join(app.folder, 'summary.json');
  const environment = { ...plan, summary, app: `${app.host}:${app.port}`, gateway: `${gateway.host}:${gateway.port}` };
  const child = spawn(
    await tool('k6'),
    ['run', '--no-color', '--no-usage-report', '--address', '', '--log-format', 'json', join(import.meta.dirname, 'k6', 'tenants.js')],
    {
      cwd: app.folder,
      env: { PATH: process.env.PATH ?? '', HOME: app.folder, LOADTEST: JSON.stringify(environment) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const stop = (): void => void child.kill('SIGKILL');
  process.once('exit', stop);
  try {
    const [complaints] = await Promise.all([complaintsOf(child.stderr), showProgress(child.stdout, say)]);
    const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
    if (code !== 0 && code !== crossed) throw new Error(`k6 ended with ${code}: ${complaints.join('; ') || 'it said nothing'}`);
    return { metrics: JSON.parse(await readFile(summary, 'utf8')) as Metrics, complaints };
  } finally {
    process.off('exit', stop);
    stop();
  }
}

/** What the script complains of, and failures of k6 itself; not its warnings, such as of clients that leave as they are meant to. */
async function complaintsOf(stream: NodeJS.ReadableStream): Promise<readonly string[]> {
  const complaints: string[] = [];
  for await (const line of createInterface({ input: stream })) {
    const { level, msg } = logged(line);
    // Which thresholds those are, the metrics say.
    if (level === 'error' && !msg.startsWith('thresholds on metrics') && complaints.length < complaintsMax) complaints.push(msg);
  }
  return complaints;
}

/** A line that is none of its log is of its end, such as a panic. */
function logged(line: string): { readonly level: string; readonly msg: string } {
  try {
    return JSON.parse(line);
  } catch {
    return { level: 'error', msg: line };
  }
}

async function showProgress(stream: NodeJS.ReadableStream, say: (line: string) => void): Promise<void> {
  let shownMs = 0;
  for await (const line of createInterface({ input: stream })) {
    // running (0m05.0s), 0300/1030 VUs, 1200 complete and 0 interrupted iterations
    const [, at, users, done] = /^running \((\S+)\), (\d+)\/\d+ VUs, (\d+) complete/.exec(line) ?? [];
    if (at === undefined || performance.now() - shownMs < progressMs) continue;
    shownMs = performance.now();
    say(`  ${at}: ${Number(users)} clients, ${done} turns done`);
  }
}
