// Kept connections to an endpoint that die of old age all at once, as they do when it was held up for a moment.
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { eventually, RawClient, startGateway, startTcp } from '../../testing/fixture.ts';

const atOnce = 30;
const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = 'GET / HTTP/1.1\r\nHost: acme.test\r\n\r\n';

it('cost no idempotent request an error, however many die together', async () => {
  const waiting: Socket[] = [];
  const { address } = await startTcp((socket) => {
    let requests = 0;
    socket.on('data', () => {
      requests += 1;
      // The first on each connection; those of the first wave are answered together, so that each has a connection of its own.
      if (requests > 1) socket.destroy();
      else if (waiting.length < atOnce) waiting.push(socket);
      else socket.write(answer);
    });
  });
  const { port } = await startGateway([{ host: 'acme.test', backends: [address] }]);
  const clients = await Promise.all(Array.from({ length: atOnce }, () => RawClient.connect(port)));
  for (const client of clients) client.send(get);
  await eventually(() => waiting.length === atOnce);
  for (const socket of waiting) socket.write(answer);
  await Promise.all(clients.map((client) => client.untilText('ok')));
  for (const client of clients) {
    client.received = '';
    client.send(get);
  }
  await Promise.all(clients.map((client) => client.until(({ received }) => received.includes('\r\n\r\n'))));
  expect(clients.map(({ received }) => received.split('\r\n', 1)[0])).toEqual(clients.map(() => 'HTTP/1.1 200 OK'));
});

it.each(['GET', 'PUT', 'DELETE'])('cost no %s an error whose body has chunks and nothing in them', async (method) => {
  const sockets: Socket[] = [];
  let again = '';
  const { address } = await startTcp((socket) => {
    sockets.push(socket);
    // The first connection serves one request and dies of the next; on the second comes that one again.
    if (sockets.length === 1) socket.once('data', () => socket.write(answer) && socket.once('data', () => socket.destroy()));
    else
      socket.on('data', (bytes) => {
        again += bytes.toString('latin1');
        if (again.endsWith('\r\n0\r\n\r\n')) socket.write(answer);
      });
  });
  const { port } = await startGateway([{ host: 'acme.test', backends: [address] }], { timeouts: { firstByteMs: 1_000 } });
  const client = await RawClient.connect(port);
  client.send(get);
  await client.untilText('ok');
  client.received = '';
  client.send(`${method} / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
  await client.until(({ received }) => received.includes('\r\n\r\n'));
  expect(client.received).toMatch(/^HTTP\/1\.1 200 /);
  expect(again).toMatch(/transfer-encoding: chunked\r\n[\s\S]*\r\n\r\n0\r\n\r\n$/);
});
