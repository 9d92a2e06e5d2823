import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nearest } from './nearest.ts';

const keys = ['name', 'title', 'currency', 'app', 'plans', 'requestsPerSecond', 'concurrency'];

describe('the name that was meant', () => {
  test.for([
    ['curency', 'currency'],
    ['tilte', 'title'],
    ['plan', 'plans'],
    ['requests_per_second', 'requestsPerSecond'],
    ['APP', 'app'],
  ] as const)('%s is %s', ([word, meant]) => {
    expect(nearest(word, keys)).toBe(meant);
  });

  test('something else altogether means nothing', () => {
    for (const word of ['x', 'price', '', 'description', 'y'.repeat(10_000)]) expect(nearest(word, keys), word).toBeUndefined();
  });

  test('a name with one letter left out or two swapped is still found', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.nat(), fc.boolean(), (key, at, swap) => {
        const i = at % (key.length - 1);
        const typo = swap ? key.slice(0, i) + key[i + 1] + key[i] + key.slice(i + 2) : key.slice(0, i) + key.slice(i + 1);
        expect(nearest(typo, keys)).toBe(key);
      }),
    );
  });
});
