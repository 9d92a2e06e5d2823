import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom, systemRandom } from './random.ts';

test('the same seed gives the same sequence, another seed another', () => {
  const take = (seed: number) => {
    const random = seededRandom(seed);
    return [...random.bytes(16), random.float()];
  };
  expect(take(1)).toEqual(take(1));
  expect(take(1)).not.toEqual(take(2));
});

test('floats are at least 0 and less than 1, bytes are as many as asked for', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat(64), (seed, count) => {
      for (const random of [seededRandom(seed), systemRandom]) {
        const float = random.float();
        expect(float >= 0 && float < 1).toBe(true);
        expect(random.bytes(count)).toHaveLength(count);
      }
    }),
    { numRuns: 100 },
  );
});

test('seeded floats spread evenly', () => {
  const random = seededRandom(7);
  const tenths = new Array<number>(10).fill(0);
  for (let count = 0; count < 10_000; count++) {
    const tenth = Math.floor(random.float() * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
