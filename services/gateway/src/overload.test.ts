// A gateway whose event loop is late: the heavy tenant gives way, the light one and the platform notice nothing.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, createLogger, systemClock } from '@burgage/runtime';
import type { TenantRoute } from '@burgage/tenancy';
import { expect, it } from 'vitest';
import { clientsOf, type HostClient, type Protocol } from './testing/clients.ts';
import {
  applyRoutes,
  describeWorkers,
  eventually,
  metricValue,
  onTestEnd,
  sendRaw,
  startApp,
  startGateway,
  temporaryFolder,
} from './testing/fixture.ts';

/** What a part of the platform has in common with any other. */
const parts = { kind: 'tenant', slug: '', plan: '', holds: [], features: [], isolation: '', entitlementVersion: 1, moving: false } as const;

/** Four seconds to one: what the gateway does every second it does four times. */
const fast: Clock = {
  now: () => systemClock.now(),
  monotonicMs: () => systemClock.monotonicMs() * 4,
  sleep: (ms, signal) => systemClock.sleep(ms / 4, signal),
};

/** Holds the loop up, but for a turn now and then. */
function blockLoop(): { end(): void } {
  let isBlocking = true;
  const block = () => {
    if (!isBlocking) return;
    const endsAtMs = performance.now() + 60;
    while (performance.now() < endsAtMs);
    setTimeout(block, 1);
  };
  block();
  const end = () => {
    isBlocking = false;
  };
  onTestEnd(async () => end());
  return { end };
}

interface Asking {
  /** How often with this status. */
  answered(status: number): number;
  end(): void;
}

/** Asks all the time on so many connections, and counts the answers by their status. */
async function keepAsking(open: () => Promise<HostClient>, connections: number): Promise<Asking> {
  const counts = new Map<number, number>();
  let asking = true;
  const end = () => {
    asking = false;
  };
  onTestEnd(async () => end());
  async function keep(client: HostClient): Promise<void> {
    while (asking) {
      const status = await client.ask();
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
  }
  const clients = await Promise.all(Array.from({ length: connections }, open));
  for (const client of clients) void keep(client).catch(() => {});
  return { answered: (status) => counts.get(status) ?? 0, end };
}

const [heavyHost, lightHost, apiHost] = ['heavy', 'light', 'api'].map((name) => `${name}.burgage.internal`) as [string, string, string];

describeWorkers(2, (workers) => {
  // Each takes its time: both threads and protocols are there, if not every two of them.
  const protocol: Protocol = workers === undefined ? 'HTTP/1.1' : 'HTTP/2';
  it(`refuses requests of the heavy tenant while a loop is late, none of the light one and of the platform, and says so: ${protocol}`, {
    timeout: 60_000,
  }, async () => {
    const app = await startApp((_request, response) => response.writeHead(200, { 'content-length': '3' }).end('app'));
    const backends = [app.address];
    const log = join(await temporaryFolder(), 'gateway.log');
    const clients = await clientsOf(protocol, [heavyHost, lightHost, apiHost]);
    const gateway = await startGateway(
      [
        { host: heavyHost, tenant: 'ten_heavy', backends },
        { host: lightHost, tenant: 'ten_light', backends },
        { host: apiHost, tenant: 'api', backends },
      ],
      {
        ...clients.options,
        clock: fast,
        internalToken: 'secret',
        logger: createLogger({ service: 'gateway', level: 'info', destination: log }),
      },
    );
    const { admin, metrics, follower } = gateway;
    const { state, upstream, branding } = follower.table.tenant('api') as TenantRoute;
    const entity = { ...parts, state, upstream, branding, tenantId: 'api', platform: true };
    applyRoutes(gateway, { kind: 'tenant', key: 'api', version: 2, removed: false, entity });
    const shedShare = () => metricValue(metrics, 'burgage_gateway_shed_share');
    const said = async () => (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('overload'));
    const keep = (host: string) => keepAsking(() => clients.open(gateway, host), 30);

    const [heavy, platform] = await Promise.all([keep(heavyHost), keep(apiHost)]);
    await eventually(() => heavy.answered(200) > 0 && platform.answered(200) > 0);
    expect(await shedShare()).toBe(0);
    const blocked = blockLoop();
    await eventually(() => heavy.answered(503) > 0);
    expect(await shedShare()).toBeGreaterThan(0);
    for (let request = 0; request < 2; request++) {
      expect(await (await clients.open(gateway, lightHost)).ask()).toBe(200);
      // Or it would be as heavy as who else waits for the loop.
      await systemClock.sleep(300);
    }
    const explained = await fetch(`${admin}/explain?url=http://${heavyHost}/`, { headers: { authorization: 'Bearer secret' } });
    expect(((await explained.json()) as { tenant: object }).tenant).toMatchObject({ shedShare: expect.any(Number) });
    expect(platform.answered(503)).toBe(0);
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_refusals_total', { code: 'overloaded' })) > 0);

    blocked.end();
    // As the loop of this test is that of the gateway.
    for (const asking of [heavy, platform]) asking.end();
    await eventually(async () => (await shedShare()) === 0);
    expect(await (await clients.open(gateway, heavyHost)).ask()).toBe(200);
    await eventually(async () => (await said()).length === 2);
    const [began = '', ended = ''] = await said();
    expect(JSON.parse(began)).toMatchObject({
      msg: 'overloaded: requests of the heaviest tenants are refused',
      heaviest: [{ tenant: 'ten_heavy', refusedShare: expect.any(Number) }],
    });
    expect(JSON.parse(ended)).toMatchObject({ msg: 'overload over: all requests are let in again' });
  });
});

it('says to a refused client when to come again', async () => {
  const app = await startApp((_request, response) => response.end('app'));
  const gateway = await startGateway([{ host: heavyHost, backends: [app.address] }], { clock: fast });
  const { port, metrics } = gateway;
  const { open } = await clientsOf('HTTP/1.1', [heavyHost]);
  await keepAsking(() => open(gateway, heavyHost), 20);
  blockLoop();
  await eventually(async () => (await metricValue(metrics, 'burgage_gateway_refusals_total', { code: 'overloaded' })) > 0);
  let refused = '';
  await eventually(async () => {
    refused = await sendRaw(port, `GET / HTTP/1.1\r\nHost: ${heavyHost}\r\nConnection: close\r\n\r\n`);
    return refused.startsWith('HTTP/1.1 503 ');
  });
  expect(refused).toMatch(/\r\nretry-after: 2\r\n/i);
});
