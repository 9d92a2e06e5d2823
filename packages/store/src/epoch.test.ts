// Epochs and stamps: a new one is later than what it is told of, and nobody else's.
import { epochNumber } from '@burgage/contracts';
import { seededRandom, systemRandom } from '@burgage/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newStamp, nextEpoch } from './epoch.ts';

describe('an epoch', () => {
  it('is later than every one that it is told of, whatever texts are among them', () => {
    const epoch = fc.oneof(
      fc.string(),
      fc.integer({ min: 0, max: 10 ** 12 }).map((number) => nextEpoch(systemRandom, `${number}.x`)),
    );
    fc.assert(
      fc.property(fc.array(epoch, { maxLength: 4 }), (before) => {
        const next = epochNumber(nextEpoch(systemRandom, ...before));
        for (const one of before) expect(next).toBeGreaterThan(epochNumber(one));
        expect(next).toBe(Math.max(0, ...before.map(epochNumber)) + 1);
      }),
    );
  });

  it('is the first where there was none before', () => {
    expect(nextEpoch(seededRandom(1))).toMatch(/^1\.[A-Za-z0-9_-]{16}$/);
  });

  it('of one number is nobody else’s', () => {
    const epochs = Array.from({ length: 1_000 }, () => nextEpoch(systemRandom, '4.x'));
    expect(new Set(epochs).size).toBe(1_000);
  });
});

describe('a stamp', () => {
  it('is text of at least eight random bytes', () => {
    const stamps = Array.from({ length: 1_000 }, () => newStamp(systemRandom));
    expect(new Set(stamps).size).toBe(1_000);
    for (const stamp of stamps) expect(Buffer.from(stamp, 'base64url').length).toBeGreaterThanOrEqual(8);
  });
});
