// Measures cases in one world: all contestants stand beside each other and are asked in turns.
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuSeconds, pssMiB, type RunningServer, withDescendants } from '@burgage/lab';
import { askStatus } from './ask-status.ts';
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
}

interface Standing {
  readonly contestant: Contestant;
  readonly server: RunningServer;
  /** Of all its processes. */
  readonly pids: readonly number[];
}

export async function contest(options: Contest): Promise<Outcome> {
  await using closing = new AsyncDisposableStack();
  const standing: Standing[] = [];
  const takesPart = (contestant: Contestant, one: Case): boolean => contestant.cases?.includes(one.name) ?? true;
  for (const contestant of options.contestants) {
    if (!options.cases.some((one) => takesPart(contestant, one))) continue;
    const startedMs = performance.now();
    const server = closing.use(await contestant.start(options.world));
    standing.push(await stand(contestant, server, options));
    options.say(`  ${contestant.name} stands after ${number((performance.now() - startedMs) / 1_000, 1)} s`);
  }
  const outcomes: Outcome[] = [];
  for (const one of options.cases) {
    const contestants = standing.filter(({ contestant }) => takesPart(contestant, one));
    outcomes.push(await compare(one, contestants, options));
  }
  return { results: outcomes.flatMap(({ results }) => results), complaints: outcomes.flatMap(({ complaints }) => complaints) };
}

/** Puts all processes of a proxy on its core, when it answers: until then one that works may still be started. */
async function stand(contestant: Contestant, server: RunningServer, { cores, world }: Contest): Promise<Standing> {
  const status = await askStatus(server, world.tls !== undefined);
  if (status !== 404) throw new Error(`${contestant.name}: got ${status} for a host that it does not serve, expected 404`);
  const pids = withDescendants([server.pid]).map(({ pid }) => pid);
  for (const pid of pids) await pin(pid, [cores.proxy]);
  return { contestant, server, pids };
}

async function compare(one: Case, standing: readonly Standing[], options: Contest): Promise<Outcome> {
  const complaints: string[] = [];
  const runs = new Map<Standing, Run[]>(standing.map((contestant) => [contestant, []]));
  for (const contestant of standing) await warmUp(one, contestant, options);
  for (let turn = 1; turn <= options.runs; turn++) {
    const figures: string[] = [];
    // In either order: whatever the machine does from one to the next, it does to both.
    const inOrder = turn % 2 === 0 ? [...runs] : [...runs].toReversed();
    for (const [contestant, done] of inOrder) {
      const { run, sent } = await measure(one, contestant, options);
      done.push(run);
      figures.push(`${contestant.contestant.name} ${number(run.cpuMicroseconds, 1)}`);
      for (const failure of sent.failures)
        complaints.push(`${one.name}, ${contestant.contestant.name}: ${failure}, ${sent.count} answered`);
    }
    options.say(`  ${one.name} ${turn}/${options.runs}: ${figures.join(', ')} µs`);
  }
  const results = [...runs].map(async ([{ contestant, pids }, done]) => {
    const memory = await Promise.all(pids.map(pssMiB));
    return { case: one, contestant: contestant.name, runs: done, pssMiB: sum(memory) };
  });
  return { results: await Promise.all(results), complaints };
}

/** A warm-up has come to its end where so many runs in a row were no cheaper than the cheapest before, but for so much. */
const runsAlike = 3;
const noticeablyCheaper = 0.98;
const warmUpsMax = 15;

/** Does not count: connections to the app are made, caches get warm, and what is compiled while it works is waited for. */
async function warmUp(one: Case, standing: Standing, options: Contest): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  let alike = 0;
  for (let runs = 0; runs < (standing.contestant.compilesAtWork ? warmUpsMax : 1) && alike < runsAlike; runs++) {
    const { cpuMicroseconds } = (await measure(one, standing, options)).run;
    alike = cpuMicroseconds < noticeablyCheaper * least ? 0 : alike + 1;
    least = Math.min(least, cpuMicroseconds);
  }
}

async function measure(
  one: Case,
  { server, pids }: Standing,
  { seconds, cores }: Contest,
): Promise<{ readonly run: Run; readonly sent: Sent }> {
  const used = async (): Promise<number> => sum(await Promise.all(pids.map(cpuSeconds)));
  const startedMs = performance.now();
  const [usedBefore, busyBefore] = [await used(), await busySeconds(cores.proxy)];
  const sent = await send(one, server, seconds);
  const usedSeconds = (await used()) - usedBefore;
  const othersSeconds = Math.max(0, (await busySeconds(cores.proxy)) - busyBefore - usedSeconds);
  const othersShare = othersSeconds / ((performance.now() - startedMs) / 1_000);
  // Not to fill the disk; it is opened for appending.
  await truncate(join(server.folder, accessLog)).catch(() => undefined);
  const { count, p50Ms, p99Ms } = sent;
  return { run: { cpuMicroseconds: (usedSeconds * 1e6) / count, perSecond: count / sent.seconds, p50Ms, p99Ms, othersShare }, sent };
}

function send({ hosts, load, secure = false }: Case, { host, port }: RunningServer, seconds: number): Promise<Sent> {
  return load.send({ host, port, secure, hosts }, seconds);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
