// Bytes, texts and numbers put at a place of a buffer where there is room; each answers with the place behind.

/** Shorter ones are copied byte by byte: a call into the runtime costs more. */
const shortRange = 40;
const shortText = 24;
/** Numbers below are written digit by digit. */
const smallMax = 2 ** 31;
const zero = 0x30;
const quote = 0x22;
const backslash = 0x5c;
const point = 0x2e;

/** By character up to 255: 1 for what a string of JSON has as it is, which is printable ASCII but the quote and the backslash. */
export const plainInJson: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) =>
  code < 0x20 || code > 0x7e || code === quote || code === backslash ? 0 : 1,
);

/** Bytes that are put again and again, which is done four at a time. */
export class Piece {
  readonly length: number;
  /** Has them from `at` on, and three bytes behind them that may be read. */
  readonly view: DataView;
  readonly at: number;

  constructor(view: DataView, at: number, length: number) {
    this.view = view;
    this.at = at;
    this.length = length;
  }

  /** Of characters up to 255. `isKept`: for long, so that it must not keep the memory that small buffers share. */
  static of(text: string, isKept = false): Piece {
    const size = text.length + pieceSlack;
    const bytes = isKept ? Buffer.allocUnsafeSlow(size) : Buffer.allocUnsafe(size);
    bytes.write(text, 'latin1');
    for (let i = text.length; i < bytes.length; i++) bytes[i] = 0;
    return new Piece(viewOf(bytes), 0, text.length);
  }

  /** The same bytes from `start` to before `end`. */
  part(start: number, end: number): Piece {
    return new Piece(this.view, this.at + start, end - start);
  }

  toString(): string {
    const { view, at, length } = this;
    return Buffer.from(view.buffer, view.byteOffset + at, length).toString('latin1');
  }
}

/** What is read and written in vain behind a piece, at most. */
export const pieceSlack = 3;

/** The same memory, for numbers of more than a byte at any place. */
export function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** Hot path. Up to `pieceSlack` bytes behind it are overwritten. */
export function putPiece(to: DataView, at: number, piece: Piece): number {
  const { view, at: from, length } = piece;
  for (let i = 0; i < length; i += 4) to.setInt32(at + i, view.getInt32(from + i, true), true);
  return at + length;
}

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

/** Hot path. Characters up to 255, each as one byte. */
export function putText(to: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > shortText) to.write(text, at, length, 'latin1');
  else for (let i = 0; i < length; i++) to[at + i] = text.charCodeAt(i);
  return at + length;
}

/** Hot path. A whole number from 0 on, in decimal. */
export function putCount(to: Buffer, at: number, count: number): number {
  if (count >= smallMax) return putText(to, at, String(count));
  let digits = 1;
  for (let bound = 10; bound <= count; bound *= 10) digits++;
  let rest = count | 0;
  for (let place = at + digits - 1; place >= at; place--) {
    const shorter = (rest / 10) | 0;
    to[place] = zero + rest - shorter * 10;
    rest = shorter;
  }
  return at + digits;
}

/** Hot path. A number from 0 on with three digits behind the point, or with none where all of them are 0. */
export function putThousandths(to: Buffer, at: number, number: number): number {
  const thousandths = Math.round(number * 1_000);
  const fraction = thousandths % 1_000;
  const next = putCount(to, at, (thousandths - fraction) / 1_000);
  if (fraction === 0) return next;
  to[next] = point;
  to[next + 1] = zero + ((fraction / 100) | 0);
  to[next + 2] = zero + (((fraction / 10) | 0) % 10);
  to[next + 3] = zero + (fraction % 10);
  return next + 4;
}
