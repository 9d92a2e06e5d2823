// `npm run test:faults`: a mesh under load, one fault after the other; shows what each cost and leaves with 1 where something was lost.

import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type FaultProxy, type RunningServer, startServer, Toxiproxy } from '@burgage/lab';
import { meshKind } from '../stories/mesh-kind.ts';
import { Platform, until } from '../stories/platform.ts';
import { type Fault, faults } from './faults.ts';
import { SignUps } from './sign-ups.ts';
import { type Row, table } from './table.ts';
import { Traffic } from './traffic.ts';

const knownTenants = 6;
const requestsPerSecond = 60;
const signUpsPerSecond = 1;
const beforeMs = 1_000;
/** The promise: everything is well this long after a fault has ended. */
const greenWithinMs = 10_000;
/** A lease of 10 s and a sweep of 5 s, and the operation's own time. */
const endedWithinMs = 20_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const sleep = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !faults.some((fault) => fault.name === name));
  if (unknown.length > 0)
    throw new Error(`unknown fault ${unknown.join(', ')}; expected some of ${faults.map(({ name }) => `"${name}"`).join(', ')}`);
  const chosen = wanted.length === 0 ? faults : faults.filter(({ name }) => wanted.includes(name));
  await using closing = new AsyncDisposableStack();
  const adopt = async (starting: Promise<RunningServer>): Promise<RunningServer> => {
    const server = await starting;
    closing.defer(() => server.close());
    return server;
  };
  say(`${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}`);
  say('starting NATS, MongoDB (FerretDB), toxiproxy and the mesh …');
  const [nats, mongo, toxiproxy] = await Promise.all([
    adopt(startServer('nats')),
    adopt(startServer('mongo')),
    adopt(startServer('toxiproxy')),
  ]);
  const proxies = new Toxiproxy(toxiproxy.url);
  const proxyOf = ({ name, host, port }: RunningServer): Promise<FaultProxy> => proxies.createProxy(name, `${host}:${port}`);
  const [natsProxy, mongoProxy] = await Promise.all([proxyOf(nats), proxyOf(mongo)]);
  const kind = meshKind(async () => ({ mongo: throughProxy(mongo.url, mongoProxy.port), nats: throughProxy(nats.url, natsProxy.port) }));
  const platform = await Platform.start(kind);
  closing.defer(() => platform.remove());
  const secondPort = Number(await platform.flagOf('gateway-2', '--port'));

  say(`${knownTenants} tenants …`);
  const known = await Promise.all(
    Array.from({ length: knownTenants }, (_, index) => platform.createTenant(`Known ${index + 1} GmbH`, `known${index}@fault.test`)),
  );
  const traffic = new Traffic({
    ports: [platform.port, secondPort],
    hosts: known.map(({ slug }) => `${slug}.localhost`),
    requestsPerSecond,
  });
  const signUps = await SignUps.of(platform);
  const rows: Row[] = [];
  traffic.start();
  signUps.start(signUpsPerSecond);
  try {
    for (const fault of chosen)
      rows.push(await suffer(fault, { platform, nats, mongo, natsProxy, mongoProxy, traffic, signUps, secondPort }));
  } finally {
    await signUps.stop();
    await traffic.stop();
  }
  say(`\n${table(rows)}`);
  say(
    '\nfailed: refused or answered 5xx by every gateway, of requests to live tenants · broken off: in flight on a gateway that was killed' +
      '\nstarted: sign-ups that were acknowledged in that time · ended as they may: live, or failed with nothing left · green: from the end of the fault until all replicas are ready, the gateways in sync and a new sign-up live',
  );
  const bad = rows.filter((row) => row.complaints.length > 0);
  for (const { fault, complaints } of bad) say(`FAILED ${fault}: ${complaints.join('; ')}`);
  process.exitCode = bad.length === 0 ? 0 : 1;
}

interface World {
  readonly platform: Platform;
  readonly nats: RunningServer;
  readonly mongo: RunningServer;
  readonly natsProxy: FaultProxy;
  readonly mongoProxy: FaultProxy;
  readonly traffic: Traffic;
  readonly signUps: SignUps;
  readonly secondPort: number;
}

async function suffer(fault: Fault, world: World): Promise<Row> {
  const { traffic, signUps } = world;
  say(`${fault.name} …`);
  traffic.take();
  signUps.take();
  const since = signUps.acknowledgedCount;
  await sleep(beforeMs);
  await fault.strike(world);
  const endedMs = performance.now();
  const green = await until('green', () => isGreen(world), 60_000).then(
    () => true,
    () => false,
  );
  const greenMs = performance.now() - endedMs;
  const requests = traffic.take();
  const asked = signUps.take();
  let endings = await signUps.endings(since);
  const giveUpAtMs = performance.now() + endedWithinMs;
  while (endings.running.length > 0 && performance.now() < giveUpAtMs) {
    await sleep(250);
    endings = await signUps.endings(since);
  }
  const complaints = [
    ...(requests.failed > 0 && !fault.stopsTheApp
      ? [`${requests.failed} requests to known hosts failed (${requests.reasons.join('; ')})`]
      : []),
    ...(requests.brokenOff > 0 && !fault.killsAGateway && !fault.stopsTheApp ? [`${requests.brokenOff} requests were broken off`] : []),
    ...(endings.lost.length > 0 ? [`acknowledged and lost: ${endings.lost.join(', ')}`] : []),
    ...(endings.running.length > 0 ? [`stuck: ${endings.running.join(', ')}`] : []),
    ...(!green || greenMs > greenWithinMs ? [`green only after ${(greenMs / 1_000).toFixed(1)} s`] : []),
    ...(asked.acknowledged === 0 ? ['no sign-up was acknowledged'] : []),
  ];
  return {
    fault: fault.name,
    sent: requests.sent,
    failed: requests.failed,
    brokenOff: requests.brokenOff,
    asked: asked.asked,
    started: endings.succeeded + endings.failed + endings.running.length + endings.lost.length,
    ended: endings.succeeded + endings.failed,
    greenMs,
    complaints,
  };
}

/** Every process is ready, both gateways follow the registry, and whoever signs up goes live. */
async function isGreen({ platform, signUps, secondPort }: World): Promise<boolean> {
  const token = (await readFile(join(platform.data, 'secrets', 'admin-token'), 'utf8')).trim();
  const answer = await platform.ask('api', '/v1/gateways', { headers: { authorization: `Bearer ${token}` } }).catch(() => undefined);
  if (answer?.status !== 200) return false;
  const gateways = answer.json<{ items: { inSync: boolean }[] }>().items;
  if (gateways.length !== 2 || !gateways.every(({ inSync }) => inSync)) return false;
  const ready = await Promise.all(platform.processNames.map((name) => platform.isReady(name)));
  if (!ready.every((one) => one)) return false;
  const slug = await signUps.one();
  if (slug === undefined) return false;
  return await until(
    'the new tenant is live on both gateways',
    async () => {
      const statuses = await Promise.all(
        [platform.port, secondPort].map((port) => platform.askOn(port, slug, '/healthz').catch(() => undefined)),
      );
      return statuses.every((status) => status?.status === 200);
    },
    5_000,
  ).then(
    () => true,
    () => false,
  );
}

/** The server's address with the proxy's port in it. */
function throughProxy(url: string, port: number): string {
  return url.replace(/:\d+(?=\/|\?|$)/, `:${port}`);
}

await main();
