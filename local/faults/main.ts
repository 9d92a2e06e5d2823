// `npm run test:faults`: a mesh under load, one fault after the other; shows what each cost and leaves with 1 where something was lost.

import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type FaultProxy, type RunningServer, startServer, Toxiproxy } from '@burgage/lab';
import { runMain } from '@burgage/runtime';
import { percentile } from '../bench/figures.ts';
import { meshKind } from '../stories/mesh-kind.ts';
import { Platform, until } from '../stories/platform.ts';
import { chosenFaults, usage } from './choice.ts';
import type { Fault } from './faults.ts';
import { type Acknowledged, SignUps } from './sign-ups.ts';
import { type Row, table } from './table.ts';
import { Traffic } from './traffic.ts';

const knownTenants = 6;
const requestsPerSecond = 60;
const signUpsPerSecond = 1;
const beforeMs = 1_000;
/** The promise: everything is well this long after a fault has ended. */
const greenWithinMs = 10_000;
/** What a sign-up takes on two cores beside the others, until the tenant is live on both gateways: where it takes twice as long, so may the rest. */
const signUpMs = 1_000;
const signUpsBefore = 5;
/** For one of these, and for what is not well again. */
const giveUpAfterMs = 60_000;
/** A lease of 10 s and a sweep of 5 s, and the operation's own time. */
const endedWithinMs = 20_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const sleep = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

async function main(argv: readonly string[]): Promise<void> {
  const chosen = chosenFaults(argv);
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
    const tookMs = await signUpTime({ platform, signUps, secondPort });
    const slowness = Math.max(1, tookMs / signUpMs);
    say(`a sign-up takes ${seconds(tookMs)}: all is to be well ${seconds(greenWithinMs * slowness)} after a fault`);
    const world = { platform, nats, mongo, natsProxy, mongoProxy, traffic, signUps, secondPort, greenWithinMs: greenWithinMs * slowness };
    for (const fault of chosen) rows.push(await suffer(fault, world));
  } finally {
    await signUps.stop();
    await traffic.stop();
  }
  say(`\n${table(rows)}`);
  say(
    '\nfailed: refused or answered 5xx by every gateway, of requests to live tenants · broken off: in flight on a gateway that was killed' +
      '\nstarted: sign-ups that were acknowledged in that time · ended as they may: live, or failed with nothing left · green: from the end of the fault until all replicas are ready, the gateways where the routes were then, and a new sign-up live',
  );
  process.exitCode = rows.every(({ complaints }) => complaints.length === 0) ? 0 : 1;
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
  /** On this machine. */
  readonly greenWithinMs: number;
}

type SignedUpWorld = Pick<World, 'platform' | 'signUps' | 'secondPort'>;

async function suffer(fault: Fault, world: World): Promise<Row> {
  const { traffic, signUps } = world;
  say(`${fault.name} …`);
  traffic.take();
  signUps.take();
  const since = signUps.acknowledgedCount;
  await sleep(beforeMs);
  await fault.strike(world);
  const endedMs = performance.now();
  const waits: Wait[] = [];
  const goal: Goal = {};
  const green = await until(
    'green',
    async () => {
      const problem = await whyNotGreen(world, goal);
      const atMs = performance.now() - endedMs;
      if (problem !== undefined && problem !== waits.at(-1)?.for) waits.push({ for: problem, atMs });
      return problem === undefined;
    },
    giveUpAfterMs + world.greenWithinMs,
  ).then(
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
  const course = goal.tenant === undefined ? '' : ` (${await signUps.courseOf(goal.tenant.operationId)})`;
  const complaints = [
    ...(requests.failed > 0 && !fault.stopsTheApp
      ? [`${requests.failed} requests to known hosts failed (${requests.reasons.join('; ')})`]
      : []),
    ...(requests.brokenOff > 0 && !fault.killsAGateway && !fault.stopsTheApp ? [`${requests.brokenOff} requests were broken off`] : []),
    ...(endings.lost.length > 0 ? [`acknowledged and lost: ${endings.lost.join(', ')}`] : []),
    ...(endings.running.length > 0 ? [`stuck: ${endings.running.join(', ')}`] : []),
    ...(!green || greenMs > world.greenWithinMs
      ? [
          `${green ? 'green only' : 'not green'} after ${seconds(greenMs)}; it waited for ${waits.map(({ for: what, atMs }) => `${what}, said at ${seconds(atMs)}`).join('; ')}${course}`,
        ]
      : []),
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

/** What was not well at a look; `atMs` from the end of the fault on. */
interface Wait {
  readonly for: string;
  readonly atMs: number;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** What the looks after a fault wait for; sign-ups go on, so that at no look need a gateway have all that there is at that moment. */
interface Goal {
  /** Where the routes were at the first look. */
  routes?: { readonly epoch: string; readonly revision: number };
  /** Who signed up as soon as all else was well. */
  tenant?: Acknowledged | undefined;
}

interface GatewayList {
  readonly items: readonly { readonly id: string; readonly epoch: string; readonly appliedRevision: number }[];
  readonly epoch: string;
  readonly revision: number;
}

/** Which of these does not hold yet: every process is ready, both gateways have come to the goal, and whoever signs up goes live. */
async function whyNotGreen(world: World, goal: Goal): Promise<string | undefined> {
  const { platform, signUps } = world;
  const token = (await readFile(join(platform.data, 'secrets', 'admin-token'), 'utf8')).trim();
  const answer = await platform.ask('api', '/v1/gateways', { headers: { authorization: `Bearer ${token}` } }).catch(() => undefined);
  if (answer?.status !== 200) return `the list of gateways, which the api answered with ${answer?.status ?? 'nothing'}`;
  const { items: gateways, epoch, revision } = answer.json<GatewayList>();
  if (gateways.length !== 2) return `two gateways in the list, where ${gateways.length} were`;
  if (goal.routes?.epoch !== epoch) goal.routes = { epoch, revision };
  const wanted = goal.routes;
  const behind = gateways.filter((gateway) => gateway.epoch !== epoch || gateway.appliedRevision < wanted.revision).map(({ id }) => id);
  if (behind.length > 0) return `routes up to revision ${wanted.revision} on ${behind.join(', ')}`;
  const ready = await Promise.all(platform.processNames.map(async (name) => ({ name, isReady: await platform.isReady(name) })));
  const unready = ready.filter(({ isReady }) => !isReady).map(({ name }) => name);
  if (unready.length > 0) return `readiness of ${unready.join(', ')}`;
  goal.tenant ??= await signUps.one();
  if (goal.tenant === undefined) return 'a sign-up that is acknowledged';
  const { slug, operationId } = goal.tenant;
  if (await isLive(goal.tenant, world)) return undefined;
  if (await signUps.hasFailed(operationId)) {
    goal.tenant = undefined;
    return `a tenant after ${slug}, whose sign-up failed`;
  }
  return `tenant ${slug} live on both gateways`;
}

/** Whether both gateways answer for a tenant; looks for some seconds. */
function isLive({ slug }: Acknowledged, { platform, secondPort }: SignedUpWorld): Promise<boolean> {
  return until(
    'the new tenant is live on both gateways',
    async () => {
      const ports = [platform.port, secondPort];
      const statuses = await Promise.all(ports.map((port) => platform.askOn(port, slug, '/healthz').catch(() => undefined)));
      return statuses.every((status) => status?.status === 200);
    },
    5_000,
  ).then(
    () => true,
    () => false,
  );
}

/** What a sign-up takes now, until the tenant is live on both gateways: the median of some, in milliseconds. */
async function signUpTime(world: SignedUpWorld): Promise<number> {
  const took: number[] = [];
  while (took.length < signUpsBefore) {
    const beganMs = performance.now();
    const signedUp = await until('a sign-up is acknowledged, before any fault', () => world.signUps.one(), giveUpAfterMs);
    await until('its tenant is live on both gateways', () => isLive(signedUp, world), giveUpAfterMs);
    took.push(performance.now() - beganMs);
  }
  return percentile(took, 0.5);
}

/** The server's address with the proxy's port in it. */
function throughProxy(url: string, port: number): string {
  return url.replace(/:\d+(?=\/|\?|$)/, `:${port}`);
}

await runMain(usage, main);
