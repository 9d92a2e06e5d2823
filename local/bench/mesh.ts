// `npm run bench:mesh`: what Burgage reaches on MongoDB and NATS, every service a process of its own, each figure with its target.
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { RegistryService } from '@burgage/contracts';
import { openEvents } from '@burgage/events';
import { runNatsEventsBench } from '@burgage/events/bench';
import { startServer } from '@burgage/lab';
import { createRpcClient, readTlsIdentity } from '@burgage/rpc';
import { runResolveBench } from '@burgage/rpc/bench';
import { createLogger } from '@burgage/runtime';
import { openStore } from '@burgage/store';
import { runMongoBench } from '@burgage/store/bench/mongodb';
import { meshKind } from '../stories/mesh-kind.ts';
import { Platform } from '../stories/platform.ts';
import { type Figure, judge, table } from './figures.ts';
import { eventsThroughOutbox } from './outbox-events.ts';
import { routeVisibility } from './route-visibility.ts';
import { signUps } from './sign-ups.ts';
import { snapshotToGateway } from './snapshot.ts';

const started = performance.now();
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const logger = createLogger({ service: 'bench', level: 'warn' });

say(`${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`);
say('MongoDB is FerretDB 2.7 on PostgreSQL 18, with its writes flushed; NATS is 2.15 with its defaults\n');
const figures: Figure[] = [];

/** On a MongoDB and a NATS of its own, which are gone afterwards. */
async function onEngines(): Promise<void> {
  await using mongo = await startServer('mongo');
  await using nats = await startServer('nats');
  const folder = await mkdtemp(join(tmpdir(), 'burgage-bench-'));
  try {
    say('journals and documents on MongoDB …');
    figures.push(...(await runMongoBench(mongo.url)));
    say('events on NATS …');
    const { publishesPerSecond, deliveriesPerSecond } = await runNatsEventsBench(nats.url);
    figures.push(
      { what: 'events on NATS: publishes, 64 at once', value: publishesPerSecond, unit: '/s' },
      { what: 'events on NATS: deliveries', value: deliveriesPerSecond, unit: '/s' },
    );
    say('events through outboxes …');
    const events = await openEvents({ url: nats.url, file: '', logger });
    for (const [engine, url] of [
      ['MongoDB', mongo.url],
      ['SQLite', undefined],
    ] as const) {
      const store = await openStore({ url, database: 'bench_outbox', file: join(folder, 'outbox.sqlite'), logger });
      figures.push(...(await eventsThroughOutbox(engine, { store, events }, { documents: 1_000, count: 20_000 })));
      await store.close();
    }
    await events.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function onMesh(): Promise<void> {
  await using mongo = await startServer('mongo');
  await using nats = await startServer('nats');
  const platform = await Platform.start(meshKind(async () => ({ mongo: mongo.url, nats: nats.url })));
  try {
    const at = (name: string): string => join(platform.data, 'secrets', 'tls', name);
    const addresses = await Promise.all(['registry-1', 'registry-2'].map((name) => platform.flagOf(name, '--address')));
    const tls = { caFile: at('ca.crt'), certFile: at('operator.crt'), keyFile: at('operator.key') };
    const registry = createRpcClient(RegistryService, {
      address: addresses.join(','),
      tls: await readTlsIdentity(tls),
      peer: 'registry',
    });
    try {
      say('20 sign-ups, one after the other …');
      figures.push(...(await signUps(platform, { plan: 'trial', count: 20, what: 'sign-up', p95MsMax: 1_000 })));
      say('200 route changes, on two gateways through two registries …');
      const ports = await Promise.all(['gateway-1', 'gateway-2'].map(async (name) => Number(await platform.flagOf(name, '--port'))));
      const { host, figures: visibility } = await routeVisibility({ registry, ports, changes: 200 });
      figures.push(...visibility);
      say('ResolveHost of a registry, beside a bare echo …');
      figures.push(...(await runResolveBench({ registry: { address: addresses[0] ?? '', tls, host } })));
    } finally {
      await registry.close();
    }
  } finally {
    await platform.remove();
  }
}

await onEngines();
await onMesh();
say('a snapshot of 1,000,000 hosts (writing them takes a minute) …');
figures.push(...(await snapshotToGateway(1_000_000, say)));

say(
  `\n${table(figures)}\n\ntook ${Math.round((performance.now() - started) / 1_000)} s; these machines are noisy: compare runs by their medians`,
);
const missed = figures.filter((figure) => judge(figure) === 'missed');
if (missed.length > 0) {
  say(`missed: ${missed.map(({ what }) => what).join(', ')}`);
  process.exitCode = 1;
}
