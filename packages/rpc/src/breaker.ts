// The circuit breaker of one client: after some calls in a row that did not reach the server, none is sent for a while.
import type { Clock } from '@burgage/runtime';
import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBackoff,
} from 'cockatiel';
import { breakerFailures, breakerOpenMs } from './defaults.ts';

/** What a call says about the way to the server: `unknown` where it ended before that could be seen, `refused` where it was not sent. */
export type Reach = 'reached' | 'unreachable' | 'unknown' | 'refused';

interface Reached {
  readonly reach: Reach;
}

/**
 * Closed: calls go out. Open: none does. Half-open, after `breakerOpenMs`: one goes out, and what it finds closes or
 * opens the breaker again; the others are refused meanwhile.
 */
export class Breaker {
  readonly #policy: CircuitBreakerPolicy;

  constructor(clock: Clock, onChange: (open: boolean) => void) {
    const opens = handleWhenResult((result) => this.#isFailure(result as Reached));
    this.#policy = circuitBreaker(opens, { breaker: new ConsecutiveBreaker(breakerFailures), halfOpenAfter: monotonicBackoff(clock) });
    this.#policy.onBreak(() => onChange(true));
    this.#policy.onReset(() => onChange(false));
  }

  /** Runs `call`, which never rejects, and learns from its result. Undefined where the call was refused. */
  async attempt<T extends Reached>(call: () => Promise<T>): Promise<T | undefined> {
    if (this.#policy.state === CircuitState.HalfOpen) return undefined;
    try {
      return await this.#policy.execute(call);
    } catch (error) {
      if (error instanceof BrokenCircuitError) return undefined;
      throw error;
    }
  }

  /** A probe must reach the server; elsewhere a call that was given up early proves nothing. */
  #isFailure({ reach }: Reached): boolean {
    return reach === 'unreachable' || (reach === 'unknown' && this.#policy.state === CircuitState.HalfOpen);
  }
}

/** Cockatiel measures how long it was open by the wall clock; this says "not yet" or "long enough" by ours instead. */
function monotonicBackoff(clock: Clock): IBackoff<unknown> {
  const openedFrom = (openedAtMs: number): IBackoff<unknown> => ({
    get duration() {
      return clock.monotonicMs() - openedAtMs >= breakerOpenMs ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    },
    next: () => openedFrom(clock.monotonicMs()),
  });
  return openedFrom(clock.monotonicMs());
}
