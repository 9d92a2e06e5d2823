// What one who listens to a tap has still to be given: bounded, and what found no room is counted and told.
import { BurgageError } from '@burgage/contracts';
import { type Clock, Doorbell } from '@burgage/runtime';

const listenersMax = 8;
/** Pieces that wait; beyond them they are dropped. */
const waitingMax = 1_000;
/** A silent stream says that it lives this often: an empty line. */
const heartbeatMs = 10_000;

/** @throws BurgageError `overloaded` where as many listen as may. */
export function assertRoomToListen(listeners: number): void {
  if (listeners < listenersMax) return;
  throw new BurgageError('overloaded', { message: `tap: ${listeners} listen already, expected at most ${listenersMax}` });
}

export class TapQueue {
  readonly #bell: Doorbell;
  #waiting: string[] = [];
  #dropped = 0;

  constructor(clock: Clock) {
    this.#bell = new Doorbell(clock);
  }

  get isFull(): boolean {
    return this.#waiting.length >= waitingMax;
  }

  /** Whole lines, with their ends. */
  add(text: string): void {
    this.#waiting.push(text);
    this.#bell.ring();
  }

  /** So many lines found no room. */
  drop(lines: number): void {
    this.#dropped += lines;
  }

  /** Lines of JSON, several at a time, until the signal is aborted; `{"dropped":3}` stands where three found no room. */
  async *lines(signal: AbortSignal): AsyncGenerator<string, void> {
    // At once, so that the listener knows that it listens.
    yield '\n';
    while (!signal.aborted) {
      await this.#bell.wait(heartbeatMs, signal);
      const [waiting, dropped] = [this.#waiting, this.#dropped];
      this.#waiting = [];
      this.#dropped = 0;
      yield `${waiting.join('')}${dropped > 0 ? `{"dropped":${dropped}}\n` : ''}` || '\n';
    }
  }
}
