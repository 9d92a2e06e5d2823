import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { catalogJsonSchema } from './catalog-schema.ts';
import { type Catalog, parseCatalog, unwrap } from './index.ts';

const litedesk = readFileSync(new URL('../../../catalogs/litedesk.yaml', import.meta.url), 'utf8');

const small = `name: shop
title: Shop
currency: EUR
app: { name: shop, entry: main.ts, readyPath: / }
plans:
  only:
    title: Only
    priceMinor: 0
    isolation: pool
    limits: { requestsPerSecond: 1, concurrency: 1, bodyBytesMax: 0 }
    features: []
`;

/** The problems of a text that has some, each as `line:column field: description`. */
function problems(text: string): string[] {
  const result = parseCatalog(text, 'shop.yaml');
  if (result.ok) throw new Error('the catalog has no problem');
  expect(result.error.code).toBe('catalog_invalid');
  return result.error.fields.map(({ field, description }) => {
    const [, place, rest] = /^shop\.yaml:(\d+:\d+) (.+)$/s.exec(description) ?? [];
    return `${place} ${field}: ${rest}`;
  });
}

describe('litedesk', () => {
  const catalog = unwrap(parseCatalog(litedesk, 'litedesk.yaml'));

  test('sells its four plans at the prices, isolations and limits that were asked for', () => {
    const rows = Object.entries(catalog.plans).map(([name, { priceMinor, isolation, limits, trialDays }]) => [
      name,
      priceMinor,
      isolation,
      limits.requestsPerSecond,
      limits.concurrency,
      trialDays,
    ]);
    expect(rows).toEqual([
      ['trial', 0, 'pool', 20, 20, 15],
      ['starter', 9_900, 'bridge', 50, 50, undefined],
      ['professional', 29_900, 'silo', 200, 200, undefined],
      ['enterprise', 99_900, 'silo', 1_000, 500, undefined],
    ]);
    expect(catalog.currency).toBe('USD');
  });

  test('a dearer plan takes nothing away', () => {
    const plans = Object.values(catalog.plans);
    for (const [i, plan] of plans.entries()) {
      const cheaper = plans[i - 1];
      if (!cheaper) continue;
      expect(plan.features).toEqual(expect.arrayContaining(cheaper.features));
      expect(plan.limits.bodyBytesMax).toBeGreaterThan(cheaper.limits.bodyBytesMax);
    }
  });

  test('names the schema that editors check it with', () => {
    expect(litedesk).toMatch(/^# yaml-language-server: \$schema=catalog\.schema\.json\n/);
  });
});

describe('a catalog', () => {
  test('is what stands in the file', () => {
    expect(unwrap(parseCatalog(small, 'shop.yaml'))).toEqual(parse(small));
  });

  test('has no plans but those in the file: a name from outside finds nothing that JavaScript put there', () => {
    const { plans } = unwrap(parseCatalog(small, 'shop.yaml'));
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty', '']) expect(plans[name]).toBeUndefined();
  });

  test('may be JSON too, and survives being written again', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4}){0,2}$/);
    const text = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((title) => title.length <= 80);
    const count = (min: number, max: number) => fc.integer({ min, max });
    const plan = fc.record(
      {
        title: text,
        priceMinor: count(0, 1_000_000_000),
        isolation: fc.constantFrom('pool', 'bridge', 'silo'),
        limits: fc.record({ requestsPerSecond: count(1, 1_000_000), concurrency: count(1, 1_000_000), bodyBytesMax: count(0, 2 ** 40) }),
        features: fc.uniqueArray(name, { maxLength: 6 }),
        trialDays: count(1, 365),
        gracePeriodDays: count(0, 365),
      },
      { requiredKeys: ['title', 'priceMinor', 'isolation', 'limits', 'features'], noNullPrototype: true },
    );
    const catalog = fc.record({
      name,
      title: text,
      currency: fc.constantFrom('USD', 'EUR', 'JPY'),
      app: fc.record({ name, entry: text, readyPath: fc.constantFrom('/', '/readyz') }),
      plans: fc.dictionary(name, plan, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
    });
    fc.assert(
      fc.property(catalog, fc.boolean(), (value, asJson) => {
        const parsed = unwrap(parseCatalog(asJson ? JSON.stringify(value) : stringify(value), 'shop.yaml'));
        expect(parsed).toEqual(value as Catalog);
      }),
    );
  });
});

describe('a catalog with errors', () => {
  test('says each on a line of its message, with file, line, column, field, what came and what was expected', () => {
    const text = small.replace('isolation: pool', 'isolation: pol').replace('priceMinor: 0', 'priceMinor: 9.99');
    expect(parseCatalog(text, 'shops/shop.yaml')).toMatchObject({
      error: {
        message: [
          'shops/shop.yaml:8:17 plans.only.priceMinor: got 9.99, expected a whole number from 0 to 1000000000',
          'shops/shop.yaml:9:16 plans.only.isolation: got "pol", expected one of pool, bridge, silo',
        ].join('\n'),
      },
    });
  });

  test('says ten in its message where there are more, and how many there are beside them', () => {
    const text = small + Array.from({ length: 13 }, (_, index) => `unknown-key-${index}: 1\n`).join('');
    const result = parseCatalog(text, 'shop.yaml');
    const message = result.ok ? '' : result.error.message;
    expect(message.split('\n')).toHaveLength(11);
    expect(message).toMatch(/\nand 3 more$/);
    expect(problems(text)).toHaveLength(13);
  });

  test('says them all in its fields, in the order of the file', () => {
    const text = `name: Shop
title:
curency: EUR
app: { name: shop, entry: '', readyPath: readyz, port: 80 }
plans:
  Only:
    title: Only
  only:
    title: [a]
    priceMinor: -1
    isolation: pol
    limits: { requestsPerSecond: 0, concurrency: many }
    features: [export, export, No]
`;
    expect(problems(text)).toEqual([
      '1:1 currency: is missing, expected a currency code of ISO 4217, such as USD',
      '1:7 name: got "Shop", expected a name of 1 to 40 lower-case letters, digits and single hyphens, beginning with a letter',
      '2:1 title: is missing, expected text of 1 to 80 characters',
      '3:1 curency: is not known here, did you mean currency?',
      '4:27 app.entry: got "", expected text of 1 to 1024 characters',
      '4:42 app.readyPath: got "readyz", expected a path that begins with / and has no spaces, ? or #',
      '4:50 app.port: is not known here, expected one of name, entry, readyPath',
      '6:3 plans.Only: got "Only", expected a name of 1 to 40 lower-case letters, digits and single hyphens, beginning with a letter',
      '9:5 plans.only.title: got a list, expected text of 1 to 80 characters',
      '10:17 plans.only.priceMinor: got -1, expected a whole number from 0 to 1000000000',
      '11:16 plans.only.isolation: got "pol", expected one of pool, bridge, silo',
      '12:5 plans.only.limits.bodyBytesMax: is missing, expected a whole number from 0 to 1099511627776',
      '12:34 plans.only.limits.requestsPerSecond: got 0, expected a whole number from 1 to 1000000',
      '12:50 plans.only.limits.concurrency: got "many", expected a whole number from 1 to 1000000',
      '13:24 plans.only.features.1: got "export", expected each feature once',
      '13:32 plans.only.features.2: got "No", expected a name of 1 to 40 lower-case letters, digits and single hyphens, beginning with a letter',
    ]);
  });

  test.for([
    ['an empty file', '', '1:1 catalog: is missing, expected a mapping with name, title, currency, app, plans'],
    ['a list', '- a', '1:1 catalog: got a list, expected a mapping with name, title, currency, app, plans'],
    ['no plans', small.replace(/plans:.*/s, 'plans: {}\n'), '5:1 plans: got a mapping, expected at least one plan'],
    [
      'a plan that is text',
      small.replace(/only:\n.*/s, 'only: cheap\n'),
      '6:9 plans.only: got "cheap", expected a mapping with title, priceMinor, isolation, trialDays, gracePeriodDays, limits, features',
    ],
    [
      'a value that is wrong in two ways',
      small.replace('EUR', 'dollars'),
      '3:11 currency: got "dollars", expected a currency code of ISO 4217, such as USD',
    ],
    [
      'a name that is wrong in two ways',
      small.replace('name: shop\n', `name: ${'Shop'.repeat(11)}\n`),
      `1:7 name: got "${'Shop'.repeat(11)}", expected a name of 1 to 40 lower-case letters, digits and single hyphens, beginning with a letter`,
    ],
    [
      'a currency that nobody has',
      small.replace('EUR', 'EUX'),
      '3:11 currency: got "EUX", expected a currency code of ISO 4217, such as USD',
    ],
    ['a key twice', `${small}title: Again\n`, '12:1 title: got the key twice, expected it once'],
    [
      'a key twice in a plan',
      small.replace('    priceMinor: 0\n', '    priceMinor: 0\n    priceMinor: 1\n'),
      '9:5 plans.only.priceMinor: got the key twice, expected it once',
    ],
    ['a key that JavaScript hides', `${small}  __proto__: {}\n`, '12:3 plans.__proto__: is not known here'],
    [
      'an alias',
      small.replace('title: Shop', 'title: &t Shop').replace('title: Only', 'title: *t'),
      '7:12 plans.only.title: got the alias *t, expected the value itself',
    ],
    [
      'a tag',
      small.replace('title: Shop', 'title: !!str 5'),
      '2:14 title: got the tag tag:yaml.org,2002:str, expected a value without a tag',
    ],
    ['an older YAML', `%YAML 1.1\n---\n${small}`, '1:1 catalog: got YAML 1.1, expected YAML 1.2'],
    ['two documents', `${small}---\n${small}`, '12:1 catalog: got a second document, expected one'],
    ['a key that is a list', `${small}? [a]\n: 1\n`, '12:3 catalog: got a key that is no text, expected a name'],
    ['a heap of brackets', '['.repeat(100_000), '1:1 catalog: got mappings and lists in too many levels, expected a catalog'],
    ['a book', '#'.repeat(300_000), '1:1 catalog: got 300000 characters, expected at most 262144'],
  ] as const)('%s is refused at its place', ([, text, problem]) => {
    expect(problems(text)).toEqual([problem]);
  });

  test('a tab is refused at its line', () => {
    expect(problems(small.replace('  only:', '\tonly:'))[0]).toMatch(/^6:\d+ .+: is not YAML: Tabs are not allowed as indentation$/);
  });

  test('whatever text comes, nothing is thrown and every error carries field, file, line and column', () => {
    const lines = small.split('\n');
    const piece = fc.constantFrom(
      ...lines,
      ...lines.map((line) => line.trim()),
      '{',
      '}',
      '[',
      ']',
      '- ',
      ': ',
      '? ',
      '&a',
      '*a',
      '!x',
      '|',
      '>',
      "'",
      '"',
      '#',
      '---',
      '...',
      '%YAML 1.1',
      '\t',
      '  ',
      '__proto__: 1',
      '<<: {}',
      '.nan',
      '0x10',
      '1e999',
      '2001-01-01',
    );
    const mutated = fc
      .tuple(fc.nat({ max: small.length }), fc.nat({ max: 8 }), fc.string({ unit: 'binary', maxLength: 4 }))
      .map(([at, length, insert]) => small.slice(0, at) + insert + small.slice(at + length));
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      mutated,
      fc.array(piece, { maxLength: 15 }).chain((parts) => fc.constantFrom('\n', ' ', '').map((glue) => parts.join(glue))),
    );
    fc.assert(
      fc.property(text, (text) => {
        const result = parseCatalog(text, 'shop.yaml');
        if (result.ok) return;
        expect(result.error.code).toBe('catalog_invalid');
        expect(result.error.message).toMatch(/^shop\.yaml:[1-9]\d*:[1-9]\d* \S.*: .+$/s);
        expect(result.error.fields.length).toBeGreaterThan(0);
        for (const { field, description } of result.error.fields) {
          expect(field).not.toBe('');
          expect(description).toMatch(/^shop\.yaml:[1-9]\d*:[1-9]\d* .+/s);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the JSON Schema for editors', () => {
  test('explains every field, and lets nothing through that the reader refuses by name', () => {
    const walk = (schema: unknown, path: string): void => {
      if (typeof schema !== 'object' || schema === null) return;
      const { properties, additionalProperties, description } = schema as Record<string, unknown>;
      if (path !== '') expect(description, path).toEqual(expect.any(String));
      if (properties) expect(additionalProperties, path).toBe(false);
      for (const [key, inner] of Object.entries((properties ?? {}) as object)) walk(inner, path === '' ? key : `${path}.${key}`);
      walk(additionalProperties, `${path}.*`);
    };
    walk(catalogJsonSchema(), '');
  });
});
