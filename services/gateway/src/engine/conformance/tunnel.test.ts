// Upgrades: WebSocket and any other protocol, as raw tunnels.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { ManualClock, systemClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import {
  applyRoutes,
  describeEngines,
  eventually,
  metricValue,
  onTestEnd,
  RawClient,
  type StartedGateway,
  sendRaw,
  startApp,
  startGateway,
  startTcp,
  temporaryFolder,
} from '../../testing/fixture.ts';

describeEngines((engine, workers) => {
  async function startEcho(
    fields: Record<string, unknown> = {},
    options: Parameters<typeof startGateway>[1] = {},
  ): Promise<StartedGateway> {
    const app = await startApp((_, response) => response.end('plain'));
    const sockets = new WebSocketServer({ server: app.server });
    sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
    onTestEnd(async () => sockets.close());
    return startGateway([{ host: 'acme.test', backends: [app.address], ...fields }], options);
  }

  async function openSocket(port: number): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers: { host: 'acme.test' } });
    onTestEnd(async () => socket.terminate());
    await once(socket, 'open');
    return socket;
  }

  const upgrade = 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n';
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';

  describe('a WebSocket through the gateway', () => {
    it('carries messages of any size in both directions', async () => {
      const { port, metrics } = await startEcho();
      const socket = await openSocket(port);
      expect(await metricValue(metrics, 'burgage_gateway_tunnels')).toBe(1);
      expect(await metricValue(metrics, 'burgage_gateway_requests_in_flight')).toBe(0);
      for (const message of ['hello', 'x'.repeat(1_000_000)]) {
        socket.send(message);
        const [data] = await once(socket, 'message');
        expect(String(data) === message).toBe(true);
      }
      socket.close(4000, 'done');
      const [code, reason] = await once(socket, 'close');
      expect([code, String(reason)]).toEqual([4000, 'done']);
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_tunnels')) === 0);
      expect(await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'tunnel_closed' })).toBe(1);
    });

    it('leaves the places for requests free and has a bound of its own', async () => {
      const { port } = await startEcho({ limits: { concurrency: 1 } }, { limits: { tunnelsPerTenantMax: 2 } });
      await openSocket(port);
      await openSocket(port);
      expect(await sendRaw(port, 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
      const third = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers: { host: 'acme.test' } });
      const [, answer] = await once(third, 'unexpected-response');
      expect(answer.statusCode).toBe(429);
    });

    it('is refused as any request is', async () => {
      const { port } = await startEcho({ holds: ['unpaid'] });
      const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers: { host: 'acme.test' } });
      const [, answer] = await once(socket, 'unexpected-response');
      expect(answer.statusCode).toBe(402);
    });
  });

  describe('any other upgrade', () => {
    it('is a raw tunnel: first bytes, both directions, and one direction ends before the other', async () => {
      const heard: string[] = [];
      const app = await startTcp((socket) => {
        let head = '';
        let switched = false;
        socket.setEncoding('latin1');
        socket.on('data', (text: string) => {
          if (switched) {
            heard.push(text);
            return;
          }
          head += text;
          if (!head.includes('\r\n\r\n')) return;
          switched = true;
          heard.push(head.slice(head.indexOf('\r\n\r\n') + 4));
          // First bytes in the same packet as the head.
          socket.write(`${switching}first`);
        });
        socket.on('end', () => socket.end(` last after ${heard.join('')}`));
      });
      const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(port);
      client.send(`${upgrade}\r\nearly`);
      expect(await client.untilText('first')).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n/);
      client.socket.end(' late');
      expect(await client.all()).toMatch(/first last after early late$/);
      client.socket.destroy();
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_tunnels')) === 0);
    });

    it("goes on in the client's direction after the app has ended its own", async () => {
      let heard = '';
      const app = await startTcp((socket) => {
        socket.setEncoding('latin1');
        socket.once('data', () => {
          socket.on('data', (text: string) => {
            heard += text;
          });
          socket.end(switching);
        });
      });
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(port);
      client.send(`${upgrade}\r\n`);
      await client.all();
      client.send('still here');
      await eventually(() => heard === 'still here');
    });

    it('that the app declines is answered as the app answers', async () => {
      const app = await startApp((_, response) => response.writeHead(426, { 'x-why': 'no' }).end('declined'));
      app.server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 426 No\r\nX-Why: no\r\nContent-Length: 8\r\n\r\ndeclined'));
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(port);
      expect(await client.send(`${upgrade}\r\n`).untilText('declined')).toMatch(/^HTTP\/1\.1 426 No\r\nX-Why: no\r\n[\s\S]*declined$/);
    });

    it.each(['h2c', 'websocket, h2c', 'TLS/1.0'])('to %s is ignored: it would hide requests from the gateway', async (protocol) => {
      const { port } = await startEcho();
      const answer = await sendRaw(port, `GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade, close\r\nUpgrade: ${protocol}\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*plain/);
    });

    it('with a body stays an ordinary request', async () => {
      const app = await startApp((request, response) => request.pipe(response));
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const answer = await sendRaw(
        port,
        'POST / HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade, close\r\nUpgrade: echo\r\nContent-Length: 5\r\n\r\nhello',
      );
      expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*hello/);
    });

    it('is logged at its end as what it began as, whatever came meanwhile', async () => {
      const app = await startTcp((socket) =>
        socket.on('data', (head) => {
          socket.write(head.toString().startsWith('GET') ? switching : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        }),
      );
      const accessLog = join(await temporaryFolder(), 'access.log');
      const { port, gateway } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { accessLog });
      const tunnel = await RawClient.connect(port);
      await tunnel.send(`${upgrade}\r\n`).untilText('101');
      await sendRaw(port, 'POST /other HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n');
      tunnel.socket.resetAndDestroy();
      await eventually(async () => {
        const lines = (await readFile(accessLog, 'utf8')).split('\n').filter((line) => line !== '');
        return lines.length === 2;
      });
      const ends = (await readFile(accessLog, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      // Where there are workers, each has a buffer of its own.
      expect(ends.map(({ method, path, status }) => [method, path, status]).toSorted()).toEqual([
        ['GET', '/', 101],
        ['POST', '/other', 200],
      ]);
      await gateway.stop();
    });

    it('goes on when its endpoint is taken out of the routes: that drains, and what is new goes elsewhere', async () => {
      const appOf = (name: string) =>
        startTcp((socket) => {
          socket.once('data', () => {
            socket.write(`${switching}${name}`);
            socket.on('data', (bytes) => socket.write(bytes));
          });
        });
      const [before, after] = [await appOf('before'), await appOf('after')];
      const clock = new ManualClock();
      const running = await startGateway([{ host: 'acme.test', backends: [before.address] }], { clock });
      const { port, follower } = running;
      const tunnel = await RawClient.connect(port);
      await tunnel.send(`${upgrade}\r\n`).untilText('before');
      const entry = [...follower.table.entries()].find(({ kind }) => kind === 'upstream');
      if (entry?.entity?.kind !== 'upstream') throw new Error('no upstream');
      const endpoints = [{ address: after.address, weight: 1, zone: '' }];
      applyRoutes(running, { ...entry, version: entry.version + 1, entity: { ...entry.entity, endpoints } });
      const next = await RawClient.connect(port);
      await next.send(`${upgrade}\r\n`).untilText('after');
      // Whatever the gateway does now and then leaves it open. Workers have clocks of their own.
      await (workers === undefined ? clock.advance(1_500) : systemClock.sleep(1_500));
      await tunnel.send('still here').untilText('still here');
    });

    if (engine === 'http1')
      it('leaves the connections that requests may have to requests', async () => {
        const app = await startTcp((socket) =>
          socket.once('data', (head) => {
            socket.write(head.toString().includes('upgrade: echo') ? switching : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          }),
        );
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { limits: { upstreamConnectionsMax: 2 } });
        for (let i = 0; i < 4; i++) await (await RawClient.connect(port)).send(`${upgrade}\r\n`).untilText('101');
        expect(await sendRaw(port, 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
      });

    it.each(['client', 'app'] as const)('whose %s has left does not wait for ever for the other to read the rest', async (who) => {
      const sockets: Socket[] = [];
      const rest = Buffer.alloc(20_000_000);
      const app = await startTcp((socket) => {
        sockets.push(socket);
        socket.once('data', () => {
          socket.write(switching);
          if (who === 'client') socket.pause();
          else socket.end(rest);
        });
      });
      const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { streamIdleMs: 200 } });
      const client = await RawClient.connect(port);
      await client.send(`${upgrade}\r\n`).untilText('101');
      if (who === 'client') {
        client.socket.write(rest);
        await eventually(() => client.socket.writableLength < rest.length / 2);
        client.socket.resetAndDestroy();
      } else client.socket.pause();
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_tunnels')) === 0);
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_client_connections')) === 0);
      for (const socket of sockets) socket.resume();
      await eventually(() => sockets.every((socket) => socket.destroyed || socket.readableEnded));
    });

    it('that carries nothing for too long is closed', async () => {
      const app = await startTcp((socket) => socket.once('data', () => socket.write(switching)));
      const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { streamIdleMs: 50 } });
      await sendRaw(port, `${upgrade}\r\n`);
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'tunnel_idle' })) === 1);
    });

    it('closes towards the client when the app breaks off, and the other way round', async () => {
      let appClosed = false;
      const app = await startTcp((socket) => {
        socket.once('end', () => socket.end());
        socket.once('close', () => {
          appClosed = true;
        });
        socket.once('data', () => {
          socket.write(switching);
          socket.once('data', () => socket.resetAndDestroy());
        });
      });
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const first = await RawClient.connect(port);
      first.send(`${upgrade}\r\n`);
      await first.untilText('101');
      first.send('break');
      await first.all();
      appClosed = false;
      const second = await RawClient.connect(port);
      second.send(`${upgrade}\r\n`);
      await second.untilText('101');
      second.socket.resetAndDestroy();
      await eventually(() => appClosed);
    });
  });
}, 2);
