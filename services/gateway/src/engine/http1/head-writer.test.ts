// Heads written as bytes say what the domain says in strings, and nothing else.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestHeaders, responseHeaders, upgradeHeaders } from '../../domain/forward-headers.ts';
import { Piece } from '../../domain/put.ts';
import { broken, latin1, placed, requestTexts, responseTexts } from '../../testing/http-arbitraries.ts';
import { HeadBuffer } from './head-buffer.ts';
import { ClientLines, type ResponseLines, writeRequestHead, writeResponseHead } from './head-writer.ts';
import { ParsedRequest, parseRequestHead } from './request-head.ts';
import { ParsedResponse, parseResponseHead } from './response-head.ts';

const limits = { headBytesMax: 16_000, headerLinesMax: 100, targetBytesMax: 8_000 };

const factsOf = fc.record({
  clientAddress: fc.constantFrom('203.0.113.7', '2001:db8::1'),
  scheme: fc.constantFrom('http' as const, 'https' as const),
  requestId: fc.constant(Piece.of('4bf92f3577b34da6a3ce929d0e0e4736')),
  traceId: fc.constant(Piece.of('4bf92f3577b34da6a3ce929d0e0e4736')),
  spanId: fc.constant(Piece.of('00f067aa0ba902b7')),
  traceFlags: fc.nat({ max: 255 }),
  keepsTracestate: fc.boolean(),
  context: fc.option(fc.constantFrom('signed', 'c'.repeat(500)), { nil: undefined }),
});

function readRequest(text: string): ParsedRequest | undefined {
  const { buffer, start, end } = placed(latin1(text), 5);
  const parsed = new ParsedRequest();
  return parseRequestHead(buffer, start, end, limits, parsed) === 'complete' ? parsed : undefined;
}

function readResponse(text: string, asked: { method: string; upgrade: string | undefined }): ParsedResponse | undefined {
  const { buffer, start, end } = placed(latin1(text), 5);
  const parsed = new ParsedResponse();
  return parseResponseHead(buffer, start, end, limits, asked, parsed) === 'complete' ? parsed : undefined;
}

/** What was written behind what was there, in a buffer that has to grow. */
function written(write: (out: HeadBuffer) => void): string {
  const out = new HeadBuffer(8);
  out.add(latin1('before'), 0, 6);
  write(out);
  const text = out.bytes.toString('latin1', 0, out.length);
  expect(text.slice(0, 6)).toBe('before');
  return text.slice(6);
}

/** The pairs without those of a name that is given in lower case. */
function without(raw: readonly string[], ...names: string[]): string[] {
  return raw.filter((_, i) => !names.includes((raw[i - (i % 2)] ?? '').toLowerCase()));
}

describe('the head that an endpoint gets', () => {
  const texts = fc.oneof(
    requestTexts.map(({ text }) => text),
    broken(requestTexts.map(({ text }) => text)),
  );

  it('reads as the domain says it, with the framing of the body and the upgrade', () => {
    let compared = 0;
    fc.assert(
      fc.property(texts, factsOf, (text, { context, ...rest }) => {
        const head = readRequest(text);
        if (head === undefined) return;
        const facts = {
          ...rest,
          authority: head.authority,
          ...(head.hasContentLength && { contentLength: head.bodyBytes }),
          ...(context !== undefined && { context }),
        };
        const client = ClientLines.of({ address: facts.clientAddress, scheme: facts.scheme });
        const sent = written((out) => writeRequestHead(out, head, facts, client));
        const received = readRequest(sent);
        expect(received?.headEnd).toBe(5 + sent.length);
        const raw = received?.fields.rawHeaders() ?? [];
        expect(without(raw, 'transfer-encoding', 'connection', 'upgrade')).toEqual(requestHeaders(head.fields.rawHeaders(), facts));
        expect(received?.readHead()).toEqual({ ...head.readHead(), expectsContinue: false });
        expect([received?.method, received?.target, received?.httpVersion, received?.hasContentLength]).toEqual([
          head.method,
          head.path,
          '1.1',
          head.hasContentLength,
        ]);
        expect(received?.connection.upgrade).toBe(head.upgrade !== undefined);
        compared += 1;
      }),
      { numRuns: 3_000 },
    );
    expect(compared).toBeGreaterThan(500);
  });

  it('has every line in one form', () => {
    const head = readRequest(
      'GET http://acme.test?q HTTP/1.0\r\nA:1\r\nB: \t2 \r\nC: 3\r\nHOST:acme.test\r\nD:\r\nE: \r\nG:\t7\r\nTE: x\r\nF: gr\xf6\xdfe\r\n\r\n',
    );
    const facts = {
      authority: 'acme.test',
      clientAddress: '::1',
      scheme: 'http',
      requestId: Piece.of('r'),
      traceId: Piece.of('4bf92f3577b34da6a3ce929d0e0e4736'),
      spanId: Piece.of('00f067aa0ba902b7'),
      traceFlags: 1,
      keepsTracestate: false,
    } as const;
    const sent = written((out) => writeRequestHead(out, head as ParsedRequest, facts, ClientLines.of({ address: '::1', scheme: 'http' })));
    expect(sent.split('\r\n')).toEqual([
      'GET /?q HTTP/1.1',
      'host: acme.test',
      ...['A: 1', 'B: 2', 'C: 3', 'D: ', 'E: ', 'G: 7', 'F: gr\xf6\xdfe'],
      ...[
        'x-request-id: r',
        'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        'forwarded: for="[::1]";host="acme.test";proto=http',
        'x-forwarded-for: ::1',
      ],
      ...['x-forwarded-proto: http', 'x-forwarded-host: acme.test', '', ''],
    ]);
  });
});

describe('the head that a client gets', () => {
  const texts = fc.oneof(
    responseTexts.map(({ text }) => text),
    broken(responseTexts.map(({ text }) => text)),
  );
  const date = 'Sat, 01 Aug 2026 12:00:00 GMT';
  const linesOf: fc.Arbitrary<ResponseLines> = fc.record({
    requestId: fc.constant(Piece.of('4bf92f3577b34da6a3ce929d0e0e4736')),
    baseDomain: fc.constantFrom('', 'example.com'),
    clientVersion: fc.constantFrom('1.0' as const, '1.1' as const),
    keepAlive: fc.boolean(),
    isChunked: fc.boolean(),
    date: fc.constant(() => date),
  });

  it('reads as the domain says it, behind what its connection needs', () => {
    let compared = 0;
    fc.assert(
      fc.property(texts, linesOf, fc.constantFrom('GET', 'HEAD'), (text, given, method) => {
        const asked = { method, upgrade: 'websocket' };
        const head = readResponse(text, asked);
        if (head === undefined) return;
        const { status } = head;
        const isChunked = given.isChunked && (head.bodyKind === 'chunked' || head.bodyKind === 'until-close');
        const lines = { ...given, isChunked };
        let cookiesDropped = -1;
        const sent = written((out) => {
          cookiesDropped = writeResponseHead(out, head, lines);
        });
        const received = readResponse(sent, asked);
        expect(received?.headEnd).toBe(5 + sent.length);
        const raw = head.fields.rawHeaders();
        const facts = { requestId: lines.requestId, status, baseDomain: lines.baseDomain };
        const expected = head.upgrade === undefined ? responseHeaders(raw, facts) : upgradeHeaders(raw, head.upgrade, facts);
        const isFinal = status >= 200;
        const connection = lines.keepAlive ? (lines.clientVersion === '1.0' ? ['Connection', 'keep-alive'] : []) : ['Connection', 'close'];
        const adds = [...(isFinal ? connection : []), ...(isFinal && isChunked ? ['Transfer-Encoding', 'chunked'] : [])];
        const hasDate = !isFinal || head.fields.has(26);
        expect(received?.fields.rawHeaders()).toEqual([
          ...adds,
          ...expected.headers.slice(0, -2),
          ...(hasDate ? [] : ['Date', date]),
          ...expected.headers.slice(-2),
        ]);
        expect([cookiesDropped, received?.status, received?.httpVersion]).toEqual([expected.cookiesDropped, status, '1.1']);
        compared += 1;
      }),
      { numRuns: 3_000 },
    );
    expect(compared).toBeGreaterThan(500);
  });

  const plain: ResponseLines = {
    requestId: Piece.of('r'),
    baseDomain: 'test',
    clientVersion: '1.1',
    keepAlive: true,
    isChunked: false,
    date: () => date,
  };
  const answerTo = (
    text: string,
    lines: Partial<ResponseLines> = {},
    asked = { method: 'GET', upgrade: undefined as string | undefined },
  ) => {
    const head = readResponse(text, asked);
    return written((out) => writeResponseHead(out, head as ParsedResponse, { ...plain, ...lines })).split('\r\n');
  };

  it.each([
    ['HTTP/1.0 200 Fine\r\nDate: x\r\n\r\n', {}, ['HTTP/1.1 200 Fine', 'Date: x', 'X-Request-Id: r', '', '']],
    ['HTTP/1.1 200 a\x01b\r\nDate: x\r\n\r\n', {}, ['HTTP/1.1 200 OK', 'Date: x', 'X-Request-Id: r', '', '']],
    [
      'HTTP/1.1 404\r\nDate:x \r\n\r\n',
      { keepAlive: false },
      ['HTTP/1.1 404 Not Found', 'Connection: close', 'Date: x', 'X-Request-Id: r', '', ''],
    ],
    [
      'HTTP/1.1 999\r\n\r\n',
      { isChunked: true },
      ['HTTP/1.1 999 ', 'Transfer-Encoding: chunked', `Date: ${date}`, 'X-Request-Id: r', '', ''],
    ],
    [
      'HTTP/1.1 103 Hints\r\nLink: </x>\r\nContent-Length: 0\r\n\r\n',
      { keepAlive: false },
      ['HTTP/1.1 103 Hints', 'Link: </x>', 'X-Request-Id: r', '', ''],
    ],
  ])('has a status line and lines of our own: %j', (text, lines, expected) => {
    expect(answerTo(text, lines)).toEqual(expected);
  });

  it('never has a length beside the chunks that are sent', () => {
    expect(answerTo('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: x\r\n\r\n', { isChunked: true }).join()).not.toMatch(/length/i);
  });

  it('changes protocols', () => {
    const text =
      'HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: upgrade, x-hop\r\nX-Hop: 1\r\nSec-WebSocket-Accept: y\r\n\r\n';
    expect(answerTo(text, { keepAlive: false }, { method: 'GET', upgrade: 'websocket' })).toEqual([
      ...['HTTP/1.1 101 Switching', 'Connection: Upgrade', 'Upgrade: WebSocket', 'Sec-WebSocket-Accept: y', 'X-Request-Id: r', '', ''],
    ]);
  });
});
