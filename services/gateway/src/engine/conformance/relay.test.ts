// Bodies and answers on their way through the gateway: whole, bounded, and never pretending to be whole.
import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import {
  deadAddress,
  describeEngines,
  eventually,
  metricValue,
  pour,
  RawClient,
  sendRaw,
  settled,
  startApp,
  startGateway,
  startTcp,
} from '../../testing/fixture.ts';

describeEngines((engine, workers) => {
  const close = 'Host: acme.test\r\nConnection: close\r\n';

  describe('bodies', () => {
    it('arrive whole in both directions, with Content-Length and chunked', async () => {
      const app = await startApp((request, response) => request.pipe(response));
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const body = randomBytes(3_000_000);
      for (const headers of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }]) {
        const echoed = await new Promise<Buffer>((resolve, reject) => {
          const outgoing = httpRequest({ port, method: 'POST', path: '/', headers: { host: 'acme.test', ...headers } }, (answer) => {
            const chunks: Buffer[] = [];
            answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve(Buffer.concat(chunks)));
          });
          outgoing.on('error', reject).end(body);
        });
        expect(createHash('sha256').update(echoed).digest('hex')).toBe(createHash('sha256').update(body).digest('hex'));
      }
    });

    it('wait in the app while a client reads nothing: memory stays bounded', async () => {
      let poured = { written: 0 };
      const total = 200 * 1024 * 1024;
      const app = await startApp((_, response) => {
        poured = pour(response, total);
      });
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(port);
      client.socket.pause();
      client.send(`GET / HTTP/1.1\r\n${close}\r\n`);
      await settled(() => poured.written);
      expect(poured.written).toBeLessThan(total / 4);
    });

    it('wait in the client while the app reads nothing', async () => {
      const app = await startTcp((socket) => socket.pause());
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(port);
      client.send('POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 200000000\r\n\r\n');
      let sent = 0;
      const chunk = Buffer.alloc(64 * 1024);
      while (sent < 200_000_000 - chunk.length && client.socket.write(chunk)) sent += chunk.length;
      let before = -1;
      await eventually(async () => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        while (sent < 200_000_000 - chunk.length && client.socket.writableLength < chunk.length) {
          client.socket.write(chunk);
          sent += chunk.length;
        }
        const same = sent === before;
        before = sent;
        return same;
      });
      expect(sent).toBeLessThan(50_000_000);
    });

    it('are asked for with 100 Continue only when an endpoint takes them', async () => {
      const app = await startApp((request, response) => request.resume().on('end', () => response.end('thanks')));
      const { port } = await startGateway([
        { host: 'acme.test', backends: [app.address] },
        { host: 'held.test', state: 'active', holds: ['unpaid'] },
      ]);
      const client = await RawClient.connect(port);
      client.send(`POST / HTTP/1.1\r\n${close}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
      expect(await client.untilText('\r\n\r\n')).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
      client.send('hello');
      expect(await client.all()).toMatch(/HTTP\/1\.1 200 OK[\s\S]*thanks$/);
      const refused = await sendRaw(port, 'POST / HTTP/1.1\r\nHost: held.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
      expect(refused).toMatch(/^HTTP\/1\.1 402 /);
      expect(refused).not.toContain('100 Continue');
    });

    it('beyond the plan are refused by their length, and when they turn out to be', async () => {
      const app = await startApp((request, response) => request.resume().on('end', () => response.end('thanks')));
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address], limits: { bodyBytesMax: 10 } }]);
      expect(await sendRaw(port, 'POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 11\r\n\r\nhello world')).toMatch(
        /^HTTP\/1\.1 413 /,
      );
      expect(
        await sendRaw(port, 'POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n'),
      ).toMatch(/^HTTP\/1\.1 413 /);
      expect(await sendRaw(port, `POST / HTTP/1.1\r\n${close}Content-Length: 10\r\n\r\nhelloworld`)).toMatch(/^HTTP\/1\.1 200 /);
    });

    // undici sends none.
    if (engine === 'http1')
      it('have their trailers with them that tell of the body, and none that would steer or that the gateway says itself', async () => {
        let received = '';
        const app = await startTcp((socket) =>
          socket.setEncoding('latin1').on('data', (text: string) => {
            received += text;
            if (received.endsWith('\r\n\r\n') && received.includes('0\r\n')) socket.end('HTTP/1.1 204 No Content\r\n\r\n');
          }),
        );
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
        const trailers =
          'X-Sum: 42\r\nX-Forwarded-For: 6.6.6.6\r\nAuthorization: evil\r\nBurgage-Context: evil\r\nX_Sum: 1\r\nContent-Digest:  a \r\n';
        const answer = await sendRaw(port, `POST / HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`);
        expect(answer).toMatch(/^HTTP\/1\.1 204 /);
        expect(received.slice(received.indexOf('\r\n\r\n'))).toBe('\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\nContent-Digest: a\r\n\r\n');
      });

    it('that the app does not want to read to their end leave no connection in doubt', async () => {
      const app = await startTcp((socket) => socket.once('data', () => socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno')));
      const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { lingerMs: 50 } });
      const answer = await sendRaw(port, 'POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 100000\r\n\r\nsome');
      expect(answer).toMatch(/^HTTP\/1\.1 403 No\r\n[\s\S]*\r\n\r\nno$/);
    });
  });

  // In a worker they are what they are in a thread alone.
  if (workers === undefined)
    describe('answers', () => {
      it('to HEAD, 204 and 304 carry no body and keep the connection', async () => {
        const app = await startApp((request, response) => {
          if (request.url === '/204') response.writeHead(204).end();
          else if (request.url === '/304') response.writeHead(304, { etag: '"x"' }).end();
          else response.writeHead(200, { 'content-length': 7 }).end(request.method === 'HEAD' ? undefined : 'content');
        });
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
        const host = 'Host: acme.test\r\n';
        const answer = await sendRaw(
          port,
          `HEAD / HTTP/1.1\r\n${host}\r\nGET /204 HTTP/1.1\r\n${host}\r\nGET /304 HTTP/1.1\r\n${host}\r\nGET / HTTP/1.1\r\n${close}\r\n`,
        );
        const [, ...statuses] = answer.split(/HTTP\/1\.1 (?=\d)/);
        expect(statuses.map((text) => text.slice(0, 3))).toEqual(['200', '204', '304', '200']);
        expect(statuses[0]).toContain('content-length: 7');
        expect(answer.match(/content$/g)).toHaveLength(1);
        expect(statuses.slice(0, 3).every((text) => text.endsWith('\r\n\r\n'))).toBe(true);
      });

      it('come in the order of pipelined requests', async () => {
        const app = await startApp((request, response) => {
          setTimeout(() => response.end(`<${request.url}>`), request.url === '/1' ? 30 : 0);
        });
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
        const host = 'Host: acme.test\r\n';
        const answer = await sendRaw(port, `GET /1 HTTP/1.1\r\n${host}\r\nGET /2 HTTP/1.1\r\n${host}\r\nGET /3 HTTP/1.1\r\n${close}\r\n`);
        expect(answer.match(/<\/\d>/g)).toEqual(['</1>', '</2>', '</3>']);
      });

      it('pass trailers and 103 on', async () => {
        const app = await startTcp((socket) =>
          socket.once('data', () =>
            socket.end(
              'HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\nSet-Cookie: late=1\r\n\r\n',
            ),
          ),
        );
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
        const answer = await sendRaw(port, `GET / HTTP/1.1\r\n${close}\r\n`);
        expect(answer).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/style\.css>; rel=preload\r\n/);
        expect(answer).toMatch(/2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n$/);
      });

      if (engine === 'http1')
        it('are waited for no longer where a part of the head has come', async () => {
          const parts = ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-'];
          for (const part of parts) {
            const app = await startTcp((socket) => socket.once('data', () => socket.write(part)));
            const timeouts = { firstByteMs: 100, streamIdleMs: 60_000 };
            const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts });
            const client = await RawClient.connect(port);
            expect(await client.send(`GET / HTTP/1.1\r\n${close}\r\n`).all()).toContain('HTTP/1.1 504 ');
          }
        });

      if (engine === 'http1')
        it('are waited for behind some hints, and not behind hints without end', async () => {
          const hint = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
          const app = await startTcp((socket) =>
            socket.once('data', (head) => {
              const count = head.toString().startsWith('GET /some') ? 20 : 2_000;
              socket.end(`${hint.repeat(count)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
            }),
          );
          const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
          expect(await sendRaw(port, `GET /some HTTP/1.1\r\n${close}\r\n`)).toMatch(/(?:103 [\s\S]*){20}200 OK[\s\S]*ok$/);
          expect(await sendRaw(port, `GET /many HTTP/1.1\r\n${close}\r\n`)).toMatch(/502 Bad Gateway[\s\S]*upstream_failed/);
        });

      it('come whole to a client that reads slowly, also where the connection ends with them', async () => {
        const size = 8_000_000;
        const app = await startApp((_, response) => response.end(Buffer.alloc(size, 'a')));
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }], { timeouts: { lingerMs: 20 } });
        const client = await RawClient.connect(port);
        client.socket.on('data', () => {
          client.socket.pause();
          setTimeout(() => client.socket.resume(), 2);
        });
        const answer = await client.send(`GET / HTTP/1.1\r\n${close}\r\n`).all();
        expect(answer.length - answer.indexOf('\r\n\r\n') - 4).toBe(size);
      });

      it('to HTTP/1.0 are never chunked and end with the connection', async () => {
        const app = await startApp((_, response) => {
          response.write('one ');
          response.end('two');
        });
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
        const answer = await sendRaw(port, 'GET / HTTP/1.0\r\nHost: acme.test\r\n\r\n');
        expect(answer).not.toMatch(/transfer-encoding/i);
        expect(answer.endsWith('\r\n\r\none two')).toBe(true);
      });

      it.each([
        ['with Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'],
        ['chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
      ])('that break off in the middle never look whole: %s', async (_, part) => {
        const app = await startTcp((socket) => socket.once('data', () => socket.write(part, () => setTimeout(() => socket.destroy(), 10))));
        const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
        const answer = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
        expect(answer).toContain('half');
        expect(answer.endsWith('0\r\n\r\n')).toBe(false);
        expect(await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'upstream_failed' })).toBe(1);
      });

      it.each([
        ['garbage', 'SSH-2.0-OpenSSH\r\n'],
        ['nothing', ''],
        ['a switch of protocols that nobody asked for', 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
        ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
      ])('that are no HTTP become 502: %s', async (_, text) => {
        const app = await startTcp((socket) => socket.once('data', () => socket.end(text)));
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
        expect(await sendRaw(port, `GET / HTTP/1.1\r\n${close}\r\n`)).toMatch(/^HTTP\/1\.1 502 [\s\S]*"code":"upstream_failed"/);
      });
    });

  describe('a client that goes away', () => {
    it.each(['before the answer', 'within the answer'])('takes its request at the app with it: %s', async (when) => {
      let gone = false;
      const app = await startApp((_, response) => {
        response.once('close', () => {
          gone = true;
        });
        if (when === 'within the answer') response.write('part');
      });
      const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
      const client = await RawClient.connect(port);
      client.send('GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      if (when === 'within the answer') await client.untilText('part');
      else await eventually(async () => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 1);
      client.socket.destroy();
      await eventually(() => gone || when === 'before the answer');
      await eventually(async () => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 0);
      expect(await metricValue(metrics, 'burgage_gateway_terminations_total', { reason: 'client_gone' })).toBe(1);
    });
  });

  // Each worker has connections, ejections and a budget of its own.
  if (workers === undefined)
    describe('a request that cannot have been acted on', () => {
      it('goes to another endpoint when the first takes no connection, whatever its method', async () => {
        const app = await startApp((request, response) => request.pipe(response));
        const dead = await deadAddress();
        const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [dead, app.address] }]);
        for (let i = 0; i < 20; i++) {
          const answer = await sendRaw(port, `POST / HTTP/1.1\r\n${close}Content-Length: 5\r\n\r\nhello`);
          expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nhello\r\n/);
        }
        expect(await metricValue(metrics, 'burgage_gateway_retries_total')).toBeGreaterThan(0);
        // Five in a row put the dead one out: no further retry is needed.
        expect(await metricValue(metrics, 'burgage_gateway_ejections_total')).toBe(1);
      });

      it('is not sent twice once the app may have seen it', async () => {
        let seen = 0;
        const app = await startTcp((socket) =>
          socket.once('data', () => {
            seen += 1;
            socket.destroy();
          }),
        );
        const other = await startTcp((socket) =>
          socket.once('data', () => {
            seen += 1;
            socket.destroy();
          }),
        );
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address, other.address] }]);
        expect(await sendRaw(port, `GET / HTTP/1.1\r\n${close}\r\n`)).toMatch(/^HTTP\/1\.1 502 [\s\S]*upstream_failed/);
        expect(seen).toBe(1);
      });

      if (engine === 'http1')
        it('goes to the only endpoint again, on a new connection, when an old one has died', async () => {
          let connections = 0;
          const app = await startTcp((socket) => {
            connections += 1;
            const isOld = connections === 1;
            let requests = 0;
            socket.on('data', () => {
              requests += 1;
              if (isOld && requests > 1) socket.destroy();
              else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
            });
          });
          const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
          for (let i = 0; i < 2; i++) {
            // Behind its answer a connection rests for a moment.
            await new Promise((resolve) => setTimeout(resolve, 20));
            expect(await sendRaw(port, `GET / HTTP/1.1\r\n${close}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
          }
          expect(connections).toBe(2);
          expect(await metricValue(metrics, 'burgage_gateway_retries_total')).toBe(1);
        });

      it('goes to another endpoint when a reused connection dies before a byte came back, but only if it may be done twice', async () => {
        const killed: string[] = [];
        const app = await startTcp((socket) => {
          let requests = 0;
          socket.on('data', (head) => {
            requests += 1;
            if (requests === 1) {
              socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
              return;
            }
            killed.push(head.toString().split(' ')[0] ?? '');
            socket.destroy();
          });
        });
        const other = await startApp((_, response) => response.end('ok'));
        const { port } = await startGateway([{ host: 'acme.test', backends: [app.address, other.address] }]);
        const statuses: Record<string, Set<string>> = { GET: new Set(), POST: new Set() };
        for (const method of ['GET', 'POST']) {
          const before = killed.length;
          for (let i = 0; i < 200 && killed.length < before + 2; i++) {
            const answer = await sendRaw(port, `${method} / HTTP/1.1\r\n${close}\r\n`);
            statuses[method]?.add(answer.slice(9, 12));
          }
        }
        expect(killed).toEqual(['GET', 'GET', 'POST', 'POST']);
        expect([...(statuses.GET ?? [])]).toEqual(['200']);
        expect([...(statuses.POST ?? [])].sort()).toEqual(['200', '502']);
      });
    });
}, 2);
