// A connection to an endpoint that goes from one tenant's request straight to another's, with nothing of the first.
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { eventually, metricValue, RawClient, startGateway, startTcp } from '../../testing/fixture.ts';

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
