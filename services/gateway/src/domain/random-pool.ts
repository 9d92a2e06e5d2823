// Randomness for the hot path: asked for in pages, handed out in bytes (a call for each request would cost more than its parse).
import type { Random } from '@burgage/runtime';

const pageBytes = 32 * 1024;

export class RandomPool implements Random {
  readonly #source: Random;
  #page: Buffer = Buffer.alloc(0);
  #used = 0;

  constructor(source: Random) {
    this.#source = source;
  }

  bytes(count: number): Uint8Array {
    const start = this.#take(count);
    return this.#page.subarray(start, start + count);
  }

  float(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.bytes(4);
    return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) / 2 ** 32;
  }

  /** 32 hex digits. */
  id(): string {
    return this.hex(16);
  }

  /** Hot path. Two digits for each of so many bytes. */
  hex(count: number): string {
    const start = this.#take(count);
    return this.#page.toString('hex', start, start + count);
  }

  /** Where bytes begin that nobody was given before. */
  #take(count: number): number {
    if (this.#used + count > this.#page.length) {
      const { buffer, byteOffset, length } = this.#source.bytes(Math.max(pageBytes, count));
      this.#page = Buffer.from(buffer, byteOffset, length);
      this.#used = 0;
    }
    this.#used += count;
    return this.#used - count;
  }
}
