// Every contestant has on what its file says that it has, and not what it says that it has not.
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { contextHeader } from '@burgage/app-kit';
import { describeWithLab, type RunningServer } from '@burgage/lab';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startEchoApp } from '../apps/echo-app.ts';
import { messages } from '../load/messages.ts';
import { streams } from '../load/streams.ts';
import { makeTlsPair } from '../tls-pair.ts';
import { highLimits, hostName, type Limits, tenantId, type World } from '../world.ts';
import { burgage } from './burgage.ts';
import { caddy } from './caddy.ts';
import { accessLog, type Contestant } from './contestant.ts';
import { haproxy } from './haproxy.ts';
import { nginx, nginxDefaults } from './nginx.ts';
import { nodeNet } from './node-net.ts';

const loopback = '127.0.0.1';

interface Answer {
  readonly status: number;
  readonly requestId: string | undefined;
  readonly body: string;
}

/** Has an answer only when `release` is called, where the path is /slow; else answers with the head that it got, as JSON. */
class App {
  readonly #server: Server;
  #held: (() => void)[] = [];
  /** That it has been given. */
  connections = 0;

  constructor() {
    this.#server = createServer((incoming, outgoing) => {
      const answer = (): void => void outgoing.end(JSON.stringify(incoming.headers));
      if (incoming.url === '/slow') this.#held.push(answer);
      else incoming.resume().on('end', answer);
    }).listen(0, loopback);
    this.#server.on('connection', () => (this.connections += 1));
  }

  async address(): Promise<string> {
    if (!this.#server.listening) await once(this.#server, 'listening');
    return `${loopback}:${(this.#server.address() as AddressInfo).port}`;
  }

  get held(): number {
    return this.#held.length;
  }

  release(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  async close(): Promise<void> {
    this.#server.close().closeAllConnections();
    if (this.#server.listening) await once(this.#server, 'close');
  }
}

function ask({ port }: RunningServer, host: string, path = '/', body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host, 'content-length': String(body.length), 'x-forwarded-for': '192.0.2.1' };
    const outgoing = request({ host: loopback, port, path, method: body === '' ? 'GET' : 'POST', headers, agent: false });
    outgoing.on('error', reject);
    outgoing.on('response', async (incoming: IncomingMessage) => {
      const text = Buffer.concat(await incoming.toArray()).toString();
      const id = incoming.headers['x-request-id'];
      resolve({ status: incoming.statusCode ?? 0, requestId: typeof id === 'string' ? id : undefined, body: text });
    });
    outgoing.end(body);
  });
}

describeWithLab('the contestants', ['nginx', 'haproxy', 'caddy', 'h2load'], () => {
  let folder: string;
  let app: App;
  let logServer: ReturnType<typeof createTcpServer>;
  let logged: string;
  let closing: AsyncDisposableStack;

  beforeEach(async () => {
    closing = new AsyncDisposableStack();
    folder = await mkdtemp(join(tmpdir(), 'burgage-bench-'));
    closing.defer(() => rm(folder, { recursive: true, force: true }));
    app = new App();
    closing.defer(() => app.close());
    logged = '';
    logServer = createTcpServer((socket) => socket.on('data', (bytes) => (logged += bytes)).on('error', () => socket.destroy()));
    logServer.listen(0, loopback);
    await once(logServer, 'listening');
    closing.defer(() => void logServer.close());
  });
  afterEach(() => closing.disposeAsync());

  async function start(contestant: Contestant, changes: Partial<World> = {}): Promise<RunningServer> {
    const backend = changes.backend ?? (await app.address());
    const logAddress = `${loopback}:${(logServer.address() as AddressInfo).port}`;
    const world = {
      hosts: 10,
      limits: highLimits,
      tenantContexts: false,
      tls: undefined,
      folder,
      logServer: logAddress,
      ...changes,
      backend,
    };
    return closing.use(await contestant.start(world));
  }

  describe.each([burgage, nginx, nginxDefaults, haproxy, caddy])('$name', (contestant) => {
    const hasTenants = contestant !== caddy;

    test('sends the requests of its hosts to the app, with who asked, for which host, and an id that the answer has too', async () => {
      const server = await start(contestant);
      for (const number of [0, 9]) {
        const { status, requestId, body } = await ask(server, hostName(number));
        const head = JSON.parse(body);
        expect({ status, host: head.host, from: head['x-forwarded-host'], proto: head['x-forwarded-proto'] }).toEqual({
          status: 200,
          host: hostName(number),
          from: hostName(number),
          proto: 'http',
        });
        // What a client says of itself is nobody's business.
        expect(head['x-forwarded-for']).toBe(loopback);
        expect(requestId).toMatch(/^[\w-]{16,}$/);
        expect(head['x-request-id']).toBe(requestId);
      }
      expect((await ask(server, hostName(10))).status).toBe(404);
    });

    test('keeps its connections to the app', async () => {
      const server = await start(contestant);
      for (let count = 0; count < 5; count++) await ask(server, hostName(count));
      expect(app.connections).toBe(1);
    });

    test('refuses a body that is too large', async () => {
      const server = await start(contestant, { limits: { ...highLimits, bodyBytesMax: 1_000 } });
      expect((await ask(server, hostName(0), '/', 'x'.repeat(1_000))).status).toBe(200);
      expect((await ask(server, hostName(0), '/', 'x'.repeat(1_001))).status).toBe(413);
    });

    test('logs each request as a line of JSON', async () => {
      const server = await start(contestant);
      const { requestId } = await ask(server, hostName(7), '/logged');
      const file = join(server.folder, accessLog);
      const lines = async () => (contestant === haproxy ? logged : await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
      const find = async () => (await lines()).find((line) => line.includes('/logged'));
      await expect.poll(find, { timeout: 10_000 }).toBeDefined();
      const line = (await find()) ?? '';
      expect(() => JSON.parse(line)).not.toThrow();
      expect(line).toContain(hostName(7));
      if (!hasTenants) return;
      expect(line).toContain(tenantId(7));
      expect(line).toContain(requestId);
    });

    /** How one tenant with such limits is answered when it asks ten times at once, and another then. */
    async function crowd(limits: Partial<Limits>): Promise<{ readonly refused: number; readonly other: number }> {
      const server = await start(contestant, { limits: { ...highLimits, ...limits } });
      const asked = Array.from({ length: 10 }, () => ask(server, hostName(0), '/slow'));
      const answered = Promise.all(asked);
      const other = ask(server, hostName(1), '/slow');
      const settled: number[] = [];
      for (const one of asked) one.then(({ status }) => settled.push(status));
      // Each is refused or with the app before any is answered.
      await expect.poll(() => app.held + settled.length, { timeout: 10_000 }).toBe(11);
      app.release();
      return { refused: (await answered).filter(({ status }) => status === 429).length, other: (await other).status };
    }

    if (hasTenants) {
      test('refuses what a tenant asks beyond its concurrency, and nothing of another', async () => {
        expect(await crowd({ concurrency: 3 })).toEqual({ refused: 7, other: 200 });
      });

      test('refuses what a tenant asks beyond its rate, and nothing of another', async () => {
        const { refused, other } = await crowd({ requestsPerSecond: 1 });
        expect(refused).toBeGreaterThan(0);
        expect(other).toBe(200);
      });
    }

    test('serves TLS 1.3 with HTTP/1.1 and HTTP/2, and tells the app that it was secure', async () => {
      const server = await start(contestant, { tls: await makeTlsPair(folder) });
      const socket = connectTls({ port: server.port, host: loopback, rejectUnauthorized: false });
      closing.defer(() => void socket.destroy());
      await once(socket, 'secureConnect');
      expect(socket.getProtocol()).toBe('TLSv1.3');
      socket.write(`GET / HTTP/1.1\r\nHost: ${hostName(3)}\r\nConnection: close\r\n\r\n`);
      let answer = '';
      for await (const piece of socket) answer += piece;
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(answer).toContain('"x-forwarded-proto":"https"');
      const { count, failures } = await streams(2, 2).send({ host: server.host, port: server.port, secure: true, hosts: 10 }, 1);
      expect(count).toBeGreaterThan(0);
      expect(failures).toEqual([]);
    });

    test('carries WebSocket messages both ways', async () => {
      const echo = closing.use(await startEchoApp());
      const server = await start(contestant, { backend: `${echo.host}:${echo.port}` });
      const { count, failures } = await messages().send({ host: server.host, port: server.port, hosts: 10 }, 1);
      expect(count).toBeGreaterThan(0);
      expect(failures).toEqual([]);
    });
  });

  test('node:net by itself carries WebSocket messages both ways, and nothing else', async () => {
    const echo = closing.use(await startEchoApp());
    const server = await start(nodeNet, { backend: `${echo.host}:${echo.port}` });
    const { count, failures } = await messages().send({ host: server.host, port: server.port, hosts: 10 }, 1);
    expect(count).toBeGreaterThan(0);
    expect(failures).toEqual([]);
    expect((await ask(server, hostName(0))).status).toBe(404);
  });

  test('ours tells the app its tenant by a signed token, where it is to', async () => {
    const contextOf = async (server: RunningServer): Promise<unknown> =>
      JSON.parse((await ask(server, hostName(0))).body)[contextHeader.toLowerCase()];
    expect(await contextOf(await start(burgage, { tenantContexts: true }))).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(await contextOf(await start(burgage))).toBeUndefined();
  });
});
