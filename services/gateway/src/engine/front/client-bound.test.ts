// The bound for clients: whoever asks for nothing makes room, whoever asks for something is left alone, and what finds no room is closed.
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createLogger } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { eventually, metricValue, RawClient, startApp, startGateway, temporaryFolder } from '../../testing/fixture.ts';

const clientConnectionsMax = 8;
const get = 'GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n';
/** The engine looks at the time this many times within the shortest of its times, and sees in between how long connections have been idle. */
const timeouts = { lingerMs: 40 };
const someLooksMs = 100;
const shed = 'burgage_gateway_client_connections_shed_total';

async function connectMany(port: number, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await RawClient.connect(port));
  return clients;
}

it('closes the connection that was idle for longest when a new client comes, and serves that', async () => {
  const { address } = await startApp((_, response) => response.end('ok'));
  const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [address] }], {
    limits: { clientConnectionsMax },
    timeouts,
  });
  const clients = await connectMany(port, clientConnectionsMax - 1);
  const idleFirst = clients[3];
  for (const client of [idleFirst, ...clients.filter((one) => one !== idleFirst)]) {
    await client?.send(get).untilText('ok');
    await new Promise((resolve) => setTimeout(resolve, someLooksMs));
  }
  const late = await RawClient.connect(port);
  await late.send(get).untilText('ok');
  await idleFirst?.all();
  expect(clients.filter(({ ended }) => ended)).toEqual([idleFirst]);
  expect(await metricValue(metrics, shed, { which: 'idle' })).toBe(1);
  expect(await metricValue(metrics, shed, { which: 'refused' })).toBe(0);
});

it('leaves alone whoever waits for an answer; a client beyond is closed at once, and the next one is served when one has gone', async () => {
  const waiting: ServerResponse[] = [];
  const { address } = await startApp((_, response) => void waiting.push(response));
  const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [address] }], {
    limits: { clientConnectionsMax },
    timeouts,
  });
  const clients: RawClient[] = [];
  while (clients.length < clientConnectionsMax) {
    clients.push((await RawClient.connect(port)).send(get));
    await eventually(() => waiting.length === clients.length);
  }
  const beyond = await RawClient.connect(port);
  expect(await beyond.all()).toBe('');
  expect(await metricValue(metrics, shed, { which: 'refused' })).toBe(1);
  for (const response of waiting.splice(0)) response.end('ok');
  await Promise.all(clients.map((client) => client.untilText('ok')));
  clients[0]?.socket.destroy();
  await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) < clientConnectionsMax);
  const next = await RawClient.connect(port);
  next.send(get);
  await eventually(() => waiting.length === 1);
  waiting[0]?.end('ok');
  await next.untilText('ok');
});

it('prefers to close whoever has never asked for anything to a client that has', async () => {
  const { address } = await startApp((_, response) => response.end('ok'));
  const { port } = await startGateway([{ host: 'acme.test', backends: [address] }], {
    limits: { clientConnectionsMax },
    timeouts: { ...timeouts, headMs: 60_000, keepAliveMs: 600_000 },
  });
  const [known] = await connectMany(port, 1);
  await known?.send(get).untilText('ok');
  // Longer than its first bytes may need.
  const silent = await connectMany(port, clientConnectionsMax - 2);
  await new Promise((resolve) => setTimeout(resolve, 1_100 + someLooksMs));
  await connectMany(port, 3);
  await eventually(() => silent.filter(({ ended }) => ended).length === 3 || known?.ended === true);
  expect(known?.ended).toBe(false);
});

it('comes back to the number of open connections, however many made room', async () => {
  const { address } = await startApp((_, response) => response.end('ok'));
  const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [address] }], {
    limits: { clientConnectionsMax },
    timeouts,
  });
  for (let round = 0; round < 5; round++) {
    const clients = await Promise.all(Array.from({ length: 4 * clientConnectionsMax }, () => RawClient.connect(port)));
    for (const client of clients) client.send(get);
    await eventually(() => clients.every(({ received, closed, ended }) => closed || ended || received.includes('ok')));
    for (const client of clients) client.socket.destroy();
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
  }
  const all = await connectMany(port, clientConnectionsMax);
  await Promise.all(all.slice(1).map((client) => client.send(get).untilText('ok')));
});

it('counts who has not got beyond the beginning of TLS, and has them make room; the log tells of it once', async () => {
  const { address } = await startApp((_, response) => response.end('ok'));
  const certificates = await makeCertificates();
  await certificates.put(acme);
  const file = join(await temporaryFolder(), 'log');
  const logger = createLogger({ service: 'test', level: 'warn', destination: file });
  const { port, httpsPort, metrics } = await startGateway([{ host: 'acme.test', backends: [address] }], {
    ...{ httpsPort: 0, certificates: certificates.folder, logger, limits: { clientConnectionsMax }, timeouts },
  });
  for (let i = 0; i < 3 * clientConnectionsMax; i++) await RawClient.connect(httpsPort);
  await (await RawClient.connect(port)).send(get).untilText('ok');
  expect(await metricValue(metrics, shed, { which: 'idle' })).toBeGreaterThan(clientConnectionsMax);
  await new Promise((resolve) => setTimeout(resolve, someLooksMs));
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    connectionsMax: clientConnectionsMax,
    msg: expect.stringContaining('at their bound'),
  });
});
