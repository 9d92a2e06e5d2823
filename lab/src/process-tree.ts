// Processes and what they started, by process id: to end all of a server, also what has left its process group.
import { readdirSync, readFileSync } from 'node:fs';

/** One process, also when its id is given to another one later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in ticks of the kernel; undefined where there is no /proc. */
  readonly started: string | undefined;
}

interface ProcessState extends ProcessIdentity {
  readonly parent: number;
  readonly state: string;
}

/** `pids` and all their descendants that live. Where there is no /proc, `pids` alone. */
export function withDescendants(pids: readonly number[]): readonly ProcessIdentity[] {
  const live = liveProcesses();
  const childrenOf = Map.groupBy(live, ({ parent }) => parent);
  const found = new Map<number, ProcessIdentity>(pids.map((pid) => [pid, stateOf(pid) ?? { pid, started: undefined }]));
  // A map is walked in the order of adding, what is added on the way included.
  for (const pid of found.keys()) for (const child of childrenOf.get(pid) ?? []) found.set(child.pid, child);
  return [...found.values()];
}

/** Whether a process of this id lives; one that nobody has buried yet does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return stateOf(pid)?.state !== 'Z';
}

/** Whether it is this process that lives, and not another one with its id. */
export function stillLives({ pid, started }: ProcessIdentity): boolean {
  return isAlive(pid) && stateOf(pid)?.started === started;
}

/** Ends each that still lives, at once. */
export function killAll(processes: readonly ProcessIdentity[]): void {
  for (const one of processes) {
    try {
      if (stillLives(one)) process.kill(one.pid, 'SIGKILL');
    } catch {
      // Gone in this moment.
    }
  }
}

function liveProcesses(): readonly ProcessState[] {
  let names: readonly string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  return names
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => stateOf(Number(name)) ?? [])
    .filter(({ state }) => state !== 'Z');
}

/** proc_pid_stat(5): state, parent and start time are its fields 3, 4 and 22. */
function stateOf(pid: number): ProcessState | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, field 2, is in parentheses and may hold anything, parentheses too.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { pid, state: fields[0] ?? '', parent: Number(fields[1]), started: fields[19] };
  } catch {
    return undefined;
  }
}
