// `npm run bench`: the figures that Burgage promises on one machine, each with its target, measured on a real one.
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { RegistryService } from '@burgage/contracts';
import { runEventsBench } from '@burgage/events/bench';
import { createRpcClient } from '@burgage/rpc';
import { runStoreBench } from '@burgage/store/bench';
import { Platform } from '../stories/platform.ts';
import { type Figure, judge, table } from './figures.ts';
import { idleMemory } from './memory.ts';
import { largeMoves } from './moves.ts';
import { routeVisibility } from './route-visibility.ts';
import { signUps, signUpsAtOnce } from './sign-ups.ts';
import { stepOverhead } from './step-overhead.ts';

const started = performance.now();
const say = (text: string): void => void process.stdout.write(`${text}\n`);

say(`${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}\n`);
const figures: Figure[] = [];

say('store (SQLite, synchronous=FULL) …');
for (const row of await runStoreBench()) figures.push({ ...row, what: `store: ${row.what}` });
say('events (embedded) …');
const events = await runEventsBench();
figures.push(
  { what: 'events: publishes, 64 at once', value: events.publishesPerSecond, unit: '/s' },
  { what: 'events: deliveries', value: events.deliveriesPerSecond, unit: '/s' },
);

const platform = await Platform.start();
try {
  say('idle memory …');
  figures.push(...(await idleMemory(platform)));
  say('50 sign-ups, one after the other …');
  const { result, figures: overhead } = await stepOverhead(platform, () =>
    signUps(platform, { plan: 'trial', count: 50, what: 'sign-up', p95MsMax: 1_000 }),
  );
  figures.push(...result, ...overhead);
  say('20 sign-ups into a process of their own, one after the other …');
  figures.push(...(await signUps(platform, { plan: 'professional', count: 20, what: 'sign-up, silo,', p95MsMax: 3_000, removed: true })));
  say('50 sign-ups at once …');
  figures.push(...(await signUpsAtOnce(platform, 50)));
  say('moves of a tenant of 100 MB …');
  figures.push(...(await largeMoves(platform, 100)));
  say('200 route changes …');
  const registry = createRpcClient(RegistryService, { address: `unix:${join(platform.data, 'run', 'registry.sock')}` });
  try {
    figures.push(...(await routeVisibility({ registry, ports: [platform.port], changes: 200 })).figures);
  } finally {
    await registry.close();
  }
} finally {
  await platform.remove();
}

say(
  `\n${table(figures)}\n\ntook ${Math.round((performance.now() - started) / 1_000)} s; these machines are noisy: compare runs by their medians`,
);
const missed = figures.filter((figure) => judge(figure) === 'missed');
if (missed.length > 0) {
  say(`missed: ${missed.map(({ what }) => what).join(', ')}`);
  process.exitCode = 1;
}
