import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEmail } from './email.ts';

describe('parseEmail', () => {
  it.each([
    ['owner@acme.test', 'owner@acme.test'],
    ['First.Last+tag@Sub.Example.COM', 'First.Last+tag@sub.example.com'],
    ["o'brien@example.ie", "o'brien@example.ie"],
    ['owner@größe.de', 'owner@xn--gre-6ka8i.de'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
  ])('takes %s', (text, address) => {
    expect(parseEmail(text)).toBe(address);
  });

  it.each([
    '',
    'owner',
    '@acme.test',
    'owner@',
    'owner@localhost',
    'owner@acme.test.',
    'owner@acme..test',
    'owner@-acme.test',
    'owner@acme.test:25',
    'owner@127.0.0.1',
    'owner@[127.0.0.1]',
    'owner@acme.123',
    'a@b@acme.test',
    '.owner@acme.test',
    'owner.@acme.test',
    'ow..ner@acme.test',
    'ow ner@acme.test',
    '"owner"@acme.test',
    'owner@acme.test\nBcc: all@acme.test',
    'Owner <owner@acme.test>',
    'größe@acme.test',
    `${'a'.repeat(65)}@acme.test`,
    `owners@${'a'.repeat(60)}.${'a'.repeat(60)}.${'a'.repeat(60)}.${'a'.repeat(60)}.test`,
  ])('refuses %j', (text) => {
    expect(parseEmail(text)).toBeUndefined();
  });

  it('gives an address that it takes unchanged, whatever came', () => {
    const texts = fc.oneof(
      fc.emailAddress(),
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.string(), fc.string()).map((parts) => parts.join('@')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const address = parseEmail(text);
        if (address === undefined) return;
        expect(parseEmail(address)).toBe(address);
        expect(address).toMatch(/^[\x21-\x7e]{3,254}$/);
      }),
      { numRuns: 300 },
    );
  });
});
