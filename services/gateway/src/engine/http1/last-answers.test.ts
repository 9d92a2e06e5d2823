// The last answer of a connection: whole, whatever its client sends behind its last request, and nothing of that is served.
import { once } from 'node:events';
import { connect } from 'node:net';
import tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { acme, makeCertificates } from '../../testing/certificates.ts';
import { eventually, settled, startApp, startGateway } from '../../testing/fixture.ts';

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

  it('comes whole behind others that its client has not read yet, and says more before it does', async () => {
    const { seen, port } = await start();
    const socket = connect({ host: '127.0.0.1', port });
    socket.pause();
    socket.write(`GET /1500000 HTTP/1.1\r\nHost: ${host}\r\n\r\n${last('/10')}`);
    await eventually(() => seen.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.write('\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    let read = '';
    socket.setEncoding('latin1').on('data', (piece: string) => (read += piece));
    socket.resume();
    await once(socket, 'end');
    expect(read.length).toBeGreaterThan(1_500_000);
    expect(read.endsWith('\r\n\r\nxxxxxxxxxx')).toBe(true);
  });

  it('comes whole also where the system has no room for it as it is sent', async () => {
    const { seen, port } = await start();
    const more = `GET /11000 HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
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
      let read = '';
      socket.setEncoding('latin1').on('data', (piece: string) => (read += piece));
      socket.resume();
      await once(socket, 'end');
      expect(read.split('HTTP/1.1 200 ').length).toBe(before + 2);
      expect(read.endsWith('x'.repeat(11_000))).toBe(true);
    }
  });
});
