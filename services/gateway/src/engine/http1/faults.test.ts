// Endpoints and clients that fail at every stage, many at once: every exchange ends, and nothing of it is left.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { createMetrics, type Random, seededRandom } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { Exchange } from '../../domain/exchange.ts';
import { gatewayMetrics } from '../../metrics.ts';
import { breakOff, failingAnswers, flood, startFailingApp } from '../../testing/failing-app.ts';
import { deadAddress, eventually, metricValue, seedOfRun, startGateway } from '../../testing/fixture.ts';
import { ClientConnection } from './client-connection.ts';
import { Relay } from './relay.ts';
import { Tunnel } from './tunnel.ts';
import { UpstreamConnection } from './upstream-connection.ts';

const names = Object.keys(failingAnswers);

/** What a client does once it has sent its request, or a part of it. */
const departures = ['reads', 'half', 'ends', 'resets', 'resetsSoon', 'stops'] as const;

const rounds = Number(process.env.BURGAGE_FAULT_ROUNDS ?? 3_000);
const atOnce = 32;

const bodies = {
  none: { framing: '', sent: '' },
  length: { framing: 'Content-Length: 2000\r\n', sent: 'b'.repeat(2_000) },
  /** More than an endpoint that does not read takes. */
  large: { framing: 'Content-Length: 3000000\r\n', sent: 'b'.repeat(3_000_000) },
  chunked: { framing: 'Transfer-Encoding: chunked\r\n', sent: `7d0\r\n${'b'.repeat(2_000)}\r\n0\r\n\r\n` },
} as const;

/** What a client says once it may be in a tunnel: something, or more than anybody takes. */
function tunnelled(socket: Socket, random: Random): void {
  if (!socket.writable) return;
  if (random.float() < 0.5) setTimeout(() => socket.writable && socket.write('hello'), random.float() * 10);
  if (random.float() < 0.2) setTimeout(() => socket.writable && socket.write(flood), random.float() * 10);
}

/** One client: a request or two, perhaps not whole, then whatever it does. Resolves when its connection is closed. */
async function exchange(port: number, random: Random): Promise<void> {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.float() * items.length)] as T;
  const name = pick(names);
  const departure = pick(departures);
  const body = name.startsWith('upgrade') ? 'none' : pick(['none', 'length', 'large', 'chunked'] as const);
  const { framing, sent } = bodies[body];
  const isUpgrade = name.startsWith('upgrade');
  const connection = isUpgrade ? 'Connection: Upgrade\r\nUpgrade: echo\r\n' : '';
  const method = body === 'none' ? 'GET' : 'POST';
  const whole = `${method} /${name} HTTP/1.1\r\nHost: acme.test\r\n${connection}${framing}\r\n${sent}`;
  const text = departure === 'half' ? whole.slice(0, Math.floor(random.float() * whole.length)) : whole;
  const socket = connect({ port, host: '127.0.0.1' });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  socket.once('connect', () => {
    socket.write(random.float() < 0.2 ? text + whole : text);
    if (departure === 'ends') socket.end();
    if (departure === 'resets') breakOff(socket);
    if (departure === 'resetsSoon') setTimeout(() => breakOff(socket), random.float() * 5);
    if (departure === 'half') setTimeout(() => socket.destroy(), random.float() * 5);
    if (isUpgrade && !socket.destroyed && departure !== 'half') tunnelled(socket, random);
    if (departure === 'stops') socket.pause();
  });
  if (departure !== 'stops') socket.resume();
  // Whoever is still there then leaves.
  const end = sleep(20 + random.float() * 80).then(() => socket.destroy());
  await closed;
  await end;
}

it(`${rounds} exchanges that fail on either side leave no request, socket or tunnel, and the gateway serves on`, {
  timeout: 60 * 60_000,
}, async () => {
  const backends = [await startFailingApp(), await startFailingApp()];
  const metrics = createMetrics();
  const { port } = await startGateway([{ host: 'acme.test', backends: [...backends, await deadAddress()] }], {
    metrics,
    gatewayMetrics: gatewayMetrics(metrics),
    timeouts: { headMs: 40, bodyIdleMs: 40, firstByteMs: 40, streamIdleMs: 40, keepAliveMs: 40, upstreamKeepAliveMs: 40, lingerMs: 20 },
  });
  // What is there is counted.
  const open = connect({ port, host: '127.0.0.1' });
  await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 1);
  expect(queryObjects(ClientConnection, { format: 'count' })).toBe(1);
  open.destroy();
  await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
  const seed = seedOfRun();
  const random = seededRandom(seed);
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const timersBefore = timers();
  const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCPSocket')).length;
  const before = sockets();
  let left = rounds;
  const client = async (): Promise<void> => {
    while (left-- > 0) await exchange(port, random);
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  const counted = async () => ({
    seed,
    inflight: await metricValue(metrics, 'burgage_gateway_requests_in_flight'),
    tunnels: await metricValue(metrics, 'burgage_gateway_tunnels'),
    backlog: await metricValue(metrics, 'burgage_gateway_backlog_bytes'),
    connections: await metricValue(metrics, 'burgage_gateway_client_connections'),
    sockets: sockets() - before,
    // The one that waits here, and what the runtime has of its own, come and go.
    timers: Math.max(0, timers() - timersBefore - 1),
  });
  const nothing = { seed, inflight: 0, tunnels: 0, backlog: 0, connections: 0, sockets: 0, timers: 0 };
  const settled = async () => {
    let found = await counted();
    for (let look = 0; look < 200 && JSON.stringify(found) !== JSON.stringify(nothing); look++) {
      await sleep(25);
      found = await counted();
    }
    return found;
  };
  expect(await settled()).toEqual(nothing);
  // Both endpoints may have been put out for their failures: the gateway says so, or serves.
  let answer = '';
  const last = connect({ port, host: '127.0.0.1' }, () =>
    last.write('GET /whole HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n'),
  );
  last.setEncoding('latin1').on('data', (text) => {
    answer += text;
  });
  await eventually(() => last.closed);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*whole$/);
  expect(await settled()).toEqual(nothing);
  // Counted in the heap: what is not there cannot be held by anything.
  const parts = { ClientConnection, Relay, UpstreamConnection, Tunnel, Exchange };
  const inHeap = Object.entries(parts).map(([name, part]) => [name, queryObjects(part, { format: 'count' })]);
  expect(Object.fromEntries(inHeap)).toEqual(Object.fromEntries(Object.keys(parts).map((name) => [name, 0])));
});
