// The bytes of the last head from an endpoint: most say the same again and again, and then it need not be read anew.
import { viewOf } from '../../domain/put.ts';

/** Longer ones cost more to keep than they are likely to come again. */
const bytesMax = 512;
const wordBytes = 4;

/** A head that came whole, by the place where it came and its bytes. */
export class RepeatedHead {
  #view: DataView | undefined;
  #start = 0;
  #length = 0;

  /** Hot path. Keeps the bytes from `start` to before `end`, in place of the last. */
  keep(bytes: DataView, start: number, end: number): void {
    const length = end - start;
    if (length > bytesMax || length < wordBytes) {
      this.#length = 0;
      return;
    }
    this.#view ??= viewOf(Buffer.allocUnsafeSlow(bytesMax));
    const kept = this.#view;
    for (let i = 0; i < length - wordBytes; i += wordBytes) kept.setInt32(i, bytes.getInt32(start + i));
    kept.setInt32(length - wordBytes, bytes.getInt32(end - wordBytes));
    this.#start = start;
    this.#length = length;
  }

  forget(): void {
    this.#length = 0;
  }

  /** Hot path. True where the bytes from `start` on, of which there are some before `end`, begin with the same at the same place. */
  isAt(bytes: DataView, start: number, end: number): boolean {
    const length = this.#length;
    const kept = this.#view;
    if (kept === undefined || length === 0 || start !== this.#start || end - start < length) return false;
    const last = length - wordBytes;
    // Where they differ it is mostly the length of the body, or the time.
    for (let i = 0; i < last; i += wordBytes) if (kept.getInt32(i) !== bytes.getInt32(start + i)) return false;
    return kept.getInt32(last) === bytes.getInt32(start + last);
  }
}
