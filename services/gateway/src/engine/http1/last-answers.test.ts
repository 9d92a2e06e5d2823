// The last answer of a connection: whole, whatever its client sends behind its last request, and nothing of that is served.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { eventually, settled, startApp, startGateway } from '../../testing/fixture.ts';

const host = 'acme.test';
const last = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

/** The bodies of all answers that come until the end. */
async function readAll(socket: Socket): Promise<string[]> {
  const read = (await socket.setEncoding('latin1').toArray()).join('');
  return read
    .split('HTTP/1.1 200 ')
    .slice(1)
    .map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4));
}

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

  it.each([
    ['of 200 KB', [200_000]],
    ['of 3 MB', [3_000_000]],
    ['of a few bytes behind one that has not been read', [1_500_000, 10]],
  ])('%s comes whole to a client that reads late and says more before it does', async (_, sizes) => {
    const { seen, port } = await start();
    const socket = connect({ host: '127.0.0.1', port });
    socket.pause();
    const [size = 0, ...before] = sizes.toReversed();
    socket.write(before.map((bytes) => get(`/${bytes}`)).join('') + last(`/${size}`));
    await eventually(() => seen.length === sizes.length);
    // All of it may have gone out by now, as far as the gateway can see.
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.write('\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await readAll(socket)).map((body) => body.length)).toEqual(sizes);
  });

  it.each([10, 11_000, 200_000])('of %i bytes comes whole over TLS', async (bytes) => {
    const certificates = await makeCertificates();
    await certificates.put(acme);
    const { address } = await startApp((_, response) => response.end('x'.repeat(bytes)));
    const { httpsPort } = await startGateway([{ host: acme, backends: [address] }], {
      httpsPort: 0,
      certificates: certificates.folder,
    });
    for (let times = 0; times < 20; times++) {
      const socket = tls.connect({ host: '127.0.0.1', port: httpsPort, servername: acme, ca: certificates.ca });
      socket.write(last('/').replace(host, acme));
      const read = await socket.setEncoding('latin1').toArray();
      expect(read.join('').endsWith(`\r\n\r\n${'x'.repeat(bytes)}`)).toBe(true);
    }
  });

  it('comes whole also where the system has no room for it as it is sent', async () => {
    const { seen, port } = await start();
    const more = get('/11000');
    /** Asks so often for what it does not read, until no more is served. */
    const unread = async (text: string) => {
      seen.length = 0;
      const socket = connect({ host: '127.0.0.1', port });
      socket.pause();
      socket.write(text);
      await settled(() => seen.length, 50);
      return socket;
    };
    const probe = await unread(more.repeat(3_000));
    probe.destroy();
    const fits = seen.length;
    expect(fits).toBeGreaterThan(20);
    expect(fits).toBeLessThan(3_000);
    // The first for which there is none is a few before the last that is served; and what a system takes is not always the same.
    for (let before = fits - 20; before < fits; before++) {
      const socket = await unread(more.repeat(before) + last('/11000'));
      const bodies = await readAll(socket);
      expect(bodies.length).toBe(before + 1);
      expect(bodies.every((body) => body.length === 11_000)).toBe(true);
    }
  });
});
