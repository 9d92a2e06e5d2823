// How long a call may take and who may cancel it: what the caller says, within what the current context allows.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import { type Clock, type Context, currentContext } from '@burgage/runtime';
import type { RpcCallOptions } from './types.ts';

/** About 24 days: grpc-js servers wrap a timeout of 2^31 ms or more around, and clients round it up to whole seconds. */
const timeoutMsMax = 2_147_000_000;

export interface Budget {
  readonly context: Context;
  readonly deadlineAtMs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** `timeoutMs`: where neither `options` nor the context says otherwise; undefined means no deadline. */
export function openBudget(options: RpcCallOptions, timeoutMs: number | undefined, clock: Clock): Budget {
  const context = currentContext();
  const ownMs = options.timeoutMs ?? timeoutMs;
  const own = ownMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() + ownMs;
  const deadlineAtMs = Math.min(own, context.deadlineAtMs ?? Number.POSITIVE_INFINITY);
  return {
    context,
    deadlineAtMs: Number.isFinite(deadlineAtMs) ? deadlineAtMs : undefined,
    signal: joined(options.signal, context.signal),
  };
}

/** Why the call must not go on; undefined while it may. */
export function exhausted({ deadlineAtMs, signal }: Budget, clock: Clock): BurgageError | undefined {
  if (signal?.aborted) return abortError(signal);
  if (deadlineAtMs !== undefined && clock.monotonicMs() >= deadlineAtMs) return new BurgageError('deadline_exceeded');
  return undefined;
}

/** As grpc-js takes it, which speaks the wall clock; infinity for none. */
export function wallDeadline({ deadlineAtMs }: Budget, clock: Clock): number {
  if (deadlineAtMs === undefined) return Number.POSITIVE_INFINITY;
  return Date.now() + Math.min(deadlineAtMs - clock.monotonicMs(), timeoutMsMax);
}

/** The reason of an abort as an error of the catalogue: itself, `deadline_exceeded` for a timeout, else `cancelled`. */
export function abortError({ reason }: AbortSignal): BurgageError {
  if (isBurgageError(reason)) return reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  return new BurgageError(timedOut ? 'deadline_exceeded' : 'cancelled', { cause: reason });
}

function joined(first: AbortSignal | undefined, second: AbortSignal | undefined): AbortSignal | undefined {
  if (first === undefined || second === undefined || first === second) return first ?? second;
  return AbortSignal.any([first, second]);
}
