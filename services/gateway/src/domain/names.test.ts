// Names have one number each, whatever the names and however they meet.
import { seededRandom } from '@burgage/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawHashKey, hashName } from './name-hash.ts';
import { Names } from './names.ts';
import { Texts } from './texts.ts';

const key = drawHashKey(seededRandom(7));
const anyName = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('', 'a', 'ab', 'é', '世', 'a.test', 'b.test'),
);

describe('Names', () => {
  it('give each name one number, from 0 on, and find nothing else', () => {
    fc.assert(
      fc.property(fc.array(anyName, { maxLength: 300, size: 'max' }), fc.array(anyName, { maxLength: 20 }), (list, others) => {
        const names = new Names(key);
        const model = new Map<string, number>();
        for (const name of list) {
          const number = model.get(name) ?? model.size;
          expect(names.find(name)).toBe(model.get(name) ?? -1);
          expect(names.add(name)).toBe(number);
          model.set(name, number);
        }
        expect(names.count).toBe(model.size);
        for (const [name, number] of model) {
          expect(names.find(name)).toBe(number);
          expect(names.nameOf(number)).toBe(name);
          const place = names.placeOf(number);
          expect(names.lengthAt(place)).toBe(name.length);
          const room = Buffer.alloc(name.length + 2, '#');
          const end = names.putPlain(place, room, 1);
          if (JSON.stringify(name) !== `"${name}"` || /[^\x20-\x7e]/.test(name)) expect(end).toBe(-1);
          else expect([end, room.toString('latin1')]).toEqual([name.length + 1, `#${name}#`]);
        }
        for (const name of others) expect(names.find(name)).toBe(model.get(name) ?? -1);
      }),
    );
  });

  it('keep their numbers through every growth', () => {
    const names = new Names(key);
    for (let i = 0; i < 20_000; i++) expect(names.add(`t${i}.example.test`)).toBe(i);
    for (let i = 0; i < 20_000; i++) expect(names.find(`t${i}.example.test`)).toBe(i);
    expect(names.find('t20000.example.test')).toBe(-1);
  });
});

describe('hashName', () => {
  // Values of the reference's construction (one round for each word, three at the end), computed apart from this code in BigInt.
  it('is HalfSipHash-1-3', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 60 }), fc.integer(), fc.integer(), (name, low, high) => {
        expect(hashName(name, { low, high }) >>> 0).toBe(referenceHash(name, low >>> 0, high >>> 0));
      }),
    );
  });

  it('spreads names that differ in one letter over all slots', () => {
    const slots = new Set<number>();
    for (let i = 0; i < 4_096; i++) slots.add(hashName(`t${i}.example.test`, key) & 1_023);
    expect(slots.size).toBeGreaterThan(950);
  });
});

/** After the algorithm's description: little-endian words, the length in the last one's highest byte. */
function referenceHash(name: string, k0: number, k1: number): number {
  const mask = 0xffff_ffffn;
  const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (32n - by))) & mask;
  const v = [BigInt(k0), BigInt(k1), 0x6c796765n ^ BigInt(k0), 0x74656462n ^ BigInt(k1)] as [bigint, bigint, bigint, bigint];
  const round = () => {
    v[0] = (v[0] + v[1]) & mask;
    v[1] = rotate(v[1], 5n) ^ v[0];
    v[0] = rotate(v[0], 16n);
    v[2] = (v[2] + v[3]) & mask;
    v[3] = rotate(v[3], 8n) ^ v[2];
    v[0] = (v[0] + v[3]) & mask;
    v[3] = rotate(v[3], 7n) ^ v[0];
    v[2] = (v[2] + v[1]) & mask;
    v[1] = rotate(v[1], 13n) ^ v[2];
    v[2] = rotate(v[2], 16n);
  };
  const bytes = Buffer.from(name, 'latin1');
  const padded = Buffer.alloc((bytes.length & ~3) + 4);
  bytes.copy(padded);
  padded[padded.length - 1] = bytes.length & 0xff;
  for (let at = 0; at < padded.length; at += 4) {
    const word = BigInt(padded.readUInt32LE(at));
    v[3] ^= word;
    round();
    v[0] ^= word;
  }
  v[2] ^= 0xffn;
  for (let i = 0; i < 3; i++) round();
  return Number(v[1] ^ v[3]);
}

describe('Texts', () => {
  it('keep every text at its place, whatever is replaced', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 9 }), fc.string({ unit: 'grapheme' })), { maxLength: 200, size: 'max' }), (changes) => {
        const texts = new Texts();
        const places = new Uint32Array(10);
        const model = Array.from({ length: 10 }, () => '');
        for (const [index, text] of changes) {
          places[index] = texts.replace(places[index] ?? 0, text);
          model[index] = text;
          expect([...places].map((place) => texts.at(place))).toEqual(model);
        }
      }),
    );
  });

  it('say when most of them is waste', () => {
    const texts = new Texts();
    let place = texts.add('x'.repeat(1_000));
    let replaced = 0;
    while (!texts.isWasteful && replaced < 10_000) {
      place = texts.replace(place, `${replaced}${'x'.repeat(1_000)}`);
      replaced += 1;
    }
    expect(replaced).toBeGreaterThan(1_000);
    expect(replaced).toBeLessThan(2_000);
  });
});
