// When a failed attempt is tried again, and when it is not.
import { asBurgageError, type BurgageError } from '@burgage/contracts';
import type { Random } from '@burgage/runtime';
import type { RetryPolicy } from './definition.ts';
import type { Failure } from './operation.ts';

export type Verdict =
  | { readonly type: 'retry'; readonly delayMs: number }
  | { readonly type: 'give_up' }
  /** Neither trying nor undoing would help. */
  | { readonly type: 'person' }
  /** `token`: the highest that was seen, where the error says so. */
  | { readonly type: 'lost'; readonly token: number };

/** For what has no way back, an undo or a step past the point of no return: most of an hour, before a person is asked. */
const patience = { attemptsMax: 100, backoffMaxMs: 60_000 } as const;

/** What is wrong with the platform itself: undoing would meet it as well, and nothing is lost by leaving all as it is until somebody has looked. */
const forPeople: ReadonlySet<string> = new Set(['data_corrupt', 'document_too_new', 'credentials_refused', 'server_too_old']);

/** The policy of an attempt that must succeed in the end. */
export function patiently(policy: RetryPolicy): RetryPolicy {
  return { ...policy, ...patience };
}

/**
 * Exponential backoff with full jitter: a random delay below backoffMs × 2^(attempt − 1), capped, and never less than
 * the error itself asks for.
 */
export function backoffMs(policy: RetryPolicy, attempt: number, random: Random): number {
  const ceiling = Math.min(policy.backoffMaxMs, policy.backoffMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(random.float() * ceiling);
}

/**
 * What an error means for the step: a fenced write means that another worker has the tenant; an error whose catalogue
 * entry says that it may pass, or that nobody foresaw, is tried again while attempts remain; some are for a person at
 * once; all else is final. `failures` counts this one.
 */
export function judge(error: BurgageError, failures: number, policy: RetryPolicy, random: Random): Verdict {
  if (error.code === 'fenced') return { type: 'lost', token: Number(error.metadata.seen) || 0 };
  if (forPeople.has(error.code)) return { type: 'person' };
  const mayPass = error.definition.retry || error.code === 'internal' || error.code === 'cancelled';
  if (!mayPass || failures >= policy.attemptsMax) return { type: 'give_up' };
  return { type: 'retry', delayMs: Math.max(backoffMs(policy, failures, random), error.retryAfterMs ?? 0) };
}

/** The public side of an error. */
export function failureOf(error: unknown): Failure {
  const known = asBurgageError(error);
  return { code: known.code, message: known.message };
}
