// Refused connections in the log: the first of each kind at once, those that follow as a number.
import type { Clock, Logger } from '@burgage/runtime';
import { refusalsQuietMs } from './defaults.ts';
import type { Refusal } from './metrics.ts';

interface Seen {
  readonly quietUntilMs: number;
  /** Refused since the last line. */
  unlogged: number;
}

export class Refusals {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #count: (refusal: Refusal) => void;
  readonly #seen = new Map<Refusal, Seen>();

  constructor(logger: Logger, clock: Clock, count: (refusal: Refusal) => void) {
    this.#logger = logger;
    this.#clock = clock;
    this.#count = count;
  }

  /** `detail`: what TLS says of it. */
  record(refusal: Refusal, remote: string | undefined, detail: string): void {
    this.#count(refusal);
    const nowMs = this.#clock.monotonicMs();
    const seen = this.#seen.get(refusal);
    if (seen !== undefined && nowMs < seen.quietUntilMs) {
      seen.unlogged++;
      return;
    }
    this.#seen.set(refusal, { quietUntilMs: nowMs + refusalsQuietMs, unlogged: 0 });
    const fields = { refusal, remote, detail, unlogged: seen?.unlogged ?? 0 };
    // Load balancers look this way whether a port is open.
    if (refusal === 'broken_off') this.#logger.debug(fields, 'connection broken off');
    else this.#logger.warn(fields, 'connection refused: only services with a certificate of the authority may call');
  }
}
