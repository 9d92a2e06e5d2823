// The gateway's own answers.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerRefusal, escapeHtml, prefersHtml } from './answers.ts';

const facts = { requestId: '0'.repeat(32) };

describe('answerRefusal', () => {
  it("lets nothing of a tenant's name or colour become markup or style", () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (name, color) => {
        const { body } = answerRefusal({ code: 'tenant_unpaid' }, { ...facts, accept: 'text/html', branding: { name, color } });
        const plain = answerRefusal({ code: 'tenant_unpaid' }, { ...facts, accept: 'text/html', branding: { name: 'N', color: '' } }).body;
        const tags = (text: string) => text.match(/<[a-z!/]/g);
        if (name !== '') expect(tags(body)).toEqual(tags(plain));
        if (!/^#[0-9a-f]{6}$/i.test(color)) expect(body).toContain('--accent: #5b6470;');
      }),
    );
  });

  it('says the length of its body in bytes', () => {
    const { headers, body } = answerRefusal(
      { code: 'host_unknown' },
      { ...facts, accept: 'text/html', branding: { name: 'Größe', color: '' } },
    );
    expect(headers[headers.indexOf('Content-Length') + 1]).toBe(String(Buffer.byteLength(body)));
  });

  it('tells callers what is wrong with their request, and nobody what is wrong within', () => {
    expect(answerRefusal({ code: 'bad_request', detail: 'no Host came' }, facts).body).toContain('no Host came');
    expect(answerRefusal({ code: 'upstream_unreachable', detail: 'connect ECONNREFUSED 10.0.0.1:80' }, facts).body).not.toContain(
      '10.0.0.1',
    );
  });

  it('asks for whole seconds, at least one', () => {
    const retryAfter = (retryAfterMs: number) => {
      const { headers } = answerRefusal({ code: 'rate_limited', retryAfterMs }, facts);
      return headers[headers.indexOf('Retry-After') + 1];
    };
    expect([retryAfter(0), retryAfter(1), retryAfter(1_000), retryAfter(1_001), retryAfter(1e9)]).toEqual(['1', '1', '1', '2', '3600']);
  });
});

describe('prefersHtml', () => {
  it.each([
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['text/html', true],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
    ['application/json, text/html;q=0.5', false],
    ['application/json;q=0.5, TEXT/HTML;Q=0.5', true],
    ['text/html;q=0', false],
    ['text/html;q=x', false],
  ])('%s', (accept, html) => {
    expect(prefersHtml(accept)).toBe(html);
  });
});

describe('escapeHtml', () => {
  it('leaves no character that could end a text', () => {
    fc.assert(fc.property(fc.string(), (text) => !/[<>"']/.test(escapeHtml(text))));
  });
});
