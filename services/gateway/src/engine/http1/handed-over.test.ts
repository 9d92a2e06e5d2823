// A connection to an endpoint that goes from one tenant's request straight to another's, with nothing of the first.
import type { Socket } from 'node:net';
import { seededRandom } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { eventually, metricValue, RawClient, startApp, startGateway, startTcp } from '../../testing/fixture.ts';

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nsecret of a\n';
const chunkedPost = 'POST / HTTP/1.1\r\nHost: b.test\r\nTransfer-Encoding: chunked\r\n\r\n';

async function startWaiting(bodyBytesMax = 0) {
  const sockets: Socket[] = [];
  const { address } = await startTcp((socket) => socket.once('data', () => sockets.push(socket)));
  const lines = [
    { host: 'a.test', backends: [address] },
    { host: 'b.test', backends: [address], limits: { bodyBytesMax } },
  ];
  const { port, metrics } = await startGateway(lines, { limits: { upstreamConnectionsMax: 1 } });
  const a = await RawClient.connect(port);
  a.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await eventually(() => sockets.length === 1);
  const b = await RawClient.connect(port);
  const bWaits = () => eventually(async () => (await metricValue(metrics, 'burgage_gateway_requests_in_flight')) === 2);
  return { a, b, bWaits, answerA: () => sockets[0]?.write(answer) };
}

it.each([
  ['is no chunk', 'zz\r\n', 0, '400 Bad Request'],
  ['is larger than its tenant may send', '5\r\nhello\r\n', 4, '413 Payload Too Large'],
])(
  'whoever waited with a body that %s gets the refusal alone, and the answer goes to whom it is for',
  async (_, body, bytesMax, status) => {
    const { a, b, bWaits, answerA } = await startWaiting(bytesMax);
    b.send(chunkedPost + body);
    await bWaits();
    answerA();
    expect(await b.all()).toMatch(new RegExp(`^HTTP/1\\.1 ${status}\r\n`));
    expect(b.received).not.toContain('secret');
    expect(await a.untilText('secret of a\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  },
);

it('many tenants on few connections each get their own answers, whatever the others send', async () => {
  const app = await startApp((request, response) => {
    request.on('error', () => {});
    request.resume().on('end', () => setTimeout(() => response.end(`<${request.headers.host} ${request.url}>`), 1));
  });
  const hosts = Array.from({ length: 12 }, (_, i) => `t${i}.test`);
  const lines = hosts.map((host) => ({ host, backends: [app.address], limits: { bodyBytesMax: 100 } }));
  const { port } = await startGateway(lines, { limits: { upstreamConnectionsMax: 2 } });
  const random = seededRandom(Number(process.env.SEED ?? 1));
  const bodies = ['0\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n', 'zz\r\n', `65\r\n${'b'.repeat(101)}\r\n0\r\n\r\n`];
  async function converse(host: string): Promise<void> {
    for (let left = 40; left > 0; ) {
      const client = await RawClient.connect(port);
      for (let isOpen = true; isOpen && left > 0; left--) {
        const own = `<${host} /${left}>`;
        const body = random.float() < 0.3 ? undefined : (bodies[Math.floor(random.float() * bodies.length)] ?? '');
        const framing = body === undefined ? '\r\n' : `Transfer-Encoding: chunked\r\n\r\n${body}`;
        client.received = '';
        client.send(`${body === undefined ? 'GET' : 'POST'} /${left} HTTP/1.1\r\nHost: ${host}\r\n${framing}`);
        const isGood = body === undefined || bodies.indexOf(body) < 2;
        const received = isGood ? await client.untilText(own) : await client.all();
        expect(received.match(/^HTTP\/1\.1 \d+|<t.*?>/gm)).toEqual(
          isGood ? ['HTTP/1.1 200', own] : [body === bodies[2] ? 'HTTP/1.1 400' : 'HTTP/1.1 413'],
        );
        isOpen = isGood;
      }
      client.socket.destroy();
    }
  }
  await Promise.all(hosts.map(converse));
});
