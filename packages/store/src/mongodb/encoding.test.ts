// Values through BSON: every JSON value comes back the same, and nothing in it is anything that a server refuses.

import fc from 'fast-check';
import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import type { Json } from '../port.ts';
import { escapeName, fromBson, toBson, unescapeName } from './encoding.ts';

const trickyName = fc.oneof(
  fc.string({ unit: fc.constantFrom('%', '.', '$', '\0', '2', 'E', 'u', 'D', 'j', '\ud800', '\udc00', 'é', '😀'), maxLength: 8 }),
  fc.constantFrom(
    '',
    '%',
    '%json',
    '%2E',
    '%uD800',
    '_bsontype',
    '%5Fbsontype',
    '__proto__',
    '$ref',
    '$id',
    '_id',
    'a.b',
    '1',
    '0',
    '01',
    'constructor',
    'toBSON',
  ),
  fc.string({ unit: 'binary' }),
);
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('half \ud800', '\udfff', 'zero \0'));
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(2 ** 31, -(2 ** 31) - 1, 2 ** 53, 2 ** 63, 5e-324),
);
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 5, depthIdentifier: 'json' },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('json'), { maxLength: 4, depthIdentifier: 'json' }),
    fc.dictionary(trickyName, tie('json'), { maxKeys: 4, depthIdentifier: 'json', noNullPrototype: true }),
  ),
}));

function throughBson(value: Json): Json {
  const bytes = BSON.serialize({ value: toBson(value) });
  return fromBson(BSON.deserialize(bytes).value);
}

/** As the store has made it: JSON has no negative zero. */
function asJson(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

/** Every name and every list right inside a list of what a server is sent. */
function refusedPieces(value: unknown, path = '', depth = 0): string[] {
  if (typeof value === 'string') return value.isWellFormed() ? [] : [`${path}: half a character`];
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.entries(value).flatMap(([name, piece]) => refusedPieces(piece, `${path}/${name}`, depth + 1));
  if (Array.isArray(value)) return [...inner, ...(value.some(Array.isArray) ? [`${path}: list in list`] : [])];
  const names = Object.keys(value).filter(
    (name) => name === '' || name.startsWith('$') || /[.\0]/.test(name) || name === '_bsontype' || !name.isWellFormed(),
  );
  return [...inner, ...names.map((name) => `${path}: ${JSON.stringify(name)}`), ...(depth > 90 ? [`${path}: too deep`] : [])];
}

describe('a JSON value', () => {
  it('comes back from BSON the same, in the same order', () => {
    fc.assert(
      fc.property(json, (value) => {
        // The text tells everything about a JSON value: also the order of names.
        expect(JSON.stringify(throughBson(asJson(value)))).toBe(JSON.stringify(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('holds nothing that a server refuses', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(refusedPieces(toBson(asJson(value)))).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is kept where it is nested as deeply as values may be', () => {
    for (const wrap of [(inner: Json): Json => [inner], (inner: Json): Json => ({ a: inner }), (inner: Json): Json => [{ a: inner }]]) {
      let deep: Json = 'bottom';
      for (let level = 0; level < 100; level += 1) deep = wrap(deep);
      expect(throughBson(deep)).toStrictEqual(deep);
      expect(refusedPieces(toBson(deep))).toEqual([]);
    }
  });

  it('is something that people can read in the database', () => {
    expect(toBson({ slug: 'acme', hosts: { 'acme.example.com': { on: true } }, sizes: [1, 2.5] })).toEqual({
      slug: 'acme',
      hosts: { 'acme%2Eexample%2Ecom': { on: true } },
      sizes: [1, 2.5],
    });
  });
});

describe('a name', () => {
  it('is escaped so that it comes back, and no other name with it', () => {
    fc.assert(
      fc.property(trickyName, trickyName, (one, other) => {
        expect(unescapeName(escapeName(one))).toBe(one);
        if (one !== other) expect(escapeName(one)).not.toBe(escapeName(other));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('what somebody else wrote into the database', () => {
  it.each([
    ['a date', new Date(0)],
    ['an object id', new BSON.ObjectId()],
    ['a long integer', BSON.Long.fromString('9007199254740993')],
    ['not a number', Number.NaN],
    ['cut-off JSON text', { '%json': '[1' }],
  ])('is refused where JSON has no such thing: %s', (_, value) => {
    const stored = BSON.deserialize(BSON.serialize({ deep: [{ value }] }));
    expect(() => fromBson(stored)).toThrow(/got a|got NaN|JSON/);
  });
});
