import { isBurgageError } from '@burgage/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testCatalog } from '../testing/catalog.ts';
import { fingerprintOf, parseTenantRequest, type TenantRequest } from './tenant-request.ts';

const good: TenantRequest = {
  idempotencyKey: 'key-1',
  company: 'Größe & Söhne GmbH',
  plan: 'trial',
  ownerEmail: 'owner@acme.test',
  slug: '',
};

function refusal(change: Partial<TenantRequest>) {
  const result = parseTenantRequest({ ...good, ...change }, testCatalog);
  if (result.ok) throw new Error('it was taken');
  return result.error;
}

describe('parseTenantRequest', () => {
  it('takes a company in any script, trimmed and composed', () => {
    for (const company of ['Größe & Söhne GmbH', '株式会社テスト', 'شركة', '3M', 'C++', 'Zoe\u0308']) {
      const result = parseTenantRequest({ ...good, company: `  ${company} ` }, testCatalog);
      expect(result).toMatchObject({ ok: true, value: { company: company.normalize('NFC') } });
    }
  });

  it.each<[string, Partial<TenantRequest>, string, string]>([
    ['no company', { company: '' }, 'invalid_argument', 'company'],
    ['a company of spaces', { company: '   ' }, 'invalid_argument', 'company'],
    ['an invisible company', { company: '\u200b\u200d' }, 'invalid_argument', 'company'],
    ['a company of hyphens', { company: '---' }, 'invalid_argument', 'company'],
    ['a company of dots', { company: '...' }, 'invalid_argument', 'company'],
    ['a company of symbols', { company: '€ 🚀' }, 'invalid_argument', 'company'],
    ['a company of 201 characters', { company: 'x'.repeat(201) }, 'invalid_argument', 'company'],
    ['control characters', { company: 'Acme\u0007' }, 'invalid_argument', 'company'],
    ['a line break', { company: 'Acme\nEvil' }, 'invalid_argument', 'company'],
    ['a turned direction', { company: 'Acme\u202egnp.exe' }, 'invalid_argument', 'company'],
    ['no plan', { plan: '' }, 'unknown_plan', 'plan'],
    ['an unknown plan', { plan: 'gold' }, 'unknown_plan', 'plan'],
    ['a plan named like a property of every object', { plan: 'constructor' }, 'unknown_plan', 'plan'],
    ['no e-mail', { ownerEmail: '' }, 'invalid_argument', 'owner_email'],
    ['no e-mail address', { ownerEmail: 'owner at acme' }, 'invalid_argument', 'owner_email'],
    ['a slug of two characters', { slug: 'ab' }, 'slug_invalid', 'slug'],
    ['a slug in capitals', { slug: 'Acme' }, 'slug_invalid', 'slug'],
    ['a slug with a hyphen first', { slug: '-acme' }, 'slug_invalid', 'slug'],
    ['a reserved slug', { slug: 'admin' }, 'slug_reserved', 'slug'],
    ['no key', { idempotencyKey: '' }, 'invalid_argument', 'idempotency_key'],
    ['a key with a space', { idempotencyKey: 'a b' }, 'invalid_argument', 'idempotency_key'],
    ['a key of 256 characters', { idempotencyKey: 'k'.repeat(256) }, 'invalid_argument', 'idempotency_key'],
  ])('refuses %s with a code of its own that names the field', (_, change, code, field) => {
    const error = refusal(change);
    expect(error.code).toBe(code);
    expect(error.fields.map((violation) => violation.field)).toEqual([field]);
  });

  it('lists the plans that there are', () => {
    expect(refusal({ plan: 'gold' }).message).toContain('trial, free, starter, professional');
  });

  it('says what came and what was expected, or that nothing came, in one form', () => {
    expect(refusal({ company: '---' }).message).toBe('company: got "---", expected a name with at least one letter or digit');
    expect(refusal({ company: '' }).message).toBe('company: is missing, expected a name of 1 to 200 characters');
    expect(refusal({ plan: 'gold' }).message).toBe('plan: got "gold", expected one of trial, free, starter, professional');
    expect(refusal({ ownerEmail: 'größe@acme.test' }).message).toBe(
      'owner_email: got "größe@acme.test", expected an e-mail address such as owner@example.com, in ASCII before the @',
    );
  });

  it.each(['trial', 'starter', 'professional'])('takes a plan of any isolation: %s', (plan) => {
    expect(parseTenantRequest({ ...good, plan }, testCatalog)).toMatchObject({ ok: true, value: { planName: plan } });
  });

  it('takes an owner at an internationalised domain, in the form in which mail is sent', () => {
    const result = parseTenantRequest({ ...good, ownerEmail: 'a@exämple.de' }, testCatalog);
    expect(result).toMatchObject({ ok: true, value: { ownerEmail: 'a@xn--exmple-cua.de' } });
  });

  it('reports every problem of a request at once', () => {
    const error = refusal({ idempotencyKey: '', company: '', plan: 'gold', ownerEmail: 'x', slug: 'admin' });
    expect(error.code).toBe('invalid_argument');
    expect(error.fields.map(({ field }) => field)).toEqual(['idempotency_key', 'company', 'plan', 'owner_email', 'slug']);
  });

  it('answers anything with a wish or with fields that say what came and what was expected', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constantFrom('trial', 'owner@acme.test', 'acme', ''));
    fc.assert(
      fc.property(fc.record({ idempotencyKey: text, company: text, plan: text, ownerEmail: text, slug: text }), (request) => {
        const result = parseTenantRequest(request, testCatalog);
        if (result.ok) {
          expect(result.value.company.length).toBeGreaterThan(0);
        } else {
          expect(isBurgageError(result.error)).toBe(true);
          expect(result.error.fields.length).toBeGreaterThan(0);
          for (const { description } of result.error.fields) {
            expect(description).toMatch(/^(?:is missing|got ).*, expected /s);
            expect(description.length).toBeLessThan(1_000);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('fingerprintOf', () => {
  it('is the same for two requests exactly when their bodies are', () => {
    const text = fc.string({ maxLength: 5 });
    const body = fc.record({ idempotencyKey: text, company: text, plan: text, ownerEmail: text, slug: text });
    fc.assert(
      fc.property(body, body, (one, other) => {
        const same =
          one.company === other.company && one.plan === other.plan && one.ownerEmail === other.ownerEmail && one.slug === other.slug;
        expect(fingerprintOf(one) === fingerprintOf(other)).toBe(same);
        expect(fingerprintOf({ ...one, idempotencyKey: 'another' })).toBe(fingerprintOf(one));
      }),
    );
  });
});
