// An address whose name DNS does not resolve: what the store says then.
import { createSocket } from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { openMongoStore } from './store.ts';

const password = 'correct-horse';
const serversBefore = dns.getServers();

afterEach(() => dns.setServers(serversBefore));

/** A name server that answers every question with `code`. */
async function startNameServer(code: number): Promise<AsyncDisposable & { readonly asked: () => number }> {
  const socket = createSocket('udp4');
  let asked = 0;
  socket.on('message', (question, { port, address }) => {
    asked += 1;
    const answer = Buffer.from(question);
    // An answer, without records.
    answer.writeUInt16BE(0x8180 | code, 2);
    socket.send(answer, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  dns.setServers([`127.0.0.1:${socket.address().port}`]);
  return { asked: () => asked, [Symbol.asyncDispose]: async () => void socket.close() };
}

test.each([
  ['that there is no such name', 3],
  ['that it failed', 2],
  ['that it may not say', 5],
  ['nothing of use', 0],
])('a mongodb+srv address of which the name server says %s is unavailable, without its password', async (_, code) => {
  await using server = await startNameServer(code);
  const opening = openMongoStore({ url: `mongodb+srv://user:${password}@db.burgage.test/registry` });
  const error: unknown = await opening.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^mongodb:\/\/db\.burgage\.test\/registry cannot be used: .*_mongodb\._tcp\.db\.burgage\.test/),
  });
  expect(String(error)).not.toContain(password);
  expect(server.asked()).toBeGreaterThan(0);
});
