// The head reader: anything at all goes in, and only what is beyond doubt comes out.
import { normalizeHost } from '@burgage/tenancy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RequestHead, readHead } from './request-head.ts';

const limits = { headerLinesMax: 20, targetBytesMax: 200 };
const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 30 });
const names = fc.oneof(
  latin1,
  fc.constantFrom('Host', 'host', 'Content-Length', 'Transfer-Encoding', 'Connection', 'Upgrade', 'Expect', 'X-Any'),
);
const values = fc.oneof(
  latin1,
  fc.constantFrom('acme.test', 'ACME.test:80', '5', '0', 'chunked', 'upgrade', 'websocket', 'h2c', '100-continue', 'close', ''),
);
const heads: fc.Arbitrary<RequestHead> = fc.record({
  method: fc.oneof(latin1, fc.constantFrom('GET', 'POST', 'TRACE', 'CONNECT')),
  target: fc.oneof(latin1, fc.constantFrom('/', '/a?b', 'http://acme.test/', 'http://other.test', '*')),
  httpVersion: fc.constantFrom('1.0', '1.1'),
  rawHeaders: fc.array(fc.tuple(names, values), { maxLength: 12 }).map((pairs) => pairs.flat()),
});

const good = (more: string[] = [], method = 'GET'): RequestHead => ({
  method,
  target: '/',
  httpVersion: '1.1',
  rawHeaders: ['Host', 'acme.test', ...more],
});

describe('readHead', () => {
  it('never throws, and what it believes keeps every rule', () => {
    fc.assert(
      fc.property(heads, (head) => {
        const read = readHead(head, limits);
        if (!read.ok) {
          expect(read.error.close).toBe(true);
          return;
        }
        const count = (name: string) => head.rawHeaders.filter((item, index) => index % 2 === 0 && item.toLowerCase() === name).length;
        expect(count('host')).toBe(1);
        expect(count('content-length') + count('transfer-encoding')).toBeLessThanOrEqual(1);
        expect(['TRACE', 'CONNECT']).not.toContain(head.method);
        expect(read.value.path).toMatch(/^\/[\x21-\x7e]*$/);
        expect(normalizeHost(read.value.authority)).toEqual({ ok: true, value: read.value.host });
        if (read.value.body.kind === 'chunked') expect(head.httpVersion).toBe('1.1');
        if (read.value.upgrade !== undefined) expect([head.method, read.value.body.kind]).toEqual(['GET', 'none']);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [good(['Content-Length', '5']), { kind: 'length', bytes: 5 }],
    [good(['Content-Length', '0']), { kind: 'none' }],
    [good(['Transfer-Encoding', 'Chunked']), { kind: 'chunked' }],
    [good(), { kind: 'none' }],
  ])('reads the length of a body', (head, body) => {
    expect(readHead(head, limits)).toMatchObject({ ok: true, value: { body } });
  });

  it('takes Upgrade only with Connection, GET and no body, and never to hidden HTTP', () => {
    const upgradeOf = (more: string[], method?: string) => {
      const read = readHead(good(more, method), limits);
      return read.ok ? read.value.upgrade : 'refused';
    };
    expect(upgradeOf(['Connection', 'keep-alive, Upgrade', 'Upgrade', 'websocket'])).toBe('websocket');
    expect(upgradeOf(['Upgrade', 'websocket'])).toBeUndefined();
    expect(upgradeOf(['Connection', 'Upgrade', 'Upgrade', 'websocket'], 'POST')).toBeUndefined();
    expect(upgradeOf(['Connection', 'Upgrade', 'Upgrade', 'h2c'])).toBeUndefined();
    expect(upgradeOf(['Connection', 'Upgrade', 'Upgrade', 'a b'])).toBe('refused');
  });
});
