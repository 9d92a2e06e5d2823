// Three gateways, two registries, one tenant: all together keep to its limits, and its shares go where its users are.
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryService, TenantState } from '@burgage/contracts';
import { openEmbeddedEvents } from '@burgage/events';
import { createGatewayService, type Explanation, type RouteStatus } from '@burgage/gateway';
import { createRegistryService } from '@burgage/registry';
import { createRpcClient } from '@burgage/rpc';
import { createLogger, createMetrics } from '@burgage/runtime';
import { openSqliteStore } from '@burgage/store';
import type { Catalog } from '@burgage/tenancy';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from './platform.ts';

const logger = createLogger({ service: 'story', level: 'silent' });
const internalToken = 'internal-token';
const rate = 100;
const concurrency = 20;

const plan = (requestsPerSecond: number): Catalog['plans'][string] => ({
  title: 'Plan',
  priceMinor: 0,
  isolation: 'pool',
  trialDays: 15,
  limits: { requestsPerSecond, concurrency, bodyBytesMax: 0 },
  features: [],
});
const catalog: Catalog = {
  name: 'test',
  title: 'Test',
  currency: 'USD',
  app: { name: 'desk', entry: '/nowhere', readyPath: '/readyz' },
  plans: { trial: plan(rate), slow: plan(100_000), rare: plan(1) },
};

/** In the order in which it is to be closed. */
const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

interface StartedGateway {
  readonly port: number;
  status(): Promise<RouteStatus>;
  explain(host: string): Promise<Explanation>;
}

let gateways: StartedGateway[] = [];
/** The registry of the third gateway. */
let other: StartedRegistry;
let client: ReturnType<typeof createRpcClient<typeof RegistryService>>;
/** Requests of the app that it has not answered, now and at most. */
const inApp = { now: 0, most: 0 };

async function startApp(): Promise<string> {
  const server: Server = createServer((incoming, response) => {
    inApp.now += 1;
    inApp.most = Math.max(inApp.most, inApp.now);
    const answer = () => {
      inApp.now -= 1;
      response.end('app');
    };
    if (incoming.url === '/slow') setTimeout(answer, 100);
    else answer();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface StartedRegistry {
  readonly address: string;
  stop(): Promise<void>;
}

async function startRegistry(folder: string, name: string): Promise<StartedRegistry> {
  const store = await openSqliteStore({ file: join(folder, 'registry.sqlite') });
  const events = await openEmbeddedEvents({ file: join(folder, 'events.sqlite'), logger });
  const address = `unix:${join(folder, `${name}.sock`)}`;
  const service = createRegistryService({ address, store, events, catalog, baseDomain: 'localhost', logger, metrics: createMetrics() });
  await service.start();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      await service.stop();
      await events.close();
      await store.close();
    })();
    return stopped;
  };
  closers.push(stop);
  return { address, stop };
}

async function startGateway(gatewayId: string, registry: string): Promise<StartedGateway> {
  const gateway = createGatewayService({ port: 0, adminPort: 0, registry, internalToken, gatewayId, baseDomain: 'localhost', logger });
  await gateway.start();
  closers.push(() => gateway.stop());
  const ask = async (path: string) => {
    const headers = { authorization: `Bearer ${internalToken}` };
    return (await fetch(`http://${gateway.adminAddress()}${path}`, { headers })).json();
  };
  return {
    port: Number(gateway.address().split(':').at(-1)),
    status: async () => (await ask('/routes/status')) as RouteStatus,
    explain: async (host) => (await ask(`/explain?url=http://${host}/`)) as Explanation,
  };
}

async function signUp(slug: string, planName: string): Promise<string> {
  const fence = { operationId: 'op_1', token: 1n };
  const { tenant } = await client.createTenant({
    idempotencyKey: slug,
    company: slug,
    plan: planName,
    ownerEmail: 'owner@limits.test',
    slug,
  });
  const tenantId = tenant?.id ?? '';
  await client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence });
  await client.putTenantRoute({ tenantId, upstream: 'app', isolation: 'pool', fence });
  await client.transitionTenant({ tenantId, state: TenantState.ACTIVE, fence });
  const host = `${slug}.localhost`;
  await until(`${host} is known everywhere`, async () => {
    const known = await Promise.all(gateways.map((gateway) => gateway.explain(host)));
    return known.every(({ answer }) => answer.status === 200);
  });
  return host;
}

const agent = new Agent({ keepAlive: true, maxSockets: 200 });
closers.push(async () => agent.destroy());

function ask(gateway: StartedGateway, host: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port: gateway.port, path, headers: { host } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** Asks each gateway so many times a second for that long, whatever it answers; counts what was let through. */
async function demand(host: string, perSecond: readonly number[], forMs: number): Promise<{ passed: number[]; elapsedMs: number }> {
  const passed = gateways.map(() => 0);
  const asked = gateways.map(() => 0);
  const under: Promise<void>[] = [];
  const beganMs = performance.now();
  for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs = performance.now() - beganMs) {
    for (const [index, gateway] of gateways.entries()) {
      const due = Math.floor(((perSecond[index] ?? 0) * elapsedMs) / 1_000);
      for (; (asked[index] ?? 0) < due; asked[index] = (asked[index] ?? 0) + 1) {
        const answered = ask(gateway, host, '/').then((status) => {
          if (status === 200) passed[index] = (passed[index] ?? 0) + 1;
          else expect(status).toBe(429);
        });
        under.push(answered);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all(under);
  return { passed, elapsedMs: performance.now() - beganMs };
}

/** What all gateways may let through in that time: 110 %, the burst that was left before, and one for each gateway. */
const most = (limit: number, elapsedMs: number) => 1.1 * limit * (1 + elapsedMs / 1_000) + gateways.length;
const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
const shareAt = async (index: number, host: string) => (await gateways[index]?.explain(host))?.tenant?.share;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'burgage-story-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const app = await startApp();
  const one = await startRegistry(folder, 'one');
  other = await startRegistry(folder, 'other');
  client = createRpcClient(RegistryService, { address: one.address });
  const { close } = client;
  closers.push(() => close());
  await client.putUpstream({ name: 'app', endpoints: [{ address: app }] });
  gateways = await Promise.all([startGateway('gw-1', one.address), startGateway('gw-2', one.address), startGateway('gw-3', other.address)]);
  await until('each gateway has its third', async () => {
    const all = await Promise.all(gateways.map((gateway) => gateway.status()));
    return all.every(({ limitShares }) => limitShares?.gateways === 3 && Math.round(limitShares.evenShare * 3 * 1_000) === 1_000);
  });
}, 60_000);

describe('three gateways', () => {
  test('let through what the plan allows and no tenth more, while demand is even, skewed, and moves', { timeout: 120_000 }, async () => {
    const host = await signUp('busy', 'trial');
    const even = await demand(host, [150, 150, 150], 3_000);
    expect(sum(even.passed)).toBeLessThanOrEqual(most(rate, even.elapsedMs));
    expect(Math.min(...even.passed)).toBeGreaterThan(0);

    const moves: { passed: number[]; elapsedMs: number }[] = [];
    for (const skew of [
      [300, 5, 0],
      [0, 5, 300],
      [0, 150, 150],
    ]) {
      const moved = await demand(host, skew, 5_000);
      moves.push(moved);
      expect(sum(moved.passed)).toBeLessThanOrEqual(most(rate, moved.elapsedMs));
    }
    // Whoever was asked most had more than the third that is its own without demand.
    const [first, second] = moves;
    expect(first?.passed[0]).toBeGreaterThan((1.3 * rate * (first?.elapsedMs ?? 0)) / 3_000);
    expect(second?.passed[2]).toBeGreaterThan((1.3 * rate * (second?.elapsedMs ?? 0)) / 3_000);
  });

  test('give all of the limit to the one that is asked, say so, and even shares to all when nobody asks any more', {
    timeout: 120_000,
  }, async () => {
    const host = await signUp('lopsided', 'trial');
    let asking = true;
    const asked = (async () => {
      while (asking) await demand(host, [0, 200, 0], 500);
    })();
    await until('all is at the second gateway', async () => ((await shareAt(1, host))?.requestsPerSecond ?? rate) >= 0.99 * rate);
    expect((await shareAt(0, host))?.requestsPerSecond).toBeLessThan(0.1 * rate);
    asking = false;
    await asked;
    await until('each has its third', async () => {
      const shares = await Promise.all([0, 1, 2].map((index) => shareAt(index, host)));
      return shares.every((share) => Math.abs((share?.requestsPerSecond ?? 0) - rate / 3) < 0.1);
    });
    await until('nothing is named any more', async () => (await gateways[0]?.status())?.limitShares?.tenants === 0);
  });

  test('share a limit of one request a second', { timeout: 120_000 }, async () => {
    const host = await signUp('rare', 'rare');
    const { passed, elapsedMs } = await demand(host, [3, 3, 3], 6_000);
    expect(sum(passed)).toBeLessThanOrEqual(most(1, elapsedMs));
    expect(sum(passed)).toBeGreaterThanOrEqual(3);
  });

  test('have no more requests in flight together than a tenth beyond the limit, and as many at one where only that is asked', {
    timeout: 120_000,
  }, async () => {
    const host = await signUp('slow', 'slow');
    inApp.most = 0;
    let asking = true;
    const users = gateways.map((gateway) =>
      Array.from({ length: 2 * concurrency }, async () => {
        while (asking) if ((await ask(gateway, host, '/slow')) !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
      }),
    );
    await until('demand is known', async () => ((await gateways[0]?.status())?.limitShares?.tenants ?? 0) > 0);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    asking = false;
    await Promise.all(users.flat());
    expect(inApp.most).toBeLessThanOrEqual(1.1 * concurrency);

    asking = true;
    const onlyOne = Array.from({ length: 2 * concurrency }, async () => {
      const [gateway] = gateways;
      while (asking && gateway) if ((await ask(gateway, host, '/slow')) !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
    });
    await until(
      'the first gateway has them all',
      async () => (await shareAt(0, host))?.concurrency === concurrency || inApp.now >= concurrency,
    );
    asking = false;
    await Promise.all(onlyOne);
    expect(inApp.most).toBeLessThanOrEqual(1.1 * concurrency);
  });

  // The last one: what is cut off here stays so.
  test('of which one is cut off let through at most its even share more', { timeout: 120_000 }, async () => {
    const host = await signUp('cut-off', 'trial');
    await demand(host, [0, 0, 150], 2_000);
    await other.stop();
    const { passed, elapsedMs } = await demand(host, [150, 150, 150], 15_000);
    expect(sum(passed)).toBeLessThanOrEqual(most(rate, elapsedMs) + (rate / 3) * (1 + elapsedMs / 1_000));
    await until('the two others share all between them, the third keeps its third', async () => {
      const shares = await Promise.all([0, 1, 2].map((index) => shareAt(index, host)));
      return shares.map((share) => Math.round(share?.requestsPerSecond ?? rate)).join() === '50,50,33';
    });
  });
});
