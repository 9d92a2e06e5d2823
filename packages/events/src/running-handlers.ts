// One subscription of this process: its options, the handlers that run, how they end.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import { type Clock, type Logger, type Random, runInContext } from '@burgage/runtime';
import type { Event, SubscribeOptions } from './port.ts';

/** One delivery that this process has; an adapter adds what it needs to settle it. */
export interface Claim {
  readonly event: Event;
  /** From 1. */
  readonly attempt: number;
}

/** How one delivery ended; `dueInMs` is the delay before the next try. */
export type Outcome =
  | { readonly kind: 'handled' }
  | { readonly kind: 'retry'; readonly dueInMs: number; readonly error: unknown }
  | { readonly kind: 'dead'; readonly reason: string; readonly error: unknown };

export interface Settlement<C extends Claim = Claim> {
  readonly consumer: string;
  readonly claim: C;
  readonly outcome: Outcome;
}

interface Running {
  /** Monotonic. */
  readonly deadlineMs: number;
  readonly abort: AbortController;
}

const reasonLengthMax = 500;

/** Why an event is dead that was in its last attempt when its process went away. */
export const lostReason = 'the handler did not answer in time, or its process ended';

/** The running handlers of one subscription. `settle` is called once for each started claim. */
export class RunningHandlers<C extends Claim> {
  readonly options: Required<SubscribeOptions>;
  #stopping = false;
  readonly #running = new Map<C, Running>();
  readonly #settle: (settlement: Settlement<C>) => void;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: Required<SubscribeOptions>, settle: (settlement: Settlement<C>) => void, clock: Clock, random: Random) {
    this.options = options;
    this.#settle = settle;
    this.#clock = clock;
    this.#random = random;
  }

  /** How many claims may be started now. */
  get freeSlots(): number {
    return this.#stopping ? 0 : this.options.concurrency - this.#running.size;
  }

  /** Monotonic time at which the first running handler is given up; Infinity when none runs. */
  get nextDeadlineMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { deadlineMs } of this.#running.values()) next = Math.min(next, deadlineMs);
    return next;
  }

  start(claim: C): void {
    const abort = new AbortController();
    const deadlineMs = this.#clock.monotonicMs() + this.options.ackTimeoutMs;
    this.#running.set(claim, { deadlineMs, abort });
    const { traceparent } = claim.event;
    const context = { signal: abort.signal, deadlineAtMs: deadlineMs, ...(traceparent === undefined ? {} : { traceparent }) };
    const delivery = { attempt: claim.attempt, signal: abort.signal };
    void runInContext(context, async () => this.options.handler(claim.event, delivery)).then(
      () => this.#end(claim, { kind: 'handled' }),
      (error: unknown) => this.#end(claim, this.#failure(claim, error)),
    );
  }

  /** Gives up the handlers that have run for longer than `ackTimeoutMs`: what they still answer changes nothing. */
  expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [claim, { deadlineMs, abort }] of this.#running) {
      if (deadlineMs > nowMs) continue;
      const error = new BurgageError('deadline_exceeded', { message: `The handler did not end within ${this.options.ackTimeoutMs} ms.` });
      this.#end(claim, this.#failure(claim, error));
      abort.abort(error);
    }
  }

  /** Starts nothing more; resolves when no handler runs. */
  stop(): Promise<void> {
    this.#stopping = true;
    if (this.#running.size === 0) this.#drained.resolve();
    return this.#drained.promise;
  }

  #end(claim: C, outcome: Outcome): void {
    if (!this.#running.delete(claim)) return;
    this.#settle({ consumer: this.options.consumer, claim, outcome });
    if (this.#stopping && this.#running.size === 0) this.#drained.resolve();
  }

  /** Exponential backoff with full jitter. Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
  #failure({ attempt }: C, error: unknown): Outcome {
    const { attemptsMax, backoffMs, backoffMaxMs } = this.options;
    // Nobody here will ever know more about an event that is not known: trying again would only be later.
    if (attempt >= attemptsMax || isBurgageError(error, 'event_unknown')) return { kind: 'dead', reason: reasonOf(error), error };
    const dueInMs = Math.round(this.#random.float() * Math.min(backoffMaxMs, backoffMs * 2 ** (attempt - 1)));
    return { kind: 'retry', dueInMs, error };
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof BurgageError ? `${error.code}: ${error.message}` : error instanceof Error ? error.message : String(error);
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > reasonLengthMax ? `${line.slice(0, reasonLengthMax - 1)}…` : line;
}

/** Says in the log that a handler failed, and what becomes of its event. */
export function logFailure(logger: Logger | undefined, { consumer, claim, outcome }: Settlement): void {
  if (outcome.kind === 'handled') return;
  const { event, attempt } = claim;
  const about = { consumer, subject: event.subject, eventId: event.id, attempt, err: outcome.error };
  if (outcome.kind === 'retry')
    logger?.warn({ ...about, dueInMs: outcome.dueInMs }, 'events: a handler failed; the event is delivered again');
  else logger?.error(about, 'events: a handler failed for the last time; the event is a dead letter');
}
