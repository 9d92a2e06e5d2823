// Tenants of a shared app whose requests do not end leave connections to it for others.
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { eventually, makeSilo, RawClient, startApp, startGateway } from '../../testing/fixture.ts';

const upstreamConnectionsMax = 64;

async function startShared(noisy: number) {
  const stuck: ServerResponse[] = [];
  const { address } = await startApp((request, response) => {
    if (request.url === '/stuck') stuck.push(response);
    else response.end('served');
  });
  const hosts = [...Array.from({ length: noisy }, (_, index) => `noisy-${index}.test`), 'quiet.test'];
  const { port, follower } = await startGateway(
    hosts.map((host) => ({ host, backends: [address] })),
    { limits: { upstreamConnectionsMax } },
  );
  const ask = async (host: string, path: string) => (await RawClient.connect(port)).send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  return { stuck, ask, follower };
}

const status = ({ received }: RawClient) => Number(received.slice(9, 12));

describe('connections to a shared app', () => {
  it.each([1, 2, 4])('are left for others by %i tenants whose requests get stuck, however many they send', async (noisy) => {
    const { stuck, ask } = await startShared(noisy);
    const clients: RawClient[] = [];
    for (let round = 0; round < upstreamConnectionsMax; round++) {
      for (let tenant = 0; tenant < noisy; tenant++) {
        clients.push(await ask(`noisy-${tenant}.test`, '/stuck'));
        // Each is somewhere before the next comes.
        await eventually(() => stuck.length + clients.filter(({ received }) => received !== '').length === clients.length);
      }
    }
    const refused = clients.filter(({ received }) => received !== '');
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map(status))).toEqual(new Set([429]));
    expect(refused[0]?.received).toContain('concurrency_limited');
    expect(stuck.length).toBeLessThan(upstreamConnectionsMax);
    expect(stuck.length).toBeGreaterThanOrEqual(upstreamConnectionsMax * 0.75);
    const answers = await Promise.all(Array.from({ length: 4 }, async () => (await ask('quiet.test', '/')).untilText('served')));
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('are had again by a tenant whose requests have come to their ends', async () => {
    const { stuck, ask } = await startShared(1);
    for (let round = 0; round < 3; round++) {
      const clients: RawClient[] = [];
      for (let sent = 1; sent <= upstreamConnectionsMax * 0.75; sent++) {
        clients.push(await ask('noisy-0.test', '/stuck'));
        await eventually(() => stuck.length === sent);
      }
      for (const response of stuck.splice(0)) response.end('ended');
      await Promise.all(clients.map((client) => client.untilText('ended')));
      expect(clients.map(status)).toEqual(clients.map(() => 200));
    }
  });

  it('are all for a tenant that has the app for itself', async () => {
    const { stuck, ask, follower } = await startShared(1);
    makeSilo({ follower }, 'noisy-0.test');
    for (let sent = 1; sent <= upstreamConnectionsMax; sent++) {
      await ask('noisy-0.test', '/stuck');
      await eventually(() => stuck.length === sent);
    }
  });
});
