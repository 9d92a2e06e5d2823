// Whatever head a client or an app invents, what is forwarded keeps the rules.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forwardedTrailers, requestHeaders, responseHeaders } from './forward-headers.ts';
import { Piece } from './put.ts';

const names = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
  fc.constantFrom(
    'Connection',
    'TE',
    'Upgrade',
    'Forwarded',
    'X-Forwarded-For',
    'X-FORWARDED-anything',
    'Burgage-Context',
    'burgage-x',
    'Host',
    'Content-Length',
    'Transfer-Encoding',
    'X-Request-Id',
    'Set-Cookie',
    'Keep-Alive',
    'X-Original-URL',
    'X-Rewrite-URL',
    'True-Client-IP',
    'X-Client-IP',
    'X-Forwarded',
  ),
);
const values = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom('close, x-secret', 'x-forwarded-for, host, burgage-context', 'a=1; Domain=example.com', 'a=1'),
);
const rawHeaders = fc.array(fc.tuple(names, values), { maxLength: 15 }).map((pairs) => pairs.flat());
const facts = {
  authority: 'acme.example.com',
  clientAddress: '::1',
  scheme: 'http',
  requestId: Piece.of('r'),
  traceId: Piece.of('4bf92f3577b34da6a3ce929d0e0e4736'),
  spanId: Piece.of('00f067aa0ba902b7'),
  traceFlags: 1,
  keepsTracestate: false,
  context: 'signed',
} as const;

function valuesOf(headers: readonly string[], name: string): string[] {
  return headers.flatMap((item, index) => (index % 2 === 0 && item.toLowerCase() === name ? [headers[index + 1] ?? ''] : []));
}

const misleading = ['x-original-url', 'x-rewrite-url', 'true-client-ip', 'x-client-ip', 'x-forwarded'];
const hopByHop = ['connection', 'te', 'upgrade', 'transfer-encoding', 'keep-alive'];

describe('requestHeaders', () => {
  it('says each of our names exactly once and in our words, and no hop-by-hop field', () => {
    fc.assert(
      fc.property(rawHeaders, (raw) => {
        const headers = requestHeaders(raw, facts);
        expect(valuesOf(headers, 'host')).toEqual(['acme.example.com']);
        expect(valuesOf(headers, 'burgage-context')).toEqual(['signed']);
        expect(valuesOf(headers, 'x-forwarded-for')).toEqual(['::1']);
        expect(valuesOf(headers, 'forwarded')).toEqual(['for="[::1]";host="acme.example.com";proto=http']);
        expect(valuesOf(headers, 'x-request-id')).toEqual(['r']);
        expect(valuesOf(headers, 'x-forwarded-anything')).toEqual([]);
        expect(valuesOf(headers, 'burgage-x')).toEqual([]);
        expect(valuesOf(headers, 'content-length')).toEqual([]);
        for (const name of [...hopByHop, ...misleading]) expect(valuesOf(headers, name)).toEqual([]);
        expect(headers.some((item, index) => index % 2 === 0 && item.includes('_'))).toBe(false);
        for (const list of valuesOf(raw, 'connection')) {
          for (const name of list.split(',').map((item) => item.trim().toLowerCase())) {
            if (name === 'x-secret') expect(valuesOf(headers, name)).toEqual([]);
          }
        }
      }),
    );
  });
});

describe('forwardedTrailers', () => {
  it('are what tells of the body, and nothing that steers', () => {
    const kept = ['ETag', '"1"', 'Server-Timing', 'db;dur=5', 'Content-Digest', 'x', 'grpc-status', '0', 'X-Sum', '42'];
    const dropped = [
      'X-Request-Id, Set-Cookie, Location, Cache-Control, Content-Length, Transfer-Encoding, X-Forwarded-For, X-Accel-Redirect',
      'Burgage-Context, Strict-Transport-Security, Access-Control-Allow-Origin, X-Frame-Options, Date, X_Sum',
    ];
    const raw = [
      ...kept,
      ...dropped
        .join(', ')
        .split(', ')
        .flatMap((name) => [name, '1']),
    ];
    expect(forwardedTrailers(raw).flat()).toEqual(kept);
  });
});

describe('responseHeaders', () => {
  it.each([[103], [204]])('announces no body with %i', (status) => {
    const { headers } = responseHeaders(['Content-Length', '5', 'X', '1'], { requestId: Piece.of('r'), status, baseDomain: '' });
    expect(headers).toEqual(['X', '1', 'X-Request-Id', 'r']);
  });

  it('has no hop-by-hop field, none of our names, and no cookie for the base domain', () => {
    fc.assert(
      fc.property(rawHeaders, (raw) => {
        const { headers, cookiesDropped } = responseHeaders(raw, { requestId: Piece.of('r'), status: 200, baseDomain: 'example.com' });
        for (const name of [...hopByHop, 'burgage-context', 'burgage-x']) expect(valuesOf(headers, name)).toEqual([]);
        expect(valuesOf(headers, 'x-request-id')).toEqual(['r']);
        expect(valuesOf(headers, 'set-cookie')).not.toContain('a=1; Domain=example.com');
        expect(cookiesDropped).toBeLessThanOrEqual(valuesOf(raw, 'set-cookie').length);
      }),
    );
  });
});
