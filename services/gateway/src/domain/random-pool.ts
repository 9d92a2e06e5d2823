// Randomness for the hot path: asked for in pages, handed out in bytes (a call for each request would cost more than its parse).
import type { Random } from '@burgage/runtime';

const pageBytes = 4096;

export class RandomPool implements Random {
  readonly #source: Random;
  #page: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(source: Random) {
    this.#source = source;
  }

  bytes(count: number): Uint8Array {
    if (this.#used + count > this.#page.length) {
      this.#page = this.#source.bytes(Math.max(pageBytes, count));
      this.#used = 0;
    }
    this.#used += count;
    return this.#page.slice(this.#used - count, this.#used);
  }

  float(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.bytes(4);
    return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) / 2 ** 32;
  }

  /** 32 hex digits. */
  id(): string {
    return Buffer.from(this.bytes(16)).toString('hex');
  }
}
