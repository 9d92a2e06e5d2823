// No piece of an answer waits in the kernel for the client to confirm another one.
import { Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RawClient, startApp, startGateway } from '../../testing/fixture.ts';

const host = 'acme.test';

async function start() {
  const { address } = await startApp((request, response) => {
    if (request.url === '/pieces') {
      response.write('first');
      setTimeout(() => response.end('last'), 50);
    } else response.end('last');
  });
  const { port } = await startGateway([{ host, backends: [address] }]);
  const client = await RawClient.connect(port);
  let told = 0;
  const { setNoDelay } = Socket.prototype;
  vi.spyOn(Socket.prototype, 'setNoDelay').mockImplementation(function (this: Socket, ...how) {
    if (this.localPort === port) told += 1;
    return setNoDelay.apply(this, how);
  });
  const ask = async (path: string, connection: string) => {
    await client.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: ${connection}\r\n\r\n`).untilText('last');
    return told;
  };
  return { ask };
}

afterEach(() => vi.restoreAllMocks());

describe('a connection of a client is told to send small packets at once', () => {
  it('once, with the first answer behind which another may follow', async () => {
    const { ask } = await start();
    expect(await ask('/', 'keep-alive')).toBe(1);
    expect(await ask('/', 'keep-alive')).toBe(1);
  });

  it('before an answer that comes in pieces', async () => {
    const { ask } = await start();
    expect(await ask('/pieces', 'close')).toBe(1);
  });

  it('never, where one answer is sent at once and is all', async () => {
    const { ask } = await start();
    expect(await ask('/', 'close')).toBe(0);
  });
});
