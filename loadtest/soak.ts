// `npm run soak`: half of the load test's users for long, and whether the gateway's memory stays level and everything is given back.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BurgageError } from '@burgage/contracts';
import { judge, table } from '@burgage/local/figures';
import { runMain } from '@burgage/runtime';
import type { Held } from './gateway-probe.ts';
import { runLoad } from './k6.ts';
import { judgeGrowth, leftOver, type Sample } from './leaks.ts';
import { type Plan, shortPlan, soakPlan } from './plan.ts';
import { figuresOf } from './verdict.ts';
import { World } from './world.ts';

const defaultMinutes = 60;
const minutesMax = 7 * 24 * 60;
const samples = 120;
const shownSamples = 20;
const sampleMsMin = 500;
/** Until what waits for its time, such as idle connections to the app, is over. */
const settleMs = 60_000;
const settlePollMs = 500;
const mebi = 2 ** 20;
/** All requests and tunnels in the gateway at a moment; nothing of it may be left. */
const inHand = ['burgage_gateway_client_connections', 'burgage_gateway_requests_in_flight', 'burgage_gateway_tunnels'];

const usage = `Half of the load test's users for long; whether the gateway's memory stays level and everything is given back.

npm run soak                   ${defaultMinutes} minutes
npm run soak -- --minutes N    N minutes
npm run soak -- --short        about half a minute, with few users: a leak must be large to show

Leaves with 0 where heap, buffers and RSS are flat, nothing is left over at the end and no request went wrong, with 1 where
not, with 2 for a command line that is not understood. docs/benchmarks.md says how to read it.
`;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(argv: readonly string[]): Promise<void> {
  const plan = planOf(argv);
  const isShort = plan.users === shortPlan.users;
  await using world = await World.start(plan);
  // Not of the run: the first requests make what stays, such as the reader of the clock and the log's timer.
  if (isShort) await runLoad({ ...plan, rampS: 1, holdS: 2 }, world);
  await settled(world, undefined);
  const before = await world.held();
  say(`${plan.tenants} tenants, ${plan.users} users, ${plan.sockets} WebSockets, ${((plan.rampS + plan.holdS) / 60).toFixed(1)} minutes …`);
  const sampling = sampleWhile(world, plan);
  const { metrics, complaints } = await runLoad(plan, world).finally(() => sampling.stop());
  const taken = await sampling.taken;
  const left = await settled(world, before);
  const figures = figuresOf(metrics, plan, false);
  say(`\n${table(figures)}\n`);
  const growth = judgeGrowth(taken);
  for (const { line } of growth) say(line);
  say(left.length === 0 ? 'flat    sockets, timers, files, connections: as before the load' : `left    ${left.join(', ')}`);
  for (const complaint of complaints) say(`k6 said  ${complaint}`);
  for (const failure of await world.failures()) say(`logged   ${failure}`);
  const isFlat = left.length === 0 && growth.every((one) => one.isFlat);
  if (!isFlat || figures.some((figure) => judge(figure) === 'missed')) process.exitCode = 1;
}

/** Takes samples while all users are there, until told to stop. */
function sampleWhile(world: World, { rampS, holdS }: Plan): { stop(): void; readonly taken: Promise<readonly Sample[]> } {
  const stopping = new AbortController();
  const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined);
  async function take(): Promise<readonly Sample[]> {
    const taken: Sample[] = [];
    await pause(rampS * 1_000);
    const [everyMs, beganMs] = [Math.max(sampleMsMin, (holdS * 1_000) / samples), performance.now()];
    // The users leave after `holdS`: memory that goes then says nothing.
    while (!stopping.signal.aborted && performance.now() - beganMs < holdS * 1_000) {
      const sample = { ...(await world.held()), rssBytes: await world.rssBytes(), atMs: performance.now() - beganMs };
      if (taken.length % Math.ceil(samples / shownSamples) === 0) {
        const open = sample.resources.TCPSocketWrap ?? 0;
        say(`  ${(sample.atMs / 60_000).toFixed(1)} min: heap ${shown(sample.heapBytes)}, RSS ${shown(sample.rssBytes)}, ${open} sockets`);
      }
      taken.push(sample);
      await pause(everyMs);
    }
    return taken;
  }
  return { stop: () => stopping.abort(), taken: take() };
}

function shown(bytes: number): string {
  return `${(bytes / mebi).toFixed(1)} MiB`;
}

/** Waits until nothing is in hand any more, and no more is held than before the load; answers with what is left after all. */
async function settled(world: World, before: Held | undefined): Promise<readonly string[]> {
  const giveUpAtMs = performance.now() + settleMs;
  for (;;) {
    const counts = await world.metrics(...inHand);
    const left = [
      ...inHand.flatMap((name, index) => ((counts[index] ?? 0) > 0 ? [`${name} ${counts[index]}`] : [])),
      ...(before === undefined ? [] : leftOver(before.resources, (await world.held()).resources)),
    ];
    if (left.length === 0 || performance.now() > giveUpAtMs) return left;
    await sleep(settlePollMs);
  }
}

/** @throws BurgageError `command_invalid` that says what was expected. */
function planOf(argv: readonly string[]): Plan {
  const { minutes, short = false } = parse(argv);
  // A ramp and time enough for some samples.
  if (short) return { ...shortPlan, holdS: 20 };
  const count = Number(minutes ?? defaultMinutes);
  if (Number.isInteger(count) && count >= 1 && count <= minutesMax) return soakPlan(count * 60);
  throw new BurgageError('command_invalid', {
    message: `--minutes: got ${JSON.stringify(minutes)}, expected a whole number from 1 to ${minutesMax}`,
  });
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: { minutes: { type: 'string' }, short: { type: 'boolean' } } }).values;
  } catch (error) {
    throw new BurgageError('command_invalid', { message: error instanceof Error ? error.message : String(error), cause: error });
  }
}

await runMain(usage, main);
