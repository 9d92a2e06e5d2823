// What one client on one connection, or one app, cannot do to the others.
import type { Socket } from 'node:net';
import { createMetrics } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { gatewayMetrics } from '../../metrics.ts';
import {
  describeEngines,
  eventually,
  metricValue,
  RawClient,
  type StartedGateway,
  sendRaw,
  startApp,
  startGateway,
  startTcp,
} from '../../testing/fixture.ts';

describeEngines((engine, workers) => {
  /** What is of one connection alone is the same in each worker. */
  const isOne = workers === undefined;

  const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: acme.test\r\n${more}\r\n`;
  const last = 'Connection: close\r\n';
  const upgrade = 'Connection: upgrade\r\nUpgrade: x\r\n';
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';

  /** An app that notes when each request begins and ends, and answers `/slow` when it is told to. */
  async function startNoting(): Promise<StartedGateway & { seen: string[]; answerSlow: () => void }> {
    const seen: string[] = [];
    const waiting: (() => void)[] = [];
    const app = await startApp((request, response) => {
      seen.push(`begin ${request.url}`);
      const answer = () => {
        seen.push(`end ${request.url}`);
        response.end(`answer to ${request.url}`);
      };
      if (request.url === '/slow') waiting.push(answer);
      else answer();
    });
    const started = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
    return { ...started, seen, answerSlow: () => waiting.shift()?.() };
  }

  async function allGone({ metrics }: StartedGateway): Promise<void> {
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 0);
    await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
  }

  describe('the requests of one connection', () => {
    it.each([
      ['an upgrade', get('/', upgrade)],
      ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'],
      ['CONNECT with a body', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\n'],
    ])('leave the gateway alive with %s behind one that is not answered yet', async (_, second) => {
      const started = await startNoting();
      const client = await RawClient.connect(started.port);
      client.send(get('/slow') + second);
      await eventually(() => started.seen.length === 1);
      expect(await sendRaw(started.port, get('/', last))).toMatch(/^HTTP\/1\.1 200 /);
      started.answerSlow();
      await client.until(({ received }) => /^HTTP\/1\.1 200 [\s\S]*answer to \/slow[\s\S]*HTTP\/1\.1 (?:200|400) /.test(received));
      client.socket.destroy();
      await allGone(started);
    });

    it('end with CONNECT, whatever body it announces', async () => {
      const { port } = await startNoting();
      const client = await RawClient.connect(port);
      client.send('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\n');
      expect(await client.all()).toMatch(/^HTTP\/1\.1 400 /);
    });

    it('become a tunnel behind a long answer, once that is whole', async () => {
      const size = 4_000_000;
      const app = await startTcp((socket) =>
        socket.on('data', (head) => {
          if (head.toString().includes('upgrade')) socket.write(`${switching}tunnel`);
          else socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`), Buffer.alloc(size, 'a')]));
        }),
      );
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(port);
      client.send(get('/long') + get('/', upgrade));
      const all = await client.untilText('tunnel');
      expect(all.indexOf('HTTP/1.1 101 ')).toBeGreaterThan(size);
    });

    it('are forwarded one after the other', async () => {
      const { port, seen, answerSlow } = await startNoting();
      const client = await RawClient.connect(port);
      client.send(`DELETE /slow HTTP/1.1\r\nHost: acme.test\r\n\r\n${get('/2')}${get('/3', last)}`);
      await eventually(() => seen.length === 1);
      answerSlow();
      const answer = await client.all();
      expect(seen).toEqual(['begin /slow', 'end /slow', 'begin /2', 'end /2', 'begin /3', 'end /3']);
      expect(answer).toMatch(/answer to \/slow[\s\S]*answer to \/2[\s\S]*answer to \/3/);
    });

    if (engine === 'oracle')
      it('are taken up to a bound, and then the connection is closed', async () => {
        const started = await startNoting();
        const { port, seen, answerSlow } = started;
        const client = await RawClient.connect(port);
        client.send(get('/slow') + get('/x').repeat(1_000));
        await eventually(() => seen.length === 1);
        answerSlow();
        const answer = await client.all();
        expect(answer.match(/HTTP\/1\.1 200 /g)).toHaveLength(33);
        expect(answer.match(/^connection: close\r$/gim)).toHaveLength(1);
        expect(seen).toHaveLength(66);
        client.socket.destroy();
        await allGone(started);
      });

    if (engine === 'http1')
      it('are taken as they are answered, however many come at once', async () => {
        const { port, seen, answerSlow } = await startNoting();
        const client = await RawClient.connect(port);
        client.send(get('/slow') + get('/x').repeat(5_000) + get('/last', last));
        await eventually(() => seen.length === 1);
        answerSlow();
        const answer = await client.all();
        expect(answer.match(/HTTP\/1\.1 200 /g)).toHaveLength(5_002);
        expect(answer).toMatch(/answer to \/last$/);
      });

    it('are dropped with a client that goes away', async () => {
      const started = await startNoting();
      const client = await RawClient.connect(started.port);
      client.send(get('/slow') + get('/never'));
      await eventually(() => started.seen.length === 1);
      client.socket.resetAndDestroy();
      await allGone(started);
      expect(started.seen).toEqual(['begin /slow']);
    });
  });

  if (isOne)
    describe('what follows a refused head', () => {
      it.each([
        [
          'Transfer-Encoding with HTTP/1.0',
          'POST / HTTP/1.0\r\nHost: acme.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        ],
        ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
        ['two Hosts', 'GET / HTTP/1.1\r\nHost: acme.test\r\nHost: acme.test\r\n\r\n'],
        ['a coding before chunked', 'POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
        ['too many lines', get('/', 'X: 1\r\n'.repeat(100))],
        ['an unknown expectation', 'GET / HTTP/1.1\r\nHost: acme.test\r\nExpect: a-miracle\r\n\r\n'],
      ])('is never forwarded, with a connection to the app at hand: %s', async (_, refused) => {
        const { port, seen } = await startNoting();
        await sendRaw(port, get('/warm', last));
        expect(await sendRaw(port, refused + get('/smuggled'))).toMatch(/^HTTP\/1\.1 [45]/);
        expect((await sendRaw(port, get('/slow-1') + refused + get('/smuggled'))).match(/HTTP\/1\.1 /g)).toHaveLength(2);
        await sendRaw(port, get('/after', last));
        expect(seen.filter((line) => line.startsWith('begin'))).toEqual(['begin /warm', 'begin /slow-1', 'begin /after']);
      });
    });

  describe('a long answer to an upgrade', () => {
    it('is sent whole', async () => {
      const app = await startApp((_, response) => response.end(Buffer.alloc(1_000_000, 'a')));
      const started = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(started.port);
      await client.send(get('/', upgrade)).until(({ received }) => received.length > 1_000_000);
      await eventually(
        async () => (await metricValue(started.metrics, 'burgage_gateway_terminations_total', { reason: 'completed' })) === 1,
      );
    });

    it.each(['ends', 'resets'])('gives its place back when the client %s the connection', async (how) => {
      const app = await startApp((_, response) => response.write(Buffer.alloc(1_000_000)));
      const started = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(started.port);
      client.send(get('/', upgrade));
      await client.until(({ received }) => received.length > 500_000);
      if (how === 'ends') client.socket.destroy();
      else client.socket.resetAndDestroy();
      await allGone(started);
    });

    it('gives its place back when the client leaves before it begins', async () => {
      let asked = false;
      const app = await startTcp((socket) => {
        socket.once('data', () => {
          asked = true;
        });
      });
      const started = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(started.port);
      client.send(get('/', upgrade));
      await eventually(() => asked);
      client.socket.destroy();
      await allGone(started);
    });

    it('gives its place back when the client reads nothing any more', async () => {
      const app = await startApp((_, response) => response.end(Buffer.alloc(50_000_000)));
      const started = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { streamIdleMs: 200 } });
      const client = await RawClient.connect(started.port);
      client.socket.pause();
      client.send(get('/', upgrade));
      await eventually(
        async () => (await metricValue(started.metrics, 'burgage_gateway_terminations_total', { reason: 'client_timeout' })) === 1,
      );
      await allGone(started);
    });
  });

  if (isOne)
    describe('an app', () => {
      const answering = async (head: string) => {
        const app = await startTcp((socket) => socket.once('data', () => socket.end(head, 'utf8')));
        return startGateway([{ host: 'acme.test', backends: [app.address] }]);
      };

      it.each(['a\x01b', 'Größe', ''])('with the reason phrase %j, which cannot be written, is answered for without it', async (phrase) => {
        const started = await answering(`HTTP/1.1 200 ${phrase}\r\nContent-Length: 2\r\n\r\nok`);
        expect(await sendRaw(started.port, get('/', last))).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/);
        await allGone(started);
      });

      it('has the bytes of its head handed on as they are', async () => {
        const { port } = await answering('HTTP/1.1 200 OK\r\nX-Name: Größe\r\nContent-Length: 0\r\n\r\n');
        const answer = Buffer.from(await sendRaw(port, get('/', last)), 'latin1').toString();
        expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:Connection: close\r\n)?X-Name: Größe\r\n/);
      });

      it.each(['gzip', 'gzip, chunked', 'identity'])('that answers with Transfer-Encoding: %s is not believed', async (coding) => {
        const started = await answering(`HTTP/1.1 200 OK\r\nTransfer-Encoding: ${coding}\r\nConnection: close\r\n\r\n0\r\n\r\n`);
        expect(await sendRaw(started.port, get('/', last))).toMatch(/^HTTP\/1\.1 502 [\s\S]*upstream_failed/);
        await allGone(started);
      });

      it('is not reached at the paths of the platform', async () => {
        const { port, seen } = await startNoting();
        for (const path of ['/_burgage/tenants/ten_1', '/%5Fburgage/', '//_burgage', '/a/..%2f_burgage/x'])
          expect(await sendRaw(port, get(path, last))).toMatch(/^HTTP\/1\.1 404 [\s\S]*not_found/);
        expect(seen).toEqual([]);
      });
    });

  // Made by breaking what is counted in this thread.
  if (isOne)
    describe('a fault within the gateway', () => {
      if (engine === 'http1')
        it.each(['client', 'app'])('at the end of a tunnel costs that tunnel, and nothing else: the %s leaves', async (who) => {
          const sockets: Socket[] = [];
          const app = await startTcp((socket) => {
            sockets.push(socket);
            socket.once('end', () => socket.end());
            socket.once('data', () => {
              socket.write(switching);
              socket.on('data', (bytes) => socket.write(bytes));
            });
          });
          const metrics = createMetrics();
          const broken = gatewayMetrics(metrics);
          const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { metrics, gatewayMetrics: broken });
          const [one, other] = [await RawClient.connect(port), await RawClient.connect(port)];
          for (const client of [one, other]) await client.send(get('/', upgrade)).untilText('101');
          const { dec } = broken.tunnels;
          broken.tunnels.dec = () => {
            throw new Error('broken');
          };
          if (who === 'client') one.socket.destroy();
          else sockets[0]?.resetAndDestroy();
          await eventually(() => sockets[0]?.destroyed === true);
          if (who === 'app') await one.all();
          broken.tunnels.dec = dec;
          await other.send('still here').untilText('still here');
          other.socket.destroy();
          await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
        });

      it.each(['inflight', 'cookiesDropped'] as const)('costs the connection that it came on, and nothing else: in %s', async (part) => {
        const app = await startApp((_, response) => response.setHeader('Set-Cookie', 'a=1; Domain=test').end('app'));
        const metrics = createMetrics();
        const broken = gatewayMetrics(metrics);
        const { inc } = broken[part];
        broken[part].inc = () => {
          throw new Error('broken');
        };
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { metrics, gatewayMetrics: broken });
        const other = await RawClient.connect(port);
        expect(await sendRaw(port, get('/'))).toBe('');
        broken[part].inc = inc;
        other.send(get('/', last));
        expect(await other.all()).toMatch(/^HTTP\/1\.1 200 /);
        await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
      });
    });
}, 2);
