// Retries: never where something may have been acted on.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRetriable } from './retry.ts';

const attempts = fc.record({
  number: fc.nat({ max: 2 }),
  sent: fc.boolean(),
  reusedConnection: fc.boolean(),
  answered: fc.boolean(),
  bodyBytesTaken: fc.nat({ max: 1 }),
  method: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'FROB'),
  timedOut: fc.boolean(),
});

describe('isRetriable', () => {
  it('is true only for a first attempt of which nothing can have been acted on', () => {
    fc.assert(
      fc.property(attempts, (attempt) => {
        const mayHaveActed =
          attempt.sent &&
          (attempt.answered || attempt.timedOut || !attempt.reusedConnection || ['POST', 'PATCH', 'FROB'].includes(attempt.method));
        if (mayHaveActed || attempt.number > 0 || attempt.bodyBytesTaken > 0) expect(isRetriable(attempt)).toBe(false);
        else expect(isRetriable(attempt)).toBe(!attempt.answered);
      }),
    );
  });
});
