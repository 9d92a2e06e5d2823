// The order of epochs: what is none comes before all of them.
import { describe, expect, it } from 'vitest';
import { epochNumber } from './index.ts';

describe('the number of an epoch', () => {
  it('is the one in front', () => {
    expect(['1.a', '12.B-_9', '999999999999999.x'].map(epochNumber)).toEqual([1, 12, 999_999_999_999_999]);
  });

  it.each(['', 'x', '7', '7.', '.x', '-7.x', '7.5.x', '1e3.x', ' 7.x', '7.x\n', '1234567890123456.x'])(
    'is 0 for %j, which is none',
    (text) => {
      expect(epochNumber(text)).toBe(0);
    },
  );
});
