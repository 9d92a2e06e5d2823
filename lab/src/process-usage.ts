// What a process has used, by /proc: for benchmarks, on Linux.
import { readFile } from 'node:fs/promises';

/** Of the times in /proc, on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** CPU that a process has used so far, in user and kernel mode, of all its threads. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // proc_pid_stat(5): utime and stime are its fields 14 and 15; the name before may hold spaces.
  const [user, kernel] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return ((user ?? Number.NaN) + (kernel ?? Number.NaN)) / ticksPerSecond;
}

/** Memory of a process as its proportional set size (PSS), which counts shared pages once over all processes. */
export async function pssMiB(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(rollup.match(/^Pss:\s+(\d+) kB/m)?.[1]) / 1_024;
}
