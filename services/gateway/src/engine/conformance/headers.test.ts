// What crosses the gateway in a head, in both directions, through real sockets.
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { describeEngines, metricValue, sendRaw, startApp, startGateway, startTcp } from '../../testing/fixture.ts';

describeEngines(() => {
  async function seenBy(
    head: string,
    fields: Record<string, unknown> = {},
  ): Promise<{ headers: IncomingMessage['headers']; raw: string[]; answer: string }> {
    let request: IncomingMessage | undefined;
    const app = await startApp((incoming, response) => {
      request = incoming;
      incoming.resume().on('end', () => response.end('app'));
    });
    const { port } = await startGateway([{ host: 'acme.test', backends: [app.address], ...fields }]);
    const answer = await sendRaw(port, head);
    if (request === undefined) throw new Error(`the app saw nothing; the gateway answered ${answer}`);
    return { headers: request.headers, raw: request.rawHeaders, answer };
  }

  async function answerOf(appAnswer: string, fields: Record<string, unknown> = {}): Promise<{ answer: string; dropped: number }> {
    const app = await startTcp((socket) => socket.once('data', () => socket.end(appAnswer)));
    const { port, metrics } = await startGateway([{ host: 'acme.test', backends: [app.address], ...fields }]);
    const answer = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n');
    return { answer, dropped: await metricValue(metrics, 'burgage_gateway_cookies_dropped_total') };
  }

  describe('the head that the app gets', () => {
    it('keeps Host as it came and says who asked, how and for what', async () => {
      const { headers } = await seenBy('GET / HTTP/1.1\r\nHost: ACME.test:8080\r\nConnection: close\r\n\r\n');
      expect(headers.host).toBe('ACME.test:8080');
      expect(headers['x-forwarded-for']).toBe('127.0.0.1');
      expect(headers['x-forwarded-proto']).toBe('http');
      expect(headers['x-forwarded-host']).toBe('ACME.test:8080');
      expect(headers.forwarded).toBe('for=127.0.0.1;host="ACME.test:8080";proto=http');
      expect(headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
      // A trace that begins here is found by the id of the request.
      expect(headers.traceparent).toMatch(new RegExp(`^00-${headers['x-request-id']}-[0-9a-f]{16}-01$`));
    });

    it('carries nothing that a client says under our names', async () => {
      const forged = [
        'Forwarded: for=6.6.6.6',
        'X-Forwarded-For: 6.6.6.6',
        'X-Forwarded-User: root',
        'X-Real-IP: 6.6.6.6',
        'X-Request-Id: mine',
        'Burgage-Context: forged',
        'burgage-anything: x',
        'X_Forwarded_For: 6.6.6.6',
        'Burgage_Context: forged',
        'Proxy: evil',
      ];
      const { headers, raw } = await seenBy(`GET / HTTP/1.1\r\nHost: acme.test\r\n${forged.join('\r\n')}\r\nConnection: close\r\n\r\n`);
      expect(raw.join(' ')).not.toMatch(/6\.6\.6\.6|forged|root|mine|evil/);
      expect(Object.keys(headers).filter((name) => name.startsWith('burgage') || name.includes('_'))).toEqual([]);
    });

    it('carries no hop-by-hop field, nor one that Connection names', async () => {
      const { headers } = await seenBy(
        'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\nProxy-Authorization: x\r\nProxy-Connection: close\r\nX-Public: 1\r\n\r\n',
      );
      expect(headers['x-public']).toBe('1');
      for (const name of ['x-private', 'keep-alive', 'te', 'trailer', 'upgrade', 'proxy-authorization', 'proxy-connection'])
        expect(headers[name]).toBeUndefined();
    });

    it('cannot lose what the gateway says by Connection naming it', async () => {
      const { headers } = await seenBy(
        'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close, x-request-id, forwarded, host, x-forwarded-for\r\n\r\n',
      );
      expect(headers.host).toBe('acme.test');
      expect(headers.forwarded).toBeDefined();
      expect(headers['x-forwarded-for']).toBe('127.0.0.1');
      expect(headers['x-request-id']).toBeDefined();
    });

    it('goes on with a valid trace and begins a new one instead of an invalid one', async () => {
      const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
      const valid = await seenBy(
        `GET / HTTP/1.1\r\nHost: acme.test\r\ntraceparent: 00-${trace}-00f067aa0ba902b7-01\r\ntracestate: a=b\r\nConnection: close\r\n\r\n`,
      );
      expect(valid.headers.traceparent).toMatch(new RegExp(`^00-${trace}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`));
      expect(valid.headers.tracestate).toBe('a=b');
      const invalid = await seenBy(
        'GET / HTTP/1.1\r\nHost: acme.test\r\ntraceparent: 00-zz-00f067aa0ba902b7-01\r\ntracestate: a=b\r\nConnection: close\r\n\r\n',
      );
      expect(invalid.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      expect(invalid.headers.tracestate).toBeUndefined();
    });

    it('keeps fields that come several times, in order and with their bytes', async () => {
      const { raw } = await seenBy(
        'GET / HTTP/1.1\r\nHost: acme.test\r\nCookie: a=1\r\nX-Many: one\r\nx-many: tw\xf6\r\nConnection: close\r\n\r\n',
      );
      expect(raw.flatMap((name, index) => (name.toLowerCase() === 'x-many' ? [name, raw[index + 1]] : []))).toEqual([
        'X-Many',
        'one',
        'x-many',
        'tw\xf6',
      ]);
    });
  });

  describe('the head that the client gets', () => {
    it('has the request id of the request and none of the app, and no hop-by-hop field', async () => {
      const { answer } = await answerOf(
        'HTTP/1.1 200 Fine\r\nX-Request-Id: app\r\nBurgage-Context: leak\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\nX-Public: 1\r\nContent-Length: 2\r\n\r\nok',
      );
      expect(answer).toMatch(/^HTTP\/1\.1 200 Fine\r\n/);
      expect(answer).toMatch(/\r\nX-Public: 1\r\n/);
      expect(answer).toMatch(/\r\nX-Request-Id: [0-9a-f]{32}\r\n/);
      expect(answer).not.toMatch(/app\r\n|leak|X-Private|timeout=9/);
      expect(answer.endsWith('\r\n\r\nok')).toBe(true);
    });

    it('has the length of the body also where Connection names it: the client would wait for more, or take the next answer for the rest', async () => {
      const { answer } = await answerOf('HTTP/1.1 200 OK\r\nConnection: content-length, close\r\nContent-Length: 2\r\n\r\nok');
      expect(answer).toMatch(/\r\nContent-Length: 2\r\n[\s\S]*\r\n\r\nok$/);
    });

    const cookies = [
      'Set-Cookie: mine=1; Path=/',
      'Set-Cookie: host=1; Domain=acme.test',
      'Set-Cookie: all=1; domain=.TEST',
      'Set-Cookie: last=1; Domain=test; Domain=acme.test',
    ];

    it('has no cookie of a tenant for the domain that all share, and counts them', async () => {
      const { answer, dropped } = await answerOf(`HTTP/1.1 200 OK\r\n${cookies.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
      expect(answer).toContain('mine=1');
      expect(answer).toContain('host=1');
      expect(answer).not.toMatch(/all=1|last=1/);
      expect(dropped).toBe(2);
    });
  });
}, 2);
