// A gateway of two workers: one gateway to whoever looks at it, and what one of them loses is its own.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { Worker } from 'node:worker_threads';
import { type Clock, createMetrics, systemClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import type { Explanation } from '../service.ts';
import { acme, makeCertificates } from '../testing/certificates.ts';
import {
  eventually,
  metricValue,
  RawClient,
  type RouteLine,
  type StartedGateway,
  sendRaw,
  startApp,
  startGateway,
  startTcp,
  temporaryFolder,
} from '../testing/fixture.ts';
import { routeOf, TestRegistry, upstreamOf } from '../testing/registry.ts';
import { startService, token } from '../testing/service.ts';
import { standStill } from '../testing/standing-still.ts';
import type { Workers } from './worker-pool.ts';

const admin = { headers: { authorization: `Bearer ${token}` } };
const log = { service: 'test', level: 'silent' } as const;

type Started = StartedGateway & { readonly threads: Worker[] };

async function startWorkers(
  lines: readonly RouteLine[],
  options: Partial<Workers> & Parameters<typeof startGateway>[1] = {},
): Promise<Started> {
  const { stuckMs = 10_000, count = 2, execArgv, ...rest } = options;
  const threads: Worker[] = [];
  const workers: Workers = { count, log, stuckMs, ...(execArgv && { execArgv }), onThread: (thread) => threads.push(thread) };
  return { ...(await startGateway(lines, { workers, internalToken: token, ...rest })), threads };
}

const get = (host: string, path = '/') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

/** Open connections until each worker has some: `perWorker` at least. */
async function connectToAll({ port, metrics }: Pick<Started, 'port' | 'metrics'>, perWorker = 1): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  const fewest = async () => Math.min(...(await Promise.all(['0', '1'].map((worker) => metricOf(metrics, worker)))));
  do {
    for (let more = 0; more < 8; more++) clients.push(await RawClient.connect(port));
    const before = clients.length;
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) >= before);
  } while ((await fewest()) < perWorker);
  return clients;
}

const metricOf = (metrics: Started['metrics'], worker: string) => metricValue(metrics, 'burgage_gateway_worker_connections', { worker });

describe('a gateway of two workers', () => {
  it('serves on both, and its metrics are their sum', async () => {
    const app = await startApp((_, response) => response.end('hello'));
    const gateway = await startWorkers([{ host: 'acme.test', backends: [app.address] }]);
    const clients = await connectToAll(gateway);
    for (const client of clients) expect(await client.send(get('acme.test')).untilText('hello')).toMatch(/^HTTP\/1\.1 200 /);
    const requests = () => metricValue(gateway.metrics, 'burgage_gateway_requests_total', { tenant: 'ten_acme.test', status: '2xx' });
    await eventually(async () => (await requests()) === clients.length);
    expect(await sendRaw(gateway.port, `GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 404 /);
    await eventually(async () => (await metricValue(gateway.metrics, 'burgage_gateway_refusals_total', { code: 'host_unknown' })) === 1);
    const text = await (await fetch(`${gateway.admin}/metrics`)).text();
    expect(text).toContain(`burgage_gateway_request_duration_seconds_count{tenant="ten_acme.test"} ${clients.length}\n`);
    expect(text).toContain('burgage_gateway_workers 2\n');
  });

  it('lets no more in flight than the limit, whoever they came to, and says how many there are', async () => {
    const waiting: (() => void)[] = [];
    const app = await startApp((_, response) => waiting.push(() => response.end('done')));
    const limits = { concurrency: 5 };
    const gateway = await startWorkers([{ host: 'acme.test', backends: [app.address], limits }]);
    const clients = await connectToAll(gateway, 3);
    for (const client of clients) client.send(get('acme.test'));
    const refused = () => clients.filter(({ received }) => received.includes('concurrency_limited')).length;
    await eventually(() => refused() === clients.length - 5 && waiting.length === 5);
    const explained = (await (await fetch(`${gateway.admin}/explain?url=http://acme.test/`, admin)).json()) as Explanation;
    expect(explained.tenant?.inflight).toBe(5);
    expect(explained.answer.code).toBe('concurrency_limited');
    for (const answer of waiting) answer();
    await eventually(() => clients.filter(({ received }) => received.includes('done')).length === 5);
    const again = clients[0] as RawClient;
    again.received = '';
    again.send(get('acme.test'));
    await eventually(() => waiting.length === 6);
    waiting[5]?.();
    await again.untilText('done');
  });

  it('lets through at a rate what one would, under load from both', async () => {
    const app = await startApp((_, response) => response.end('yes!'));
    const gateway = await startWorkers([{ host: 'acme.test', backends: [app.address], limits: { requestsPerSecond: 50 } }]);
    const clients = await connectToAll(gateway, 3);
    const beganMs = performance.now();
    let [passed, refused] = [0, 0];
    await Promise.all(
      clients.map(async (client) => {
        for (let request = 0; request < 20; request++) {
          client.received = '';
          const answer = await client.send(get('acme.test')).until(({ received }) => /yes!|rate_limited/.test(received));
          if (answer.includes('yes!')) passed += 1;
          else refused += 1;
        }
      }),
    );
    const seconds = (performance.now() - beganMs) / 1000;
    expect(refused).toBeGreaterThan(0);
    expect(passed).toBeGreaterThanOrEqual(50);
    expect(passed).toBeLessThanOrEqual(50 + 50 * seconds);
  });

  it('loses with a worker only what that had, gives its places back, and begins another', async () => {
    const app = await startTcp((socket) => socket.on('data', () => {}));
    const gateway = await startWorkers([{ host: 'acme.test', backends: [app.address], limits: { concurrency: 1_000 } }]);
    const clients = await connectToAll(gateway, 2);
    for (const client of clients) client.send(get('acme.test'));
    const inflight = async () => {
      const explained = await (await fetch(`${gateway.admin}/explain?url=http://acme.test/`, admin)).json();
      return (explained as Explanation).tenant?.inflight;
    };
    await eventually(async () => (await inflight()) === clients.length);
    const counted = await metricOf(gateway.metrics, '0');
    await gateway.threads[0]?.terminate();
    await eventually(() => clients.filter(({ ended, closed }) => ended || closed).length === counted);
    await eventually(async () => (await inflight()) === clients.length - counted);
    await eventually(() => gateway.threads.length === 3);
    await eventually(async () => (await metricValue(gateway.metrics, 'burgage_gateway_workers')) === 2);
    expect(await metricValue(gateway.metrics, 'burgage_gateway_workers_replaced_total')).toBe(1);
    // Those of the other one are as they were, and so is the way to both.
    expect(clients.filter(({ ended, closed }) => !ended && !closed)).toHaveLength(clients.length - counted);
    await connectToAll(gateway);
  });

  it('replaces a worker that does not turn its loop, and serves on meanwhile', async () => {
    const app = await startApp((_, response) => response.end('hello'));
    const preload = new URL('../testing/standing-still.ts', import.meta.url).href;
    const lines = [{ host: 'acme.test', backends: [app.address] }];
    const gateway = await startWorkers(lines, { stuckMs: 1_500, execArgv: ['--import', preload] });
    const clients = await connectToAll(gateway);
    const lost = await metricOf(gateway.metrics, '1');
    gateway.threads[1]?.postMessage(standStill);
    for (const client of clients) client.send(get('acme.test'));
    await eventually(() => clients.filter(({ received }) => received.endsWith('hello')).length === clients.length - lost);
    await eventually(() => clients.filter(({ ended, closed }) => ended || closed).length === lost);
    await eventually(async () => gateway.threads.length === 3 && (await metricValue(gateway.metrics, 'burgage_gateway_workers')) === 2);
    await connectToAll(gateway);
  });

  it('has an access log of whole lines, one for each request', async () => {
    const app = await startApp((_, response) => response.end('hello'));
    const accessLog = join(await temporaryFolder(), 'access.log');
    const gateway = await startWorkers([{ host: 'acme.test', backends: [app.address] }], { accessLog });
    const clients = await connectToAll(gateway);
    for (const [index, client] of clients.entries()) await client.send(get('acme.test', `/${index}`)).untilText('hello');
    await gateway.gateway.stop();
    const paths = (await readFile(accessLog, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).path);
    expect(paths.toSorted()).toEqual(clients.map((_, index) => `/${index}`).toSorted());
  });

  it('shows by its tap what each of them answers', async () => {
    const app = await startApp((_, response) => response.end('hello'));
    const gateway = await startWorkers([{ host: 'acme.test', backends: [app.address] }]);
    const clients = await connectToAll(gateway);
    const leaving = new AbortController();
    const tap = await fetch(`${gateway.admin}/tap?host=acme.test`, { ...admin, signal: leaving.signal });
    const reader = (tap.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    for (const [index, client] of clients.entries()) await client.send(get('acme.test', `/${index}`)).untilText('hello');
    let seen = '';
    while (seen.trim().split('\n').length < clients.length)
      seen += new TextDecoder().decode((await reader.read()).value).replace(/^\n/, '');
    leaving.abort();
    expect(seen).toContain('"path":"/0"');
  });

  it('resumes at one a session of TLS that began at the other', async () => {
    const certificates = await makeCertificates();
    await certificates.put(acme);
    const app = await startApp((_, response) => response.end('hello'));
    const lines = [{ host: acme, backends: [app.address] }];
    const { httpsPort, metrics } = await startWorkers(lines, { httpsPort: 0, certificates: certificates.folder });
    const options: ConnectionOptions = { servername: acme, ca: certificates.ca, minVersion: 'TLSv1.3' };
    const first = await RawClient.secure(httpsPort, options);
    const [session] = (await once(first.send(get(acme)).socket, 'session')) as [Buffer];
    const clients = await Promise.all(Array.from({ length: 24 }, () => RawClient.secure(httpsPort, { ...options, session })));
    expect(clients.map(({ socket }) => (socket as TLSSocket).isSessionReused())).toEqual(clients.map(() => true));
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 25);
    expect(await metricOf(metrics, '0')).toBeGreaterThan(0);
    expect(await metricOf(metrics, '1')).toBeGreaterThan(0);
    for (const client of clients) expect(await client.send(get(acme)).untilText('hello')).toContain(' 200 ');
  });

  it('drains all: answers what is in flight, closes what is idle, and takes nothing new', async () => {
    const waiting: (() => void)[] = [];
    const app = await startApp((_, response) => waiting.push(() => response.end('done')));
    const gateway = await startWorkers([{ host: 'acme.test', backends: [app.address] }]);
    const [first, ...others] = await connectToAll(gateway);
    first?.send(get('acme.test'));
    await eventually(() => waiting.length === 1);
    const drained = gateway.gateway.drain();
    await eventually(() => others.every(({ ended }) => ended));
    waiting[0]?.();
    expect(await first?.all()).toMatch(/connection: close[\s\S]*done/i);
    await drained;
    const refused = connect(gateway.port, '127.0.0.1');
    await once(refused, 'error');
  });

  it('stops without a turn in circles while somebody waits for what they have counted', async () => {
    let looks = 0;
    const clock: Clock = {
      now: () => systemClock.now(),
      sleep: (ms, signal) => systemClock.sleep(ms, signal),
      monotonicMs: () => {
        looks += 1;
        return systemClock.monotonicMs();
      },
    };
    const { gateway, metrics } = await startWorkers([], { clock });
    const before = looks;
    const asked = metricValue(metrics, 'burgage_gateway_requests_in_flight');
    await Promise.all([gateway.stop(), asked]);
    expect(looks - before).toBeLessThan(1_000);
  });
});

describe('two workers beside a registry', () => {
  async function startTwo(registry: TestRegistry) {
    const metrics = createMetrics();
    const started = await startService(registry, { metrics, workers: { count: 2, log } });
    await eventually(async () => (await started.status()).inSync);
    return { ...started, metrics };
  }

  it('answer by every change that was acknowledged, both at once', async () => {
    const app = await startApp((_, response) => response.end('hello'));
    const registry = new TestRegistry(await temporaryFolder());
    registry.append(upstreamOf(app.address), ...routeOf('acme.test'));
    await registry.start();
    const gateway = await startTwo(registry);
    const clients = await connectToAll(gateway);
    for (let version = 2; version < 12; version++) {
      const [tenant, host] = routeOf('acme.test', { version });
      if (tenant?.entity?.kind !== 'tenant' || host === undefined) throw new Error('no tenant');
      const isHeld = version % 2 === 0;
      registry.append({ ...tenant, entity: { ...tenant.entity, holds: isHeld ? ['operator'] : [] } }, host);
      const revision = registry.journal.length;
      await eventually(() => registry.acks.at(-1)?.revision === revision);
      for (const client of clients) client.received = '';
      const answers = await Promise.all(
        clients.map((client) => client.send(get('acme.test')).until(({ received }) => /hello|tenant_suspended/.test(received))),
      );
      expect(new Set(answers.map((answer) => answer.includes('tenant_suspended')))).toEqual(new Set([isHeld]));
    }
    expect(await clients[0]?.send(get('later.test')).untilText('host_unknown')).toContain('404');
    registry.append(...routeOf('later.test'));
    const revision = registry.journal.length;
    await eventually(() => registry.acks.at(-1)?.revision === revision);
    for (const client of clients.slice(1))
      expect(await client.send(get('later.test')).until(({ received }) => /hello$/.test(received))).toContain(' 200 ');
  });

  it('ask the registry about a host that they do not know while it is ahead of them', async () => {
    const app = await startApp((_, response) => response.end('hello'));
    const registry = new TestRegistry(await temporaryFolder());
    registry.append(upstreamOf(app.address), ...routeOf('acme.test'));
    await registry.start();
    const gateway = await startTwo(registry);
    registry.headAhead = 1;
    await eventually(async () => !(await gateway.status()).inSync);
    const asks = async () => sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n');
    expect(await asks()).toMatch(/^HTTP\/1\.1 404 /);
    expect(registry.resolved).toEqual(['nobody.test']);
  });

  it('take a new snapshot over whole, and acknowledge it when both have', async () => {
    const app = await startApp((_, response) => response.end('hello'));
    const registry = new TestRegistry(await temporaryFolder());
    const many = Array.from({ length: 3_000 }, (_, index) => routeOf(`t${index}.test`)).flat();
    registry.append(upstreamOf(app.address), ...many);
    await registry.start();
    const gateway = await startTwo(registry);
    const clients = await connectToAll(gateway);
    await registry.stop();
    registry.epoch = '2.e';
    registry.append(...routeOf('later.test'));
    await registry.start();
    const revision = registry.journal.length;
    await eventually(() => registry.acks.at(-1)?.epoch === '2.e' && registry.acks.at(-1)?.revision === revision);
    for (const client of clients) expect(await client.send(get('later.test')).untilText('hello')).toContain(' 200 ');
    for (const client of clients) {
      client.received = '';
      expect(await client.send(get('t2999.test')).untilText('hello')).toContain(' 200 ');
    }
  });
});
