// What a client has sent and nobody has used yet.
import { copyOf } from '../incoming-bytes.ts';

export class UnreadBytes {
  /** Undefined: there are none. */
  bytes: Buffer | undefined;
  /** Up to where they have been used. */
  at = 0;
  #isLent = false;

  get length(): number {
    return this.bytes === undefined ? 0 : this.bytes.length - this.at;
  }

  /**
   * Hot path. These, behind those that are there, are another's afterwards. `isLent`: where they are the first, they are not copied
   * before `keep`, which whoever gives them calls when they have been looked at.
   */
  give(bytes: Buffer, start: number, end: number, isLent: boolean): void {
    if (this.bytes === undefined) {
      this.#isLent = isLent;
      this.bytes = isLent ? bytes.subarray(start, end) : copyOf(bytes, start, end);
      return;
    }
    this.bytes = Buffer.concat([this.bytes.subarray(this.at), bytes.subarray(start, end)]);
    this.at = 0;
  }

  /** Hot path. Copies what is left of those that are lent. True where there were such: `bytes` and `at` are others. */
  keep(): boolean {
    if (!this.#isLent) return false;
    this.#isLent = false;
    if (this.bytes !== undefined) this.bytes = copyOf(this.bytes, this.at, this.bytes.length);
    this.at = 0;
    return true;
  }

  /** Hot path. Forgets them where all have been used. */
  settle(): void {
    if (this.bytes === undefined || this.at < this.bytes.length) return;
    this.bytes = undefined;
    this.at = 0;
  }

  /** What is left, which is the caller's. */
  take(): Buffer | undefined {
    const rest = this.bytes?.subarray(this.at);
    this.bytes = undefined;
    this.at = 0;
    return rest;
  }
}
