// Knows what waits in memory for clients that read more slowly than they are answered, so that less is read at once where it is much.
import type { Tally } from '@burgage/runtime';

/** Of one engine; beyond it is much. No bound: connections that fill up together have all been told to read a lot. */
const largeBytes = 64 * 1024 * 1024;

/** Of all clients of an engine together. */
export class Backlog {
  readonly #bytes: Tally;
  /** In bytes. */
  readonly #heldBy = new Map<object, number>();

  constructor(bytes: Tally) {
    this.#bytes = bytes;
  }

  get isLarge(): boolean {
    return this.#bytes.value > largeBytes;
  }

  /** So many bytes more wait for the client of `holder`. */
  hold(holder: object, bytes: number): void {
    this.#heldBy.set(holder, (this.#heldBy.get(holder) ?? 0) + bytes);
    this.#bytes.inc(bytes);
  }

  /** Hot path. Nothing waits for it any more. */
  release(holder: object): void {
    if (this.#heldBy.size === 0) return;
    this.#bytes.dec(this.#heldBy.get(holder) ?? 0);
    this.#heldBy.delete(holder);
  }
}
