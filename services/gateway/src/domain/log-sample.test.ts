// A log with a share of the requests: stable by request id, and nothing that somebody will look for is missing.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Exchange, type Termination } from './exchange.ts';
import { logShare } from './log-sample.ts';
import { Piece } from './put.ts';

const head = { method: 'GET', httpVersion: '1.1', field: () => undefined } as const;

function exchange(requestId: string, fields: Partial<Exchange> = {}): Exchange {
  return Object.assign(new Exchange(Piece.of(requestId), head, { address: '127.0.0.1', scheme: 'http' }, 0), { status: 200, ...fields });
}

const id = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe('a sampled access log', () => {
  it('has the same requests wherever it is written, and with a larger share those of a smaller one too', () => {
    fc.assert(
      fc.property(id, share, share, (requestId, one, other) => {
        const [small, large] = [Math.min(one, other), Math.max(one, other)];
        const inSmall = logShare(exchange(requestId), 'completed', 10, small);
        expect(logShare(exchange(requestId), 'completed', 900, small)).toBe(inSmall);
        if (inSmall > 0) expect(logShare(exchange(requestId), 'completed', 10, large)).toBeGreaterThan(0);
        expect([0, small]).toContain(inSmall);
        expect(logShare(exchange(requestId), 'completed', 10, 1)).toBe(1);
      }),
    );
  });

  it('has about its share of ordinary requests', () => {
    let written = 0;
    for (let request = 0; request < 10_000; request++) {
      const requestId = ((request * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0').padEnd(32, '0');
      if (logShare(exchange(requestId), 'completed', 10, 0.1) > 0) written += 1;
    }
    expect(written).toBeGreaterThan(800);
    expect(written).toBeLessThan(1_200);
  });

  it.each<[string, Partial<Exchange>, Termination, number]>([
    ['an error', { status: 500 }, 'completed', 10],
    ['a refusal', { status: 429, code: 'rate_limited' }, 'refused', 10],
    ['what the client did wrong', { status: 404 }, 'completed', 10],
    ['what broke off', { status: 200 }, 'upstream_failed', 10],
    ['a client that left before there was an answer', { status: 0 }, 'client_gone', 10],
    ['a tunnel', { status: 101 }, 'tunnel_closed', 10],
    ['what was slow', { status: 200 }, 'completed', 1_001],
  ])('always has %s', (_what, fields, termination, nowMs) => {
    expect(logShare(exchange('f'.repeat(32), fields), termination, nowMs, 0)).toBe(1);
  });
});
