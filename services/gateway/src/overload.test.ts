// A gateway whose event loop is late: the heavy tenant gives way, the light one and the platform notice nothing.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, createLogger, systemClock } from '@burgage/runtime';
import type { TenantRoute } from '@burgage/tenancy';
import { expect, it } from 'vitest';
import { eventually, metricValue, onTestEnd, RawClient, sendRaw, startApp, startGateway, temporaryFolder } from './testing/fixture.ts';

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

/** Asks all the time on so many connections, and counts the answers by their status. */
async function keepAsking(port: number, host: string, connections: number): Promise<(status: number) => number> {
  const counts = new Map<number, number>();
  let asking = true;
  onTestEnd(async () => {
    asking = false;
  });
  async function ask(client: RawClient): Promise<void> {
    while (asking) {
      client.received = '';
      client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      const [, status] = /HTTP\/1\.1 (\d{3})/.exec(await client.until(({ received }) => received.includes('\r\n\r\n'))) ?? [];
      counts.set(Number(status), (counts.get(Number(status)) ?? 0) + 1);
    }
  }
  const clients = await Promise.all(Array.from({ length: connections }, () => RawClient.connect(port)));
  for (const client of clients) void ask(client).catch(() => {});
  return (status) => counts.get(status) ?? 0;
}

const get = (port: number, host: string, path = '/') => sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

it('refuses requests of the heavy tenant while its loop is late, none of the light one and of the platform, and says so', async () => {
  const app = await startApp((_request, response) => response.writeHead(200, { 'content-length': '3' }).end('app'));
  const backends = [app.address];
  const log = join(await temporaryFolder(), 'gateway.log');
  const { port, admin, metrics, follower } = await startGateway(
    [
      { host: 'heavy.test', tenant: 'ten_heavy', backends },
      { host: 'light.test', tenant: 'ten_light', backends },
      { host: 'api.test', tenant: 'api', backends },
    ],
    { clock: fast, internalToken: 'secret', logger: createLogger({ service: 'gateway', level: 'info', destination: log }) },
  );
  const { state, upstream, branding } = follower.table.tenant('api') as TenantRoute;
  const entity = { ...parts, state, upstream, branding, tenantId: 'api', platform: true };
  follower.table.apply({ kind: 'tenant', key: 'api', version: 2, removed: false, entity });
  const shedShare = () => metricValue(metrics, 'burgage_gateway_shed_share');
  const said = async () => (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('overload'));

  const [heavy, platform] = await Promise.all([keepAsking(port, 'heavy.test', 20), keepAsking(port, 'api.test', 20)]);
  await eventually(() => heavy(200) > 0 && platform(200) > 0);
  expect(await shedShare()).toBe(0);
  const blocked = blockLoop();
  await eventually(() => heavy(503) > 0);
  expect(await shedShare()).toBeGreaterThan(0);
  for (let request = 0; request < 10; request++) expect(await get(port, 'light.test')).toMatch(/^HTTP\/1\.1 200 /);
  const explained = await fetch(`${admin}/explain?url=http://heavy.test/`, { headers: { authorization: 'Bearer secret' } });
  expect(((await explained.json()) as { tenant: object }).tenant).toMatchObject({ shedShare: expect.any(Number) });
  expect(platform(503)).toBe(0);
  expect(await metricValue(metrics, 'burgage_gateway_refusals_total', { code: 'overloaded' })).toBeGreaterThan(0);

  blocked.end();
  await eventually(async () => (await shedShare()) === 0);
  expect(await get(port, 'heavy.test')).toMatch(/^HTTP\/1\.1 200 /);
  await eventually(async () => (await said()).length === 2);
  const [began = '', ended = ''] = await said();
  expect(JSON.parse(began)).toMatchObject({
    msg: 'overloaded: requests of the heaviest tenants are refused',
    heaviest: [{ tenant: 'ten_heavy', refusedShare: expect.any(Number) }],
  });
  expect(JSON.parse(ended)).toMatchObject({ msg: 'overload over: all requests are let in again' });
});

it('says to a refused client when to come again', async () => {
  const app = await startApp((_request, response) => response.end('app'));
  const { port, metrics } = await startGateway([{ host: 'heavy.test', backends: [app.address] }], { clock: fast });
  await keepAsking(port, 'heavy.test', 20);
  blockLoop();
  await eventually(async () => (await metricValue(metrics, 'burgage_gateway_refusals_total', { code: 'overloaded' })) > 0);
  let refused = '';
  await eventually(async () => {
    refused = await get(port, 'heavy.test');
    return refused.startsWith('HTTP/1.1 503 ');
  });
  expect(refused).toMatch(/\r\nretry-after: 2\r\n/i);
});
