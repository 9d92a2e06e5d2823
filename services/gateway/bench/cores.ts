// Which core the proxies have to themselves, which ones load and apps share, and who else was on the proxies' core meanwhile.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ticksPerSecond = 100;

export interface Cores {
  readonly proxy: number;
  readonly others: readonly number[];
}

/** @throws Error where this is no Linux, or has one core. */
export async function divideCores(): Promise<Cores> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => {
    throw new Error(`the platform: got ${process.platform}, expected Linux, whose /proc says what a process uses`);
  });
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? '';
  const [proxy, ...others] = list.split(',').flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  if (proxy === undefined || others.length === 0) throw new Error(`cores: got ${list}, expected two: one for proxies, one for load`);
  return { proxy, others };
}

/** Keeps all threads of a process, and what they start from now on, on these cores. */
export async function pin(pid: number, cores: readonly number[]): Promise<void> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', cores.join(','), String(pid)]);
}

/** For how long a core has worked since the system's start, whoever for. */
export async function busySeconds(core: number): Promise<number> {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(await readFile('/proc/stat', 'utf8'))?.[1] ?? '';
  // proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is in user already.
  const [user = Number.NaN, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number);
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond;
}
