// `npm run loadtest`: users of many tenants at our gateway and straight at the app, by k6, with the targets of a platform.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { BurgageError } from '@burgage/contracts';
import { judge, table } from '@burgage/local/figures';
import { runMain } from '@burgage/runtime';
import { runLoad } from './k6.ts';
import { fullPlan, shortPlan } from './plan.ts';
import { crossedThresholds, figuresOf } from './verdict.ts';
import { World } from './world.ts';

const usage = `Users of many tenants at once, through the gateway and straight at the app, by k6.

npm run loadtest              ${fullPlan.tenants} tenants, up to ${fullPlan.users} users: ${Math.ceil((fullPlan.rampS + fullPlan.holdS) / 60)} minutes
npm run loadtest -- --short   ${shortPlan.tenants} tenants, ${shortPlan.users} users, under a minute; nothing may be wrong, and no time is judged

Starts the gateway and an app itself, on free ports of loopback. Leaves with 0 where all targets are met, with 1 where one
is missed, with 2 for a command line that is not understood. docs/benchmarks.md says how to read it.
`;

/** Beyond it all wait for a core, and whoever comes between two others waits longest. */
const busyShareMax = 0.85;

/** Of all cores together, since the machine's start. */
function idleMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(argv: readonly string[]): Promise<void> {
  const isShort = readOptions(argv);
  const plan = isShort ? shortPlan : fullPlan;
  say(`${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}`);
  await using world = await World.start(plan);
  say(`${plan.tenants} tenants, ${plan.users} users, ${plan.sockets} WebSockets, ${plan.rampS + plan.holdS} s …`);
  const idleBefore = idleMs();
  const beganMs = performance.now();
  const { metrics, complaints } = await runLoad(plan, world, say);
  const busyShare = 1 - (idleMs() - idleBefore) / ((performance.now() - beganMs) * cpus().length);
  const figures = figuresOf(metrics, plan, !isShort);
  const crossed = crossedThresholds(metrics);
  say(`\n${table(figures)}\n`);
  say(
    `the cores were busy ${Math.round(100 * busyShare)} % of the time${busyShare > busyShareMax ? ': times say more of the machine than of the gateway' : ''}`,
  );
  for (const threshold of crossed) say(`crossed  ${threshold}`);
  for (const complaint of complaints) say(`k6 said  ${complaint}`);
  for (const failure of await world.failures()) say(`logged   ${failure}`);
  const missed = figures.filter((figure) => judge(figure) === 'missed');
  if (missed.length > 0) say(`missed: ${missed.map(({ what }) => what).join('; ')}`);
  if (missed.length > 0 || crossed.length > 0) process.exitCode = 1;
}

/** Whether the short form is asked for. @throws BurgageError `command_invalid`. */
function readOptions(argv: readonly string[]): boolean {
  try {
    return parseArgs({ args: [...argv], options: { short: { type: 'boolean' } } }).values.short ?? false;
  } catch (error) {
    throw new BurgageError('command_invalid', { message: error instanceof Error ? error.message : String(error), cause: error });
  }
}

await runMain(usage, main);
