// Bytes that are about to be sent, one piece behind the other, in a buffer that is used again.
import { putRange, viewOf } from '../../domain/put.ts';

/** Cleared only when what was in it has been sent or copied. */
export class HeadBuffer {
  /** Another buffer after it had to grow. */
  bytes: Buffer;
  /** The same memory. */
  view: DataView;
  /** How many of the bytes are used. */
  length = 0;

  constructor(bytesAtFirst = 4 * 1024) {
    this.bytes = Buffer.allocUnsafeSlow(bytesAtFirst);
    this.view = viewOf(this.bytes);
  }

  clear(): void {
    this.length = 0;
  }

  /** Makes room for so many bytes more. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.use(larger);
  }

  /** Goes on in these. */
  protected use(bytes: Buffer): void {
    if (bytes === this.bytes) return;
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  /** Bytes behind what is there: of a body that goes out with its head. */
  add(from: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    this.length = putRange(this.bytes, this.length, from, start, end);
  }
}
