// Heads of answers: where the body ends is beyond doubt, or the answer is none.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broken, cutsOf, inParts, latin1, placed, responseTexts } from '../../testing/http-arbitraries.ts';
import { type AnsweredRequest, ParsedResponse, parseResponseHead, type ResponseHeadLimits } from './response-head.ts';

const limits: ResponseHeadLimits = { headBytesMax: 1_000, headerLinesMax: 20 };
const toGet: AnsweredRequest = { method: 'GET', upgrade: undefined };

function said(outcome: string, parsed: ParsedResponse): object {
  const { refusal, status, httpVersion, bodyKind, bodyBytes, keepAlive, keepAliveTimeoutMs, upgrade, headEnd, start, fields } = parsed;
  if (outcome === 'incomplete') return { outcome };
  if (outcome === 'refused') return { outcome, refusal };
  const reason = fields.bytes.toString('latin1', parsed.reasonStart, parsed.reasonEnd);
  const rawHeaders = fields.rawHeaders();
  return {
    outcome,
    status,
    httpVersion,
    reason,
    rawHeaders,
    bodyKind,
    bodyBytes,
    keepAlive,
    keepAliveTimeoutMs,
    upgrade,
    length: headEnd - start,
  };
}

function parse(text: string, request = toGet, parsed = new ParsedResponse()): { outcome: string; parsed: ParsedResponse } {
  const { buffer, start, end } = placed(latin1(text), 5);
  return { outcome: parseResponseHead(buffer, start, end, limits, request, parsed), parsed };
}

const answer = (lines: string, status: number | string = 200) => `HTTP/1.1 ${status} OK\r\n${lines}\r\n`;

const refused: Readonly<Record<string, readonly [head: string, detail: string]>> = {
  'RFC 9112 2.2: an empty line before it': [`\r\n${answer('')}`, 'the answer is not HTTP/1.1 or HTTP/1.0'],
  'RFC 9112 2.3: another version': ['HTTP/1.2 200 OK\r\n\r\n', 'the answer is not HTTP/1.1 or HTTP/1.0'],
  'RFC 9112 2.3: HTTP/2': ['HTTP/2 200 OK\r\n\r\n', 'the answer is not HTTP/1.1 or HTTP/1.0'],
  'RFC 9112 2.3: lower case': ['http/1.1 200 OK\r\n\r\n', 'the answer is not HTTP/1.1 or HTTP/1.0'],
  'another protocol': ['SSH-2.0-OpenSSH\r\n', 'the answer is not HTTP/1.1 or HTTP/1.0'],
  'RFC 9112 4: two spaces before the status': ['HTTP/1.1  200 OK\r\n\r\n', 'the status is not a number from 100 to 999'],
  'RFC 9112 4: two digits': ['HTTP/1.1 20 OK\r\n\r\n', 'the status is not a number from 100 to 999'],
  'RFC 9112 4: four digits': ['HTTP/1.1 2000 OK\r\n\r\n', 'the status is not a number from 100 to 999'],
  'RFC 9112 4: below 100': ['HTTP/1.1 099 OK\r\n\r\n', 'the status is not a number from 100 to 999'],
  'RFC 9112 4: no digits': ['HTTP/1.1 abc OK\r\n\r\n', 'the status is not a number from 100 to 999'],
  'RFC 9112 4: a tab behind the status': ['HTTP/1.1 200\tOK\r\n\r\n', 'the status is not a number from 100 to 999'],
  'RFC 9112 4: a bare LF': ['HTTP/1.1 200 OK\n\r\n', 'a line ends with LF without CR'],
  'RFC 9112 4: a bare CR': ['HTTP/1.1 200 OK\rX\r\n\r\n', 'a CR came without LF'],
  'RFC 9112 4: a NUL in the phrase': ['HTTP/1.1 200 O\0K\r\n\r\n', 'a NUL came in the reason phrase'],
  'RFC 9112 5.1: a space before the colon': [answer('X : 1\r\n'), 'a blank came within a header name or behind it'],
  'RFC 9112 5.2: a folded line': [answer('X: 1\r\n 2\r\n'), 'a folded header line came'],
  'RFC 9112 6.1: a length and a coding': [
    answer('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
    'Content-Length and Transfer-Encoding came together',
  ],
  'RFC 9112 6.1: an unknown coding': [answer('Transfer-Encoding: gzip, chunked\r\n'), 'a transfer coding other than chunked came'],
  'RFC 9112 6.1: identity': [answer('Transfer-Encoding: identity\r\n'), 'a transfer coding other than chunked came'],
  'RFC 9112 6.1: chunked twice': [answer('Transfer-Encoding: chunked, chunked\r\n'), 'a transfer coding other than chunked came'],
  'RFC 9112 6.1: chunked in two lines': [
    answer('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
    'more than one Transfer-Encoding came',
  ],
  'RFC 9112 6.1: a coding with HTTP/1.0': ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'Transfer-Encoding came with HTTP/1.0'],
  'RFC 9112 6.3: two lengths': [answer('Content-Length: 1\r\nContent-Length: 1\r\n'), 'more than one Content-Length came'],
  'RFC 9112 6.3: a list of lengths': [answer('Content-Length: 1, 1\r\n'), 'the Content-Length is not a number'],
  'RFC 9112 6.3: a malformed length, also where there is no body': [
    answer('Content-Length: -1\r\n', 304),
    'the Content-Length is not a number',
  ],
  'RFC 9110 7.8: a 101 that nobody asked for': [
    answer('Connection: upgrade\r\nUpgrade: x\r\n', 101),
    'the endpoint changed protocols though nobody asked for it',
  ],
  'more lines than are read': [answer('X: 1\r\n'.repeat(21)), 'more than 20 header lines came'],
  'a longer head than is read': [answer(`X: ${'a'.repeat(1_000)}\r\n`), 'a head of more than 1000 bytes came'],
};

describe('the head of an answer', () => {
  it.each(Object.entries(refused))('is refused: %s', (_, [text, detail]) => {
    const { outcome, parsed } = parse(text);
    expect([outcome, parsed.refusal]).toEqual(['refused', { code: 'upstream_failed', detail }]);
  });

  it.each([
    ['another protocol', 'S'],
    ['an empty line', '\r'],
    ['a status that is none', 'HTTP/1.1 2x'],
    ['a status of four digits', 'HTTP/1.1 2000'],
    ['a head that is too long', `HTTP/1.1 200 ${'a'.repeat(987)}`],
  ])('that can never be one is refused with the byte that shows it: %s', (_, text) => {
    expect(parse(text.slice(0, -1)).outcome).toBe('incomplete');
    expect(parse(text).outcome).toBe('refused');
  });

  // RFC 9112 section 6.3, in its order.
  it.each([
    ['1: to HEAD', 'HEAD', 200, 'Content-Length: 5\r\n', 'none', true],
    ['1: to HEAD, chunked', 'HEAD', 200, 'Transfer-Encoding: chunked\r\n', 'none', true],
    ['1: 103', 'GET', 103, 'Link: x\r\n', 'none', true],
    ['1: 204', 'GET', 204, '', 'none', true],
    ['1: 204 with a length of nothing', 'GET', 204, 'Content-Length: 0\r\n', 'none', true],
    ['1: 204 that announces a body may send it', 'GET', 204, 'Content-Length: 5\r\n', 'none', false],
    ['1: 204 that announces chunks may send them', 'GET', 204, 'Transfer-Encoding: chunked\r\n', 'none', false],
    ['1: 304', 'GET', 304, 'Content-Length: 5\r\n', 'none', true],
    ['4: chunked', 'GET', 200, 'Transfer-Encoding: Chunked\r\n', 'chunked', true],
    ['6: a length', 'GET', 200, 'Content-Length: 5\r\n', 'length', true],
    ['6: a length of nothing', 'GET', 200, 'Content-Length: 0\r\n', 'none', true],
    ['8: neither', 'GET', 200, '', 'until-close', false],
    ['8: neither, whatever Connection says', 'GET', 200, 'Connection: keep-alive\r\n', 'until-close', false],
    ['8: to POST', 'POST', 404, '', 'until-close', false],
  ])('says where its body ends: %s', (_, method, status, lines, bodyKind, keepAlive) => {
    const { outcome, parsed } = parse(answer(lines, status), { method, upgrade: undefined });
    expect([outcome, parsed.bodyKind, parsed.bodyBytes, parsed.keepAlive]).toEqual([
      'complete',
      bodyKind,
      bodyKind === 'length' ? 5 : 0,
      keepAlive,
    ]);
  });

  it.each([
    ['HTTP/1.1', '', true],
    ['HTTP/1.1', 'Connection: close\r\n', false],
    ['HTTP/1.0', '', false],
    ['HTTP/1.0', 'Connection: keep-alive\r\n', true],
    ['HTTP/1.0', 'Connection: keep-alive, close\r\n', false],
  ])('says whether its connection may be used again: %s %j', (version, lines, keepAlive) => {
    expect(parse(`${version} 200 OK\r\nContent-Length: 0\r\n${lines}\r\n`).parsed.keepAlive).toBe(keepAlive);
  });

  it.each([
    ['timeout=5', 5_000],
    ['timeout=5, max=100', 5_000],
    ['max=100 ,\t TimeOut=60', 60_000],
    ['max=timeout, timeout=0', 0],
    ['timeout=999999', 999_999_000],
    ['timeout=1000000', undefined],
    ['timeout=', undefined],
    ['timeout=-1', undefined],
    ['timeout=5s', undefined],
    ['timeout', undefined],
    ['xtimeout=5', undefined],
    ['timeout = 5', undefined],
    ['', undefined],
  ])('says how long an idle connection lives: %s', (value, ms) => {
    expect(parse(answer(`Keep-Alive: ${value}\r\nX: timeout=7\r\n`)).parsed.keepAliveTimeoutMs).toBe(ms);
  });

  it.each([
    ['HTTP/1.1 200 OK', 'OK'],
    ['HTTP/1.1 200 ', ''],
    ['HTTP/1.1 200', ''],
    ['HTTP/1.1 200 Not  so\tfine: ', 'Not  so\tfine: '],
    ['HTTP/1.1 200 Gr\xf6\xdfe', ''],
    ['HTTP/1.1 200 a\x01b', ''],
  ])('has a reason phrase that may be passed on, or none: %j', (line, reason) => {
    expect(said(...(Object.values(parse(`${line}\r\n\r\n`)) as [string, ParsedResponse]))).toMatchObject({
      outcome: 'complete',
      status: 200,
      reason,
    });
  });

  it.each([
    ['websocket', 'Connection: Upgrade\r\nUpgrade: WebSocket\r\n', 'WebSocket'],
    ['a/1, b', 'Connection: upgrade, x\r\nUpgrade: b\r\n', 'b'],
    ['a, b', 'Connection: upgrade\r\nUpgrade: b\r\nUpgrade: a\r\n', 'b,a'],
    ['websocket', 'Connection: upgrade\r\nUpgrade: h2c\r\n', undefined],
    ['websocket', 'Connection: upgrade\r\nUpgrade: websocket, h2c\r\n', undefined],
    ['websocket', 'Connection: upgrade\r\nUpgrade:\r\n', undefined],
    ['websocket', 'Connection: upgrade\r\n', undefined],
    ['websocket', 'Upgrade: websocket\r\n', undefined],
  ])('changes to a protocol that was asked for (RFC 9110 7.8): %s, %j', (upgrade, lines, protocol) => {
    const { outcome, parsed } = parse(answer(lines, 101), { method: 'GET', upgrade });
    expect([outcome, parsed.upgrade]).toEqual([protocol === undefined ? 'refused' : 'complete', protocol]);
    expect(parse(answer(lines, 101).replace('1.1', '1.0'), { method: 'GET', upgrade }).outcome).toBe('refused');
  });

  it('leaves nothing behind for the next', () => {
    const full = answer('Connection: close, x\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n');
    for (const text of [answer(''), answer('Content-Length: 0\r\n'), answer('', 204), 'BAD', full]) {
      const used = new ParsedResponse();
      parse(full, toGet, used);
      parse(full.slice(0, -2), toGet, used);
      used.reset();
      const { outcome, parsed } = parse(text);
      expect(said(parse(text, toGet, used).outcome, used)).toEqual(said(outcome, parsed));
    }
  });
});

describe('every head of an answer', () => {
  const broke = broken(responseTexts.map(({ text }) => text)).chain((text) => cutsOf(text.length).map((cuts) => ({ text, cuts })));

  it('gives the same result however it is cut, whatever stands before and behind it', () => {
    fc.assert(
      fc.property(broke, ({ text, cuts }) => {
        const { outcome, parsed } = parse(text);
        const used = new ParsedResponse();
        parse(answer('Connection: x, close\r\nContent-Length: 5\r\n'), toGet, used);
        const inPieces = inParts(latin1(text), cuts, (buffer, start, end) => parseResponseHead(buffer, start, end, limits, toGet, used));
        expect(said(inPieces, used)).toEqual(said(outcome, parsed));
      }),
      { numRuns: 2_000 },
    );
  });

  const grammar = /^HTTP\/(1\.[01]) ([1-9]\d\d)(?: [^\r\n\0]*)?\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n/;

  it('that is broken is believed only where the grammar has it and its length is beyond doubt', () => {
    fc.assert(
      fc.property(broke, ({ text }) => {
        const { outcome, parsed } = parse(text);
        if (outcome !== 'complete') return;
        const [whole, httpVersion, status] = grammar.exec(text) ?? [];
        expect([parsed.headEnd - parsed.start, parsed.httpVersion, String(parsed.status)]).toEqual([whole?.length, httpVersion, status]);
        const raw = parsed.fields.rawHeaders();
        const valuesOf = (name: string) => raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name);
        const lengths = valuesOf('content-length');
        const codings = valuesOf('transfer-encoding');
        expect(lengths.length + codings.length).toBeLessThanOrEqual(1);
        for (const length of lengths) expect(length).toMatch(/^\d{1,15}$/);
        for (const coding of codings) expect([coding.toLowerCase(), httpVersion]).toEqual(['chunked', '1.1']);
        if (parsed.bodyKind === 'length') expect(parsed.bodyBytes).toBe(Number(lengths[0]));
      }),
      { numRuns: 2_000 },
    );
  });

  it('that is well formed is read as it was written, or its framing is in doubt', () => {
    fc.assert(
      fc.property(responseTexts, ({ response, text }) => {
        const { outcome, parsed } = parse(text, { method: 'GET', upgrade: 'websocket' });
        if (outcome === 'refused') {
          expect(parsed.refusal?.detail).toMatch(/Content-Length|Transfer-Encoding|transfer coding|protocol/);
          return;
        }
        expect(said(outcome, parsed)).toMatchObject({
          ...response,
          reason: /^[\t -~]*$/.test(response.reason) ? response.reason : '',
          length: text.length,
        });
      }),
      { numRuns: 2_000 },
    );
  });
});
