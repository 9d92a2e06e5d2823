// The tap: access records as they are made, for whoever listens at the moment.
import type { Clock } from '@burgage/runtime';
import type { Exchange } from '../domain/exchange.ts';
import { passes, type TapFilter } from '../domain/tap-filter.ts';
import { assertRoomToListen, TapQueue } from './tap-queue.ts';

interface Listener {
  readonly filter: TapFilter;
  readonly queue: TapQueue;
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
    for (const { filter, queue } of this.#listeners) {
      if (!passes(filter, exchange)) continue;
      if (queue.isFull) {
        queue.drop(1);
        continue;
      }
      made ??= line();
      queue.add(made);
    }
  }

  /**
   * Records as `TapQueue.lines` gives them.
   * @throws BurgageError `overloaded` where as many listen as may.
   */
  listen(filter: TapFilter, signal: AbortSignal): AsyncGenerator<string, void> {
    assertRoomToListen(this.#listeners.size);
    const listener: Listener = { filter, queue: new TapQueue(this.#clock) };
    this.#listeners.add(listener);
    this.isOpen = true;
    return this.#linesOf(listener, signal);
  }

  async *#linesOf(listener: Listener, signal: AbortSignal): AsyncGenerator<string, void> {
    try {
      yield* listener.queue.lines(signal);
    } finally {
      this.#listeners.delete(listener);
      this.isOpen = this.#listeners.size > 0;
    }
  }
}
