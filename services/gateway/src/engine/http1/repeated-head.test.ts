// A head is taken for the last one only where every byte of it is the same, and each answer on a connection is its own.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { viewOf } from '../../domain/put.ts';
import { RawClient, startGateway, startTcp } from '../../testing/fixture.ts';
import { RepeatedHead } from './repeated-head.ts';

const host = 'acme.test';

describe('the last head', () => {
  it('is seen again with anything behind it, and not with one byte changed, cut off, or elsewhere', () => {
    const bytes = fc.uint8Array({ minLength: 4, maxLength: 512 });
    fc.assert(
      fc.property(
        bytes,
        fc.nat({ max: 9 }),
        fc.nat({ max: 9 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (head, start, behind, at, change) => {
          const place = Buffer.concat([Buffer.alloc(start), head, Buffer.alloc(behind)]);
          const end = start + head.length;
          const repeated = new RepeatedHead();
          expect(repeated.isAt(viewOf(place), start, end)).toBe(false);
          repeated.keep(viewOf(place), start, end);
          const same = Buffer.from(place);
          place.fill(0);
          expect(repeated.isAt(viewOf(same), start, same.length)).toBe(true);
          expect(repeated.isAt(viewOf(same), start, end - 1)).toBe(false);
          const moved = Buffer.concat([Buffer.alloc(1), same]);
          expect(repeated.isAt(viewOf(moved), start + 1, moved.length)).toBe(false);
          const changed = start + (at % head.length);
          same[changed] = (same[changed] as number) ^ change;
          expect(repeated.isAt(viewOf(same), start, same.length)).toBe(false);
          same[changed] = (same[changed] as number) ^ change;
          repeated.forget();
          expect(repeated.isAt(viewOf(same), start, same.length)).toBe(false);
        },
      ),
    );
  });

  it('is not kept where it is long', () => {
    const place = viewOf(Buffer.alloc(2_000));
    const repeated = new RepeatedHead();
    repeated.keep(place, 0, 600);
    expect(repeated.isAt(place, 0, 2_000)).toBe(false);
  });
});

it('gives every answer of a connection its own head and body: the same, nearly the same and others in turn', async () => {
  const plain = 'HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n';
  /** By path: the pieces that the app sends, and what the client has to get: X-A, and the body as it is framed. */
  const answers: Record<string, { pieces: readonly string[]; a: string; body: string }> = {
    '/same': { pieces: [`${plain}ok`], a: '1', body: 'ok' },
    '/other': { pieces: [`${plain.replace('1\r', '2\r')}no`], a: '2', body: 'no' },
    '/longer': { pieces: [`${plain.replace('2\r', '3\r')}yes`], a: '1', body: 'yes' },
    '/head': { pieces: [plain], a: '1', body: '' },
    '/hint': { pieces: [`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${plain}ok`], a: '1', body: 'ok' },
    '/pieces': { pieces: [plain.slice(0, 20), `${plain.slice(20)}ok`], a: '1', body: 'ok' },
    '/chunked': {
      pieces: ['HTTP/1.1 200 OK\r\nX-A: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
      a: '3',
      body: '2\r\nok\r\n0\r\n\r\n',
    },
    '/none': { pieces: ['HTTP/1.1 204 No Content\r\nX-A: 4\r\n\r\n'], a: '4', body: '' },
  };
  let connections = 0;
  const { address } = await startTcp((socket) => {
    connections += 1;
    socket.setNoDelay().on('data', async (bytes) => {
      const path = /^[A-Z]+ (\S+)/.exec(String(bytes))?.[1] ?? '';
      for (const piece of answers[path]?.pieces ?? []) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  });
  const { port } = await startGateway([{ host, backends: [address] }]);
  const client = await RawClient.connect(port);
  const steps = Object.keys(answers).flatMap((path) => ['/same', path, path, '/same', '/same']);
  for (const path of steps) {
    const { a, body } = answers[path] ?? { a: '', body: '' };
    client.received = '';
    client.send(`${path === '/head' ? 'HEAD' : 'GET'} ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await client.until(({ received }) => /\r\nx-request-id: \S+\r\n\r\n/i.test(received) && received.endsWith(`\r\n\r\n${body}`));
    expect(client.received).toContain(`X-A: ${a}\r\n`);
  }
  // Had one of them been taken for what it was not, its connection would not have been used again.
  expect(connections).toBe(1);
});
