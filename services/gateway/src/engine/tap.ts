// The tap: access records as they are made, for whoever listens at the moment.
import { BurgageError } from '@burgage/contracts';
import { type Clock, Doorbell } from '@burgage/runtime';
import type { Exchange } from '../domain/exchange.ts';
import { passes, type TapFilter } from '../domain/tap-filter.ts';

const listenersMax = 8;
/** Lines that wait for one listener; beyond them they are dropped, counted and told. */
const waitingMax = 1_000;
/** A silent stream says that it lives this often: an empty line. */
const heartbeatMs = 10_000;

interface Listener {
  readonly filter: TapFilter;
  readonly bell: Doorbell;
  waiting: string[];
  dropped: number;
}

export class Tap {
  /** Hot path. Whether anybody listens; nothing is made for nobody. */
  isOpen = false;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Shows an exchange that has ended; `line` makes its record, with a line end, where somebody wants it. */
  show(exchange: Exchange, line: () => string): void {
    let made: string | undefined;
    for (const listener of this.#listeners) {
      if (!passes(listener.filter, exchange)) continue;
      if (listener.waiting.length >= waitingMax) {
        listener.dropped += 1;
        continue;
      }
      made ??= line();
      listener.waiting.push(made);
      listener.bell.ring();
    }
  }

  /**
   * Records as lines of JSON, several at a time, until the signal is aborted; `{"dropped":3}` stands where three found no room.
   * @throws BurgageError `overloaded` where as many listen as may.
   */
  listen(filter: TapFilter, signal: AbortSignal): AsyncGenerator<string, void> {
    if (this.#listeners.size >= listenersMax)
      throw new BurgageError('overloaded', { message: `tap: ${this.#listeners.size} listen already, expected at most ${listenersMax}` });
    const listener: Listener = { filter, bell: new Doorbell(this.#clock), waiting: [], dropped: 0 };
    this.#listeners.add(listener);
    this.isOpen = true;
    return this.#linesOf(listener, signal);
  }

  async *#linesOf(listener: Listener, signal: AbortSignal): AsyncGenerator<string, void> {
    try {
      // At once, so that the listener knows that it listens.
      yield '\n';
      while (!signal.aborted) {
        await listener.bell.wait(heartbeatMs, signal);
        const { waiting, dropped } = listener;
        listener.waiting = [];
        listener.dropped = 0;
        yield `${waiting.join('')}${dropped > 0 ? `{"dropped":${dropped}}\n` : ''}` || '\n';
      }
    } finally {
      this.#listeners.delete(listener);
      this.isOpen = this.#listeners.size > 0;
    }
  }
}
