// Texts close together in memory, each found by its place: for what every tenant has and hardly any request needs.

const bytesAtFirst = 1024;
/** A text is written behind the number of its bytes. */
const headBytes = 4;
/** What is left of texts that were replaced is cleared away when it is more than this, and more than all that is used. */
const wastedBytesMin = 1024 * 1024;

export class Texts {
  #bytes: Buffer = Buffer.allocUnsafeSlow(bytesAtFirst);
  /** Place 0 is of the empty text. */
  #end = 1;
  #wasted = 0;

  /** The place of `text`. */
  add(text: string): number {
    if (text === '') return 0;
    const count = Buffer.byteLength(text);
    const place = this.#reserve(headBytes + count);
    this.#bytes.writeUInt32LE(count, place);
    this.#bytes.write(text, place + headBytes);
    return place;
  }

  at(place: number): string {
    if (place === 0) return '';
    const start = place + headBytes;
    return this.#bytes.toString('utf8', start, start + this.#bytes.readUInt32LE(place));
  }

  /** The place of `text` instead of the one at `place`, which is not used again. */
  replace(place: number, text: string): number {
    if (this.at(place) === text) return place;
    if (place !== 0) this.#wasted += headBytes + this.#bytes.readUInt32LE(place);
    return this.add(text);
  }

  /** Half of it or more is waste: time to copy what is used into another one. */
  get isWasteful(): boolean {
    return this.#wasted > wastedBytesMin && 2 * this.#wasted > this.#end;
  }

  #reserve(count: number): number {
    const place = this.#end;
    this.#end += count;
    if (this.#end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#end, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, place);
      this.#bytes = larger;
    }
    return place;
  }
}
