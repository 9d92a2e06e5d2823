// The last answer of a connection: whole, whatever its client sends behind its last request, and nothing of that is served.
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { eventually, startApp, startGateway } from '../../testing/fixture.ts';

const host = 'acme.test';
const last = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

async function start() {
  const seen: string[] = [];
  const { address } = await startApp((request, response) => {
    seen.push(request.url ?? '');
    response.end('x'.repeat(Number(request.url?.slice(1))));
  });
  const { port } = await startGateway([{ host, backends: [address] }]);
  return { seen, port };
}

describe('the last answer of a connection', () => {
  it.each([10, 200_000, 3_000_000])(
    'of %i bytes comes whole before the end, with a request behind it that is not served',
    async (bytes) => {
      const { seen, port } = await start();
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
      socket.write(last(`/${bytes}`) + last('/7'));
      let read = 0;
      socket.on('data', (piece) => {
        read += piece.length;
      });
      await once(socket, 'end');
      expect(read).toBeGreaterThan(bytes);
      expect(seen).toEqual([`/${bytes}`]);
      socket.destroy();
    },
  );

  it.each([200_000, 3_000_000])('of %i bytes comes whole to a client that reads late and says more before it does', async (bytes) => {
    const { seen, port } = await start();
    const socket = connect({ host: '127.0.0.1', port });
    socket.pause();
    socket.write(last(`/${bytes}`));
    await eventually(() => seen.length === 1);
    // All of it may have gone out by now, as far as the gateway can see.
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.write('\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    let read = 0;
    socket.on('data', (piece) => {
      read += piece.length;
    });
    socket.resume();
    await once(socket, 'end');
    expect(read).toBeGreaterThan(bytes);
  });
});
