// Endpoints whose connections are all in use are busy, not broken: nobody is told otherwise, and none is ejected for it.
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { eventually, makeSilo, metricValue, RawClient, startApp, startGateway } from '../../testing/fixture.ts';

const upstreamConnectionsMax = 4;
const host = 'busy.test';

describe('a request for which no connection becomes free', () => {
  it.each([
    { title: 'in time', upstreamWaitingMax: 100, connectMs: 100 },
    { title: 'as enough wait already', upstreamWaitingMax: 1, connectMs: 500 },
  ])('$title gets 503 app_busy and is held against no endpoint', async ({ upstreamWaitingMax, connectMs }) => {
    const stuck: ServerResponse[] = [];
    const { address: one } = await startApp((_, response) => stuck.push(response));
    const { address: other } = await startApp((_, response) => stuck.push(response));
    const limits = { upstreamConnectionsMax, upstreamWaitingMax };
    const gateway = await startGateway([{ host, backends: [one, other] }], { limits, timeouts: { connectMs } });
    const { port, metrics } = gateway;
    // It may have all connections.
    makeSilo(gateway, host);
    const ask = async () => (await RawClient.connect(port)).send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);

    const served: RawClient[] = [];
    while (served.length < 2 * upstreamConnectionsMax) {
      served.push(await ask());
      await eventually(() => stuck.length === served.length);
    }
    const refused = await Promise.all(Array.from({ length: 12 }, ask));
    for (const client of refused) expect(await client.untilText('app_busy')).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nretry-after: 1\r\n/i);
    expect(await metricValue(metrics, 'burgage_gateway_ejections_total')).toBe(0);

    for (const response of stuck.splice(0)) response.end('served');
    for (const client of served) expect(await client.untilText('served')).toMatch(/^HTTP\/1\.1 200 /);
    const next = await ask();
    await eventually(() => stuck.length === 1);
    stuck[0]?.end('served');
    expect(await next.untilText('served')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('is told the same by an app that wants a new connection for each, though there is always one that is just being opened', async () => {
    const app = () =>
      startApp((_, response) => {
        response.setHeader('Connection', 'close');
        setTimeout(() => response.end('served'), 20);
      });
    // A name takes a moment to become an address.
    const backends = [await app(), await app()].map(({ address }) => address.replace('127.0.0.1', 'localhost'));
    const limits = { upstreamConnectionsMax: 6 };
    const { port, metrics } = await startGateway([{ host, backends }], { limits, timeouts: { connectMs: 60 } });
    const answers = await Promise.all(
      Array.from({ length: 200 }, async () => (await RawClient.connect(port)).send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)),
    );
    for (const client of answers) await eventually(() => client.received.includes('\r\n\r\n'));
    const statuses = new Set(answers.map(({ received }) => received.slice(9, 12)));
    expect([...statuses].filter((status) => !['200', '429', '503'].includes(status))).toEqual([]);
    expect(await metricValue(metrics, 'burgage_gateway_ejections_total')).toBe(0);
  });
});
