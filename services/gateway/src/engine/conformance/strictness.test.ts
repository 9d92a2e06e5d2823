// What the gateway refuses before anything is forwarded.
import { describe, expect, it } from 'vitest';
import { describeEngines, RawClient, type StartedGateway, sendRaw, startApp, startGateway } from '../../testing/fixture.ts';

describeEngines(() => {
  async function watched(): Promise<StartedGateway & { seen: string[] }> {
    const seen: string[] = [];
    const app = await startApp((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      request.resume().on('end', () => response.end('app'));
    });
    const started = await startGateway([{ host: 'acme.test', backends: [app.address] }]);
    return { ...started, seen };
  }

  const refused: Readonly<Record<string, [head: string, status: number]>> = {
    'no Host': ['GET / HTTP/1.1\r\n\r\n', 400],
    'no Host in HTTP/1.0': ['GET / HTTP/1.0\r\n\r\n', 400],
    'two Hosts': ['GET / HTTP/1.1\r\nHost: acme.test\r\nHost: other.test\r\n\r\n', 400],
    'the same Host twice': ['GET / HTTP/1.1\r\nHost: acme.test\r\nhost: acme.test\r\n\r\n', 400],
    'an empty Host': ['GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
    'a Host with a space': ['GET / HTTP/1.1\r\nHost: acme.test evil\r\n\r\n', 400],
    'a Host with user information': ['GET / HTTP/1.1\r\nHost: me@acme.test\r\n\r\n', 400],
    'a Host with a slash': ['GET / HTTP/1.1\r\nHost: acme.test/x\r\n\r\n', 400],
    'a Host with an empty label': ['GET / HTTP/1.1\r\nHost: acme..test\r\n\r\n', 400],
    'a Host with percent-encoding': ['GET / HTTP/1.1\r\nHost: %61cme.test\r\n\r\n', 400],
    'a Host with raw UTF-8': ['GET / HTTP/1.1\r\nHost: acm\xc3\xa9.test\r\n\r\n', 400],
    'a Host with a port that is none': ['GET / HTTP/1.1\r\nHost: acme.test:99999\r\n\r\n', 400],
    'a number that looks like an address': ['GET / HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n', 400],
    'an absolute target that names another host': ['GET http://other.test/ HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    'an absolute target that names another port': ['GET http://acme.test:81/ HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    'an absolute target with user information': ['GET http://me@acme.test/ HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    'the asterisk target': ['OPTIONS * HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    'a target without a slash': ['GET x HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    'a target with a fragment': ['GET /a#b HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    'a target with raw bytes': ['GET /\xff HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    'Content-Length with Transfer-Encoding': [
      'POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    'Transfer-Encoding with Content-Length': [
      'POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n',
      400,
    ],
    'two Content-Lengths': ['POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    'the same Content-Length twice': ['POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na', 400],
    'a list as Content-Length': ['POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: 1, 1\r\n\r\na', 400],
    'a signed Content-Length': ['POST / HTTP/1.1\r\nHost: acme.test\r\nContent-Length: +1\r\n\r\na', 400],
    'Transfer-Encoding with HTTP/1.0': ['POST / HTTP/1.0\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    'a coding before chunked': ['POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', 501],
    'chunked twice': ['POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n', 400],
    'two Transfer-Encodings': [
      'POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    'a coding that is no chunked': ['POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: xchunked\r\n\r\n', 501],
    TRACE: ['TRACE / HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    CONNECT: ['CONNECT acme.test:443 HTTP/1.1\r\nHost: acme.test:443\r\n\r\n', 400],
    'an unknown method': ['FROB / HTTP/1.1\r\nHost: acme.test\r\n\r\n', 400],
    'a bare LF': ['GET / HTTP/1.1\nHost: acme.test\n\n', 400],
    'a bare LF within the head': ['GET / HTTP/1.1\r\nHost: acme.test\nX: 1\r\n\r\n', 400],
    'a bare CR': ['GET / HTTP/1.1\r\nHost: acme.test\r\nX: a\rb\r\n\r\n', 400],
    'a NUL': ['GET / HTTP/1.1\r\nHost: acme.test\r\nX: a\0b\r\n\r\n', 400],
    'a space before the colon': ['GET / HTTP/1.1\r\nHost: acme.test\r\nX : 1\r\n\r\n', 400],
    'a folded line at the start': ['GET / HTTP/1.1\r\n Host: acme.test\r\n\r\n', 400],
    'a name that is no token': ['GET / HTTP/1.1\r\nHost: acme.test\r\nX(y): 1\r\n\r\n', 400],
    'another version': ['GET / HTTP/1.2\r\nHost: acme.test\r\n\r\n', 400],
    'HTTP/2 preface': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    'another expectation': ['POST / HTTP/1.1\r\nHost: acme.test\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\na', 400],
    'a chunk size that is none': ['POST / HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 400],
    'too many lines': [`GET / HTTP/1.1\r\nHost: acme.test\r\n${'X: 1\r\n'.repeat(100)}\r\n`, 431],
    'a head that is too large': [`GET / HTTP/1.1\r\nHost: acme.test\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
    'a target that is too long': [`GET /${'a'.repeat(9_000)} HTTP/1.1\r\nHost: acme.test\r\n\r\n`, 414],
  };

  describe('a request head that is not beyond doubt', () => {
    it.each(Object.entries(refused))('is refused and not forwarded: %s', async (_, [head, status]) => {
      const { port, seen } = await watched();
      const client = await RawClient.connect(port);
      client.send(head);
      const answer = await client.all();
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(answer).toMatch(/^x-request-id: [0-9a-f]{32}\r$/im);
      expect(seen).toEqual([]);
    });

    it('closes the connection: what follows on it is not read', async () => {
      const { port, seen } = await watched();
      const answer = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: a b\r\n\r\nGET /next HTTP/1.1\r\nHost: acme.test\r\n\r\n');
      expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
      expect(answer).toMatch(/^connection: close\r$/im);
      expect(seen).toEqual([]);
    });

    it('never lets a smuggled request through a body that is broken off', async () => {
      const { port, seen } = await watched();
      await sendRaw(
        port,
        'POST /a HTTP/1.1\r\nHost: acme.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /b HTTP/1.1\r\nHost: acme.test\r\n\r\n',
      );
      expect(seen).not.toContain('GET /b');
    });
  });

  describe('hosts that are one and the same', () => {
    it.each(['acme.test', 'ACME.Test', 'acme.test.', 'acme.test:8080', 'ACME.TEST.:80'])('%s finds its tenant', async (host) => {
      const { port, seen } = await watched();
      const answer = await sendRaw(port, `GET /x?q=1 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(seen).toEqual(['GET /x?q=1']);
    });

    it('takes an absolute target that agrees with Host, whatever its spelling', async () => {
      const { port, seen } = await watched();
      await sendRaw(port, 'GET http://ACME.test:80/y?z HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n');
      await sendRaw(port, 'GET http://acme.test?z HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n');
      expect(seen).toEqual(['GET /y?z', 'GET /?z']);
    });
  });
});
