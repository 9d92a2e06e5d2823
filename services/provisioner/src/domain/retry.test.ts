// Holds the retry decision to its bounds.
import { BurgageError, type ErrorCode, errorCatalogue } from '@burgage/contracts';
import { seededRandom } from '@burgage/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, failureOf, judge } from './retry.ts';

const forPeople = ['data_corrupt', 'document_too_new', 'credentials_refused', 'server_too_old'];
const policy = { attemptsMax: 5, backoffMs: 100, backoffMaxMs: 2_000 };

describe('a retry', () => {
  test('is delayed by less than the doubled backoff and never more than the bound', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer(), (attempt, seed) => {
        const delayMs = backoffMs(policy, attempt, seededRandom(seed));
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThanOrEqual(Math.min(2_000, 100 * 2 ** (attempt - 1)));
      }),
    );
  });

  test('happens only for errors that may pass, only while attempts remain, and never after being fenced', () => {
    for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
      const verdict = judge(new BurgageError(code), 1, policy, seededRandom(1)).type;
      if (code === 'fenced') expect(verdict).toBe('lost');
      else if (forPeople.includes(code)) expect(verdict).toBe('person');
      else if (errorCatalogue[code].retry || code === 'internal' || code === 'cancelled') expect(verdict).toBe('retry');
      else expect(verdict).toBe('give_up');
      if (code !== 'fenced' && !forPeople.includes(code))
        expect(judge(new BurgageError(code), policy.attemptsMax, policy, seededRandom(1)).type).toBe('give_up');
    }
  });

  test('waits at least as long as the error asks', () => {
    const verdict = judge(new BurgageError('unavailable', { retryAfterMs: 7_000 }), 1, policy, seededRandom(1));
    expect(verdict).toMatchObject({ type: 'retry', delayMs: 7_000 });
  });

  test('of an error that nobody foresaw shows nothing of its inside', () => {
    expect(failureOf(new Error('password=hunter2'))).toEqual({ code: 'internal', message: errorCatalogue.internal.sentence });
  });
});
