// Heads of HTTP/2 become heads of HTTP/1.1 that say the same, or nothing.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { defaultLimits } from '../../defaults.ts';
import { ParsedRequest } from '../http1/request-head.ts';
import { HeaderLine } from './header-line.ts';
import { readRequestFields, refuseTooLarge } from './request-fields.ts';

const pseudo = [':method', 'GET', ':scheme', 'https', ':authority', 'acme.test', ':path', '/a?b'];

function linesOf(headers: readonly string[]): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const value = Buffer.from(headers[i + 1] ?? '', 'latin1');
    lines.push(new HeaderLine(Buffer.from(headers[i] ?? '', 'latin1'), value, 0, value.length));
  }
  return lines;
}

function read(headers: readonly string[], isWhole = true): ParsedRequest | string {
  const head = new ParsedRequest();
  const refusal = readRequestFields(linesOf(headers), isWhole, defaultLimits, head);
  if (refusal === undefined || refusal === 'malformed') return refusal ?? head;
  return refusal.detail ?? refusal.code;
}

it('method, path, host and fields are those that came, cookies in one line', () => {
  const head = read([...pseudo, 'accept', 'text/html', 'cookie', 'a=1', 'cookie', 'b=2', 'te', 'trailers']);
  if (typeof head === 'string') throw new Error(head);
  expect(head).toMatchObject({ method: 'GET', path: '/a?b', host: 'acme.test', bodyKind: 'none', keepAlive: true });
  expect(head.requestHead().rawHeaders).toEqual(['host', 'acme.test', 'accept', 'text/html', 'te', 'trailers', 'cookie', 'a=1; b=2']);
});

it('a body without a length is one in chunks, and one with a length has that', () => {
  expect(read(pseudo, false)).toMatchObject({ bodyKind: 'chunked' });
  expect(read([...pseudo, 'content-length', '5'], false)).toMatchObject({ bodyKind: 'length', bodyBytes: 5 });
  expect(read([...pseudo, 'content-length', '0'], true)).toMatchObject({ bodyKind: 'none', hasContentLength: true });
});

it('the Host field stands in for an authority, and says the same where there are both', () => {
  const withoutAuthority = [':method', 'GET', ':scheme', 'https', ':path', '/'];
  expect(read([...withoutAuthority, 'host', 'acme.test'])).toMatchObject({ host: 'acme.test' });
  expect(read([...pseudo, 'host', 'ACME.test'])).toMatchObject({ host: 'acme.test' });
  expect(read([...pseudo, 'host', 'acme.test:443'])).toBe('the Host field names another host than the authority');
  expect(read(withoutAuthority)).toBe('no Host came');
});

it.each([
  ['a method that comes twice', [...pseudo, ':method', 'GET']],
  ['an unknown pseudo-header', [...pseudo, ':protocol', 'websocket']],
  ['a pseudo-header of answers', [...pseudo, ':status', '200']],
  ['a pseudo-header behind a field', [...pseudo.slice(0, 6), 'accept', 'a', ...pseudo.slice(6)]],
  ['no path', pseudo.slice(0, 6)],
  ['an empty path', [...pseudo.slice(0, 6), ':path', '']],
  ['a path without a slash', [...pseudo.slice(0, 6), ':path', 'a']],
  ['no method', pseudo.slice(2)],
  ['no scheme', [...pseudo.slice(0, 2), ...pseudo.slice(4)]],
  ['a name in upper case', [...pseudo, 'Accept', 'a']],
  ['a name with a blank', [...pseudo, 'a b', 'a']],
  ['a name with a colon', [...pseudo, 'a:b', 'a']],
  ['an empty name', [...pseudo, '', 'a']],
  ['Connection', [...pseudo, 'connection', 'close']],
  ['Transfer-Encoding', [...pseudo, 'transfer-encoding', 'chunked']],
  ['Upgrade', [...pseudo, 'upgrade', 'websocket']],
  ['TE of more than trailers', [...pseudo, 'te', 'trailers, gzip']],
  ['a line break in a value', [...pseudo, 'a', 'b\r\nc: d']],
  ['a NUL in a value', [...pseudo, 'a', 'b\0']],
  ['a blank around a value', [...pseudo, 'a', 'b ']],
  ['a line break in a path', [':method', 'GET', ':scheme', 'https', ':authority', 'acme.test', ':path', '/ HTTP/1.1\r\nx: y']],
  ['a line break in a method', [':method', 'GET / HTTP/1.1\r\nx:', ':scheme', 'https', ':authority', 'acme.test', ':path', '/']],
  ['a version in a path', [':method', 'GET', ':scheme', 'https', ':authority', 'acme.test', ':path', '/ HTTP/1.1']],
  ['a length without a body', [...pseudo, 'content-length', '5']],
])('%s is no head of HTTP/2', (_, headers) => {
  expect(read(headers)).toBe('malformed');
});

it.each([
  ['CONNECT', [':method', 'CONNECT', ':authority', 'acme.test:443']],
  ['TRACE', [':method', 'TRACE', ...pseudo.slice(2)]],
  ['no path but an asterisk', [':method', 'OPTIONS', ...pseudo.slice(2, 6), ':path', '*']],
  ['another scheme', [':method', 'GET', ':scheme', 'http', ...pseudo.slice(4)]],
  ['two lengths', [...pseudo, 'content-length', '1', 'content-length', '1']],
  ['two hosts', [...pseudo, 'host', 'acme.test', 'host', 'acme.test']],
  ['a host with a blank', [':method', 'GET', ':scheme', 'https', ':authority', 'a b', ':path', '/']],
])('%s is answered with a refusal', (_, headers) => {
  const refusal = read(headers);
  expect(refusal).toBeTypeOf('string');
  expect(refusal).not.toBe('malformed');
});

it('a head that is refused has nothing of the one before it', () => {
  const head = new ParsedRequest();
  const nothing = { method: '', target: '', httpVersion: '1.1', rawHeaders: [] };
  expect(readRequestFields(linesOf(pseudo), true, defaultLimits, head)).toBeUndefined();
  head.reset();
  const twoHosts = linesOf([...pseudo, 'host', 'acme.test', 'host', 'acme.test']);
  expect(readRequestFields(twoHosts, true, defaultLimits, head)).toMatchObject({ code: 'bad_request' });
  expect(head.requestHead()).toEqual(nothing);
  expect(readRequestFields(linesOf(pseudo), true, defaultLimits, head)).toBeUndefined();
  head.reset();
  expect(refuseTooLarge(head)).toMatchObject({ code: 'head_too_large' });
  expect(head.requestHead()).toEqual(nothing);
});

it('whatever the fields hold, the head is refused or says exactly what came', () => {
  const character = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
  const wild = fc.string({ unit: character, maxLength: 12 });
  const value = fc.oneof(wild, fc.constantFrom('a', 'trailers', '5', '\r\n', ' a ', 'a\r\n\r\nGET / HTTP/1.1'));
  const name = fc.oneof(wild, fc.constantFrom('accept', 'x-a', 'cookie', 'host', 'content-length', 'expect', 'te', 'a\r\nb'));
  const field = fc.tuple(name, value);
  fc.assert(
    fc.property(fc.array(field, { maxLength: 5 }), value, value, fc.boolean(), (fields, path, authority, isWhole) => {
      const headers = [':method', 'GET', ':scheme', 'https', ':authority', authority, ':path', `/${path}`, ...fields.flat()];
      const head = read(headers, isWhole);
      if (typeof head === 'string') return;
      expect(head.target).toBe(`/${path}`);
      const came = fields
        .filter(([one]) => one !== 'cookie' && one !== 'host')
        .map(([one, text]) => `${one}: ${text.replace(/^[\t ]+|[\t ]+$/g, '')}`);
      const cookies = fields.filter(([one]) => one === 'cookie').map(([, text]) => text);
      const { rawHeaders } = head.requestHead();
      const lines = Array.from({ length: rawHeaders.length / 2 }, (_, index) => `${rawHeaders[2 * index]}: ${rawHeaders[2 * index + 1]}`);
      const own = lines.filter((line) => !line.startsWith('cookie: ') && !line.startsWith('host: '));
      expect(own).toEqual([
        ...came,
        ...(!isWhole && !fields.some(([one]) => one === 'content-length') ? ['transfer-encoding: chunked'] : []),
      ]);
      expect(lines.filter((line) => line.startsWith('cookie: '))).toHaveLength(cookies.length > 0 ? 1 : 0);
    }),
    { numRuns: 2_000 },
  );
});
