// Randomness for the hot path: asked for in pages, handed out in bytes (a call for each request would cost more than its parse).
import type { Random } from '@burgage/runtime';
import { Piece, pieceSlack, viewOf } from './put.ts';

const pageBytes = 32 * 1024;
/** Digits are made so many at once; few, for a tunnel keeps all of those that its id is among. */
const digitsBytes = 2 * 1024;

export class RandomPool implements Random {
  readonly #source: Random;
  #page: Buffer = Buffer.alloc(0);
  #used = 0;
  #digits: DataView = new DataView(new ArrayBuffer(0));
  #digitsUsed = digitsBytes;

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

  /** Hot path. Two hex digits for each of so many bytes. */
  hex(count: number): Piece {
    const length = 2 * count;
    if (this.#digitsUsed + length > digitsBytes) this.#nextDigits();
    const piece = new Piece(this.#digits, this.#digitsUsed, length);
    this.#digitsUsed += length;
    return piece;
  }

  #nextDigits(): void {
    const bytes = Buffer.alloc(digitsBytes + pieceSlack);
    const start = this.#take(digitsBytes / 2);
    bytes.write(this.#page.toString('hex', start, start + digitsBytes / 2), 'latin1');
    this.#digits = viewOf(bytes);
    this.#digitsUsed = 0;
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
