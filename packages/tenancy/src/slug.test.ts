import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normalizeHost, parseSlug, reservedNames, slugFromCompany, slugWithSuffix } from './index.ts';
import { reservedReason } from './reserved.ts';

const slugPattern = /^(?!-)(?!.*--)[a-z0-9-]{3,40}(?<!-)$/;
const ascii = fc.string({ unit: 'grapheme-ascii', maxLength: 60 });
const anyScript = fc.string({ unit: 'binary', maxLength: 60 });
/** UTF-16 code units in any order, halves of pairs among them. */
const brokenText = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units));
const words = fc
  .array(fc.constantFrom('Große', 'GmbH', '&', 'Co.', 'KG', 'api', 'S.A.', '株式会社', '日立', 'Ltd', 'ООО', '🚀', 'x', '-', '  '), {
    maxLength: 12,
  })
  .map((parts) => parts.join(' '));
const company = fc.oneof(ascii, anyScript, brokenText, words, fc.constantFrom(...reservedNames));

describe('slugs made from names', () => {
  test('any name in any script gives a valid, free slug, and the same one each time', () => {
    fc.assert(
      fc.property(company, (name) => {
        const slug = slugFromCompany(name);
        expect(slug).toMatch(slugPattern);
        expect(reservedNames.has(slug)).toBe(false);
        expect(parseSlug(slug)).toEqual({ ok: true, value: slug });
        expect(slugFromCompany(name)).toBe(slug);
        expect(normalizeHost(`${slug}.example.com`)).toEqual({ ok: true, value: `${slug}.example.com` });
      }),
      { numRuns: 500 },
    );
  });

  test('a slug stays itself when it is taken for a name, unless it ends like a legal form', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{4,12}(-[a-z]{4,12}){0,2}0$/), (slug) => {
        expect(slugFromCompany(slug)).toBe(slug);
      }),
    );
  });

  test.for([
    ['Größe & Söhne GmbH', 'grosse-sohne'],
    ['Acme', 'acme'],
    ['ACME Corp.', 'acme'],
    ['Acme™', 'acme'],
    ["L'Oréal S.A.", 'loreal'],
    ['Ørsted A/S', 'orsted'],
    ['Łódź Sp. z o.o.', 'lodz'],
    ['Smith & Co. KG', 'smith'],
    ['Muster GmbH & Co. KG', 'muster'],
    ['Bäckerei Müller e.K.', 'backerei-muller'],
    ['Grupo Bimbo, S.A.B. de C.V.', 'grupo-bimbo'],
    ['Ferrari S.p.A.', 'ferrari'],
    ['Booking.com B.V.', 'booking-com'],
    ['Nokia Oyj', 'nokia'],
    ['Volvo AB', 'volvo'],
    ['Toyota K.K.', 'toyota'],
    ['PT Telkom Tbk', 'telkom'],
    ['S.C. Johnson & Son, Inc.', 'sc-johnson-son'],
    ['U.S. Steel Corp.', 'us-steel'],
    ['1&1 AG', '1-1'],
    ['360', '360'],
    ['ОАО «Газпром»', 'gazprom'],
    ['株式会社日立製作所', 'rilizhizuosuo'],
    ['㈱東芝', 'dongzhi'],
    ['上海汽车集团股份有限公司', 'shanghaiqichejituan'],
    ['주식회사 카카오', 'kakao'],
    ['บริษัท ปตท. จำกัด (มหาชน)', 'ptth'],
    ['🚀 Rocket', 'rocket'],
    ['ＡＣＭＥ　Ｌｔｄ', 'acme'],
  ] as const)('%s is %s', ([name, slug]) => {
    expect(slugFromCompany(name)).toBe(slug);
  });

  test.for([
    ['HP Inc', 'hp-inc'],
    ['API GmbH', 'api-gmbh'],
    ['GmbH', 'gmbh'],
  ] as const)('the legal form stays where too little would be left: %s is %s', ([name, slug]) => {
    expect(slugFromCompany(name)).toBe(slug);
  });

  test.for([
    ['3M', /^3m-[0-9a-z]{4}$/],
    ['Admin', /^admin-[0-9a-z]{4}$/],
    ['', /^tenant-[0-9a-z]{8}$/],
    ['🚀🚀', /^tenant-[0-9a-z]{8}$/],
    ['---', /^tenant-[0-9a-z]{8}$/],
  ] as const)('what is short, reserved or empty gets characters of its digest: %s', ([name, pattern]) => {
    expect(slugFromCompany(name)).toMatch(pattern);
  });

  test('two names without letters get two slugs', () => {
    expect(slugFromCompany('🚀')).not.toBe(slugFromCompany('🎉'));
  });

  test('a long name is cut behind a word, a long word anywhere', () => {
    expect(slugFromCompany('A very long company name that never seems to end at all Limited')).toBe('a-very-long-company-name-that-never');
    expect(slugFromCompany('x'.repeat(100_000))).toBe('x'.repeat(40));
  });
});

describe('slugs with a suffix', () => {
  test('a slug with a suffix is a valid, free slug that begins like the one before', () => {
    const taken = fc.oneof(company.map(slugFromCompany), fc.stringMatching(/^[a-z0-9]{36}-[a-z0-9]{3}$/));
    fc.assert(
      fc.property(taken, fc.uint8Array({ minLength: 2, maxLength: 2 }), (slug, bytes) => {
        const suffixed = slugWithSuffix(slug, { bytes: () => bytes });
        expect(suffixed).toMatch(slugPattern);
        expect(suffixed).toMatch(/-[0-9a-hjkmnp-tv-z]{3}$/);
        expect(reservedNames.has(suffixed)).toBe(false);
        expect(slug.startsWith(suffixed.slice(0, -4))).toBe(true);
      }),
    );
  });

  test('acme gets the characters that the randomness says', () => {
    const random = { bytes: (count: number) => new Uint8Array([0b00111_100, 0b11_00010_0]).subarray(0, count) };
    expect(slugWithSuffix('acme', random)).toBe('acme-7k2');
  });
});

describe('slugs from people', () => {
  test.for(['ab', 'x'.repeat(41), '', 'Acme', 'ac_me', 'ac me', '-acme', 'acme-', 'ac--me', 'xn--acme', 'größe', 'acme\n', 'a.b', 'ac/me'])(
    '%j is not valid',
    (text) => {
      const result = parseSlug(text);
      expect(result).toMatchObject({ ok: false, error: { code: 'slug_invalid', fields: [{ field: 'slug' }] } });
      expect(!result.ok && result.error.message).toMatch(text === '' ? /^slug: is missing, expected / : /^slug: got ".*, expected /);
    },
  );

  test('a reserved name is refused with the reason why it is reserved', () => {
    const result = parseSlug('autodiscover');
    expect(result).toMatchObject({ ok: false, error: { code: 'slug_reserved', fields: [{ field: 'slug' }] } });
    expect(!result.ok && result.error.message).toBe(
      'slug: got "autodiscover", expected a name that is not reserved: mail programs and mail servers look there by themselves',
    );
  });

  test('a text is a slug exactly when the rule says so', () => {
    const nearSlugs = fc.string({ unit: fc.constantFrom('a', 'z', '0', '9', '-', 'A', '_', '.'), maxLength: 45 });
    fc.assert(
      fc.property(fc.oneof(nearSlugs, anyScript), (text) => {
        expect(parseSlug(text).ok).toBe(slugPattern.test(text) && !reservedNames.has(text));
      }),
    );
  });
});

describe('reserved names', () => {
  test('every one would be a valid slug otherwise, and says why it is none', () => {
    for (const name of reservedNames) {
      expect(name).toMatch(slugPattern);
      expect(reservedReason(name)).toMatch(/^[a-z]/);
    }
  });

  test('what mail programs, resolvers, browsers and the platform look for is among them', () => {
    for (const name of [
      'api',
      'www',
      'admin',
      'console',
      'mail',
      'status',
      'ns1',
      'autodiscover',
      'wpad',
      'isatap',
      'localhost',
      'sso',
      'gateway',
      'burgage',
    ]) {
      expect(reservedNames.has(name), name).toBe(true);
    }
  });

  test('no suffix leads to one: not three characters behind a slug, and never four', () => {
    for (const name of reservedNames) {
      const stem = /^(.+)-[0-9a-hjkmnp-tv-z]{3}$/.exec(name)?.[1];
      if (stem !== undefined) expect(parseSlug(stem).ok, name).toBe(false);
      expect(name).not.toMatch(/-[0-9a-hjkmnp-tv-z]{4}$/);
    }
  });
});
