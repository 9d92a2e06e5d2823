// Bytes that are about to be sent, one piece behind the other, in a buffer that is used again.

/** Shorter pieces are copied byte by byte: a call into the runtime costs more. */
const shortRange = 40;
const shortText = 24;

/** Cleared only when what was in it has been sent or copied. */
export class HeadBuffer {
  /** Another buffer after it had to grow. */
  bytes: Buffer;
  /** How many of the bytes are used. */
  length = 0;

  constructor(bytesAtFirst = 4 * 1024) {
    this.bytes = Buffer.allocUnsafeSlow(bytesAtFirst);
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
    this.bytes = larger;
  }

  /** Bytes behind what is there: of a body that goes out with its head. */
  add(from: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    this.length = putRange(this.bytes, this.length, from, start, end);
  }
}

// These three write at a place where there is room, and answer with the place behind.

/** Hot path. */
export function putRange(to: Buffer, at: number, from: Buffer, start: number, end: number): number {
  if (end - start > shortRange) {
    from.copy(to, at, start, end);
    return at + end - start;
  }
  let next = at;
  for (let i = start; i < end; i++) to[next++] = from[i] as number;
  return next;
}

/** Hot path. */
export function put(to: Buffer, at: number, from: Buffer): number {
  return putRange(to, at, from, 0, from.length);
}

/** Hot path. Characters up to 255, each as one byte. */
export function putText(to: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > shortText) to.write(text, at, length, 'latin1');
  else for (let i = 0; i < length; i++) to[at + i] = text.charCodeAt(i);
  return at + length;
}
