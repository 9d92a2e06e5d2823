// Measures cases in one world: all contestants stand beside each other and are asked in turns.
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuSeconds, pssMiB, type RunningServer, withDescendants } from '@burgage/lab';
import type { Case } from './cases.ts';
import { accessLog, type Contestant } from './contestants/contestant.ts';
import { busySeconds, type Cores, pin } from './cores.ts';
import type { Sent } from './load/load.ts';
import { number, type Result, type Run } from './results.ts';
import type { World } from './world.ts';

export interface Contest {
  readonly world: World;
  /** All of this world. */
  readonly cases: readonly Case[];
  readonly contestants: readonly Contestant[];
  readonly runs: number;
  readonly seconds: number;
  readonly cores: Cores;
  readonly say: (line: string) => void;
}

export interface Outcome {
  readonly results: readonly Result[];
  /** What did not go as it should, in sentences. */
  readonly complaints: readonly string[];
  /** For each run: how much of the proxy's core others had meanwhile, from 0 to 1. */
  readonly disturbances: readonly number[];
}

interface Standing {
  readonly contestant: string;
  readonly server: RunningServer;
  /** Of all its processes. */
  readonly pids: readonly number[];
}

export async function contest(options: Contest): Promise<Outcome> {
  const { world, contestants, cores, say } = options;
  await using closing = new AsyncDisposableStack();
  const standing: Standing[] = [];
  for (const { name, start } of contestants) {
    const startedMs = performance.now();
    const server = closing.use(await start(world));
    const pids = withDescendants([server.pid]).map(({ pid }) => pid);
    for (const pid of pids) await pin(pid, [cores.proxy]);
    standing.push({ contestant: name, server, pids });
    say(`  ${name} stands after ${number((performance.now() - startedMs) / 1_000, 1)} s`);
  }
  const results: Result[] = [];
  const complaints: string[] = [];
  const disturbances: number[] = [];
  for (const one of options.cases) {
    const runs = new Map<Standing, Run[]>(standing.map((contestant) => [contestant, []]));
    // Does not count: code is compiled, connections to the app are made, caches get warm.
    for (const { server } of standing) await send(one, server, options.seconds);
    for (let turn = 1; turn <= options.runs; turn++) {
      for (const [contestant, done] of runs) {
        const { run, sent, disturbance } = await measure(one, contestant, options);
        done.push(run);
        disturbances.push(disturbance);
        if (sent.failed > 0) complaints.push(`${one.name}, ${contestant.contestant}: ${sent.failed} failed beside ${sent.count}`);
      }
      const figures = [...runs].map(([{ contestant }, done]) => `${contestant} ${number(done.at(-1)?.cpuMicroseconds ?? Number.NaN, 1)}`);
      say(`  ${one.name} ${turn}/${options.runs}: ${figures.join(', ')} µs`);
    }
    for (const [{ contestant, pids }, done] of runs) {
      const memory = await Promise.all(pids.map(pssMiB));
      results.push({ case: one, contestant, runs: done, pssMiB: sum(memory) });
    }
  }
  return { results, complaints, disturbances };
}

interface Turn {
  readonly run: Run;
  readonly sent: Sent;
  readonly disturbance: number;
}

async function measure(one: Case, { server, pids }: Standing, { seconds, cores }: Contest): Promise<Turn> {
  const used = async (): Promise<number> => sum(await Promise.all(pids.map(cpuSeconds)));
  const startedMs = performance.now();
  const [usedBefore, busyBefore] = [await used(), await busySeconds(cores.proxy)];
  const sent = await send(one, server, seconds);
  const usedSeconds = (await used()) - usedBefore;
  const busy = (await busySeconds(cores.proxy)) - busyBefore;
  const disturbance = Math.max(0, busy - usedSeconds) / ((performance.now() - startedMs) / 1_000);
  // Not to fill the disk; it is opened for appending.
  await truncate(join(server.folder, accessLog)).catch(() => undefined);
  const { count, p50Ms, p99Ms } = sent;
  return { run: { cpuMicroseconds: (usedSeconds * 1e6) / count, perSecond: count / sent.seconds, p50Ms, p99Ms }, sent, disturbance };
}

function send({ hosts, load }: Case, { host, port }: RunningServer, seconds: number): Promise<Sent> {
  return load.send({ host, port, hosts }, seconds);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
