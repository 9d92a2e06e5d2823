// The requests of one client connection, one at a time: what comes before the answer to an earlier one waits for its turn.
import type { Socket } from 'node:net';

/** Requests that may wait. The last of them closes the connection; what follows it is not read. */
const waitingMax = 32;

export class Turns {
  readonly #socket: Socket;
  #waiting: (() => void)[] = [];
  #isBusy = false;
  #isClosing = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Begins at once, or when everything before it has ended. `isLast`: nothing that follows it on the connection is served. */
  take(begin: () => void, isLast: boolean): void {
    if (this.#isClosing) {
      this.#socket.pause();
      return;
    }
    this.#isClosing = isLast || this.#waiting.length === waitingMax - 1;
    if (this.#isBusy) {
      this.#waiting.push(begin);
      return;
    }
    this.#isBusy = true;
    begin();
  }

  /** True where the connection is closed after the request whose turn it is. */
  get isLast(): boolean {
    return this.#isClosing && this.#waiting.length === 0;
  }

  /** The turn is over. Where its answer closed the connection, nobody waits any more. */
  next(): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) this.close();
    const begin = this.#waiting.shift();
    if (begin !== undefined) {
      begin();
      return;
    }
    this.#isBusy = false;
    if (this.#isClosing) this.#socket.destroySoon();
  }

  /** Nothing that waits is served, nor what may come. The answer that is being given is given to its end. */
  close(): void {
    this.#isClosing = true;
    this.#waiting = [];
  }
}
