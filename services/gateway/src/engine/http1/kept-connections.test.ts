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
