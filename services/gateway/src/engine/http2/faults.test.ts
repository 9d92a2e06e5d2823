// Endpoints, streams and connections of HTTP/2 that fail at every stage, many at once: nothing of them is left.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { queryObjects } from 'node:v8';
import { createMetrics, type Random, seededRandom } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { Exchange } from '../../domain/exchange.ts';
import { gatewayMetrics } from '../../metrics.ts';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { failingAnswers, startFailingApp } from '../../testing/failing-app.ts';
import { eventually, metricValue, seedOfRun, startGateway } from '../../testing/fixture.ts';
import { Relay } from '../http1/relay.ts';
import { UpstreamConnection } from '../http1/upstream-connection.ts';
import { Http2Connection } from './http2-connection.ts';
import { StreamClient } from './stream-client.ts';

const names = Object.keys(failingAnswers);
/** What a client does with a stream, and what with its connection once it has some. */
const streamDepartures = ['reads', 'half', 'resets', 'resetsSoon', 'stops'] as const;
const sessionDepartures = ['waits', 'waits', 'destroys', 'closes', 'cuts'] as const;

const rounds = Number(process.env.BURGAGE_FAULT_ROUNDS ?? 3_000);
const streamsPerSession = 10;
const atOnce = 8;

function request(session: ClientHttp2Session, pick: <T>(items: readonly T[]) => T, random: Random): ClientHttp2Stream {
  const departure = pick(streamDepartures);
  const hasBody = random.float() < 0.5;
  const headers = { ':path': `/${pick(names)}`, ':method': hasBody ? 'POST' : 'GET', ':authority': acme };
  const stream = session.request(headers, { endStream: !hasBody });
  stream.on('error', () => {});
  if (hasBody) stream.write('b'.repeat(Math.floor(random.float() * 3_000)));
  if (hasBody && departure !== 'half') stream.end();
  if (departure === 'resets') stream.destroy(new Error('reset'));
  if (departure === 'resetsSoon' || departure === 'half') setTimeout(() => stream.destroy(new Error('reset')), random.float() * 5);
  if (departure !== 'stops') stream.resume();
  return stream;
}

async function converse(port: number, ca: string, random: Random): Promise<void> {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.float() * items.length)] as T;
  // Its own, to cut it: a session that is destroyed may wait for what it writes for ever where the other side is gone.
  const socket = connectTls({ host: '127.0.0.1', port, servername: acme, ca, ALPNProtocols: ['h2'] });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const session = connect(`https://${acme}`, { createConnection: () => socket });
  session.on('error', () => {});
  await Promise.race([closed, new Promise<void>((resolve) => session.once('connect', () => resolve()))]);
  for (let index = 0; index < streamsPerSession && !session.closed && !session.destroyed; index++) {
    request(session, pick, random);
    if (random.float() < 0.3) await sleep(random.float() * 3);
  }
  const departure = pick(sessionDepartures);
  if (departure === 'destroys') session.destroy();
  if (departure === 'closes') session.close();
  if (departure === 'cuts') socket.destroy();
  // Whoever is still there then leaves.
  await sleep(20 + random.float() * 80);
  session.destroy();
  socket.destroy();
  await closed;
}

it(`${rounds} streams that fail on either side leave no request, stream or socket, and the gateway serves on`, {
  timeout: 60 * 60_000,
}, async () => {
  const certificates = await makeCertificates();
  await certificates.put(acme);
  const metrics = createMetrics();
  const { httpsPort } = await startGateway([{ host: acme, backends: [await startFailingApp(), await startFailingApp()] }], {
    httpsPort: 0,
    certificates: certificates.folder,
    metrics,
    gatewayMetrics: gatewayMetrics(metrics),
    timeouts: { headMs: 1_000, bodyIdleMs: 40, firstByteMs: 40, streamIdleMs: 40, keepAliveMs: 40, upstreamKeepAliveMs: 40, lingerMs: 20 },
  });
  const seed = seedOfRun();
  const random = seededRandom(seed);
  const sockets = () => process.getActiveResourcesInfo().filter((kind) => /^(?:TCPSocket|TLS|HTTP2)/.test(kind)).length;
  const before = sockets();
  let left = rounds;
  const client = async (): Promise<void> => {
    for (; left > 0; left -= streamsPerSession) await converse(httpsPort, certificates.ca, random);
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  const counted = async () => ({
    seed,
    inflight: await metricValue(metrics, 'burgage_gateway_requests_in_flight'),
    backlog: await metricValue(metrics, 'burgage_gateway_backlog_bytes'),
    connections: await metricValue(metrics, 'burgage_gateway_client_connections'),
    sockets: sockets() - before,
  });
  const nothing = { seed, inflight: 0, backlog: 0, connections: 0, sockets: 0 };
  const settled = async () => {
    let found = await counted();
    for (let look = 0; look < 400 && JSON.stringify(found) !== JSON.stringify(nothing); look++) {
      await sleep(25);
      found = await counted();
    }
    return found;
  };
  expect(await settled()).toEqual(nothing);
  const session = connect(`https://${acme}`, { host: '127.0.0.1', port: httpsPort, servername: acme, ca: certificates.ca });
  session.on('error', () => {});
  let body = '';
  session.request({ ':path': '/whole', ':authority': acme }).on('data', (bytes) => (body += bytes));
  await eventually(() => body === 'whole');
  session.destroy();
  expect(await settled()).toEqual(nothing);
  // Counted in the heap: what is not there cannot be held by anything.
  const parts = { Http2Connection, StreamClient, Relay, UpstreamConnection, Exchange };
  const inHeap = Object.entries(parts).map(([name, part]) => [name, queryObjects(part, { format: 'count' })]);
  expect(Object.fromEntries(inHeap)).toEqual(Object.fromEntries(Object.keys(parts).map((name) => [name, 0])));
});
