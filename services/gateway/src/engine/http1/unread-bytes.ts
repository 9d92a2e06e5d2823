// What a client has sent and nobody has used yet.
import { copyOf } from '../incoming-bytes.ts';

export class UnreadBytes {
  /** They are in here, from `at` to before `end`; undefined: there are none. */
  bytes: Buffer | undefined;
  at = 0;
  end = 0;
  #isLent = false;

  get length(): number {
    return this.bytes === undefined ? 0 : this.end - this.at;
  }

  /**
   * Hot path. These, behind those that are there. Where there are none they are not copied: whoever gives them calls `keep` before
   * their memory is another's.
   */
  give(bytes: Buffer, start: number, end: number): void {
    if (this.bytes === undefined) {
      this.bytes = bytes;
      this.at = start;
      this.end = end;
      this.#isLent = true;
      return;
    }
    const all = Buffer.concat([this.bytes.subarray(this.at, this.end), bytes.subarray(start, end)]);
    this.bytes = all;
    this.at = 0;
    this.end = all.length;
    this.#isLent = false;
  }

  /** Hot path. Copies what is left of those that were not. */
  keep(): void {
    if (!this.#isLent) return;
    this.#isLent = false;
    if (this.bytes === undefined) return;
    this.bytes = copyOf(this.bytes, this.at, this.end);
    this.at = 0;
    this.end = this.bytes.length;
  }

  /** Hot path. Forgets them where all have been used. */
  settle(): void {
    if (this.at === this.end) this.bytes = undefined;
  }

  /** What is left; to be used before `keep`. */
  take(): Buffer | undefined {
    const rest = this.bytes?.subarray(this.at, this.end);
    this.bytes = undefined;
    return rest;
  }
}
