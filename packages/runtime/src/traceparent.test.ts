import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from './random.ts';
import { formatTraceparent, newTraceparent, parseTraceparent } from './traceparent.ts';

test('what is made can be read, and is written as it was', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const made = newTraceparent(seededRandom(seed));
      const read = parseTraceparent(made);
      expect(read?.flags).toBe(1);
      expect(read && formatTraceparent(read)).toBe(made);
    }),
    { numRuns: 200 },
  );
});

test('a random source that gives only zeros still makes valid ids', () => {
  const zeros = { bytes: (count: number) => new Uint8Array(count), float: () => 0 };
  expect(parseTraceparent(newTraceparent(zeros))).toBeDefined();
});

test.each([
  '',
  '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7',
  '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
  '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
  'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01',
  '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more',
])('%j is not a trace context', (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
});

test('a later version may carry more, which is ignored', () => {
  expect(parseTraceparent('01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more')).toEqual({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    flags: 0,
  });
});
