// Reads heads that HPACK has packed, and keeps the table of one connection (RFC 7541).
import { tableBytesAtFirst } from './codes.ts';
import { HeaderLine, lineToKeep } from './header-line.ts';
import { staticLines } from './hpack-static.ts';
import { huffmanBytesMax, readHuffman } from './huffman.ts';

/** More than that is no length of anything, and no index. */
const integerBitsMax = 21;
const integerRefused = -1;
/** What is not named by its place is unpacked, and may be so many lists: three bytes name a line of thousands. */
const unpackedListsMax = 4;
/** What strings are unpacked in: one at a time, copied before the next. */
let scratch: Buffer = Buffer.allocUnsafeSlow(16 * 1024);
const noLines: readonly HeaderLine[] = [];

/**
 * Of one connection, as its table holds what came in all heads before. `read` takes a whole head; its `lines` stay until
 * `clear`. A line that is named by its place in a table is the same object each time.
 */
export class HpackDecoder {
  lines: readonly HeaderLine[] = noLines;
  /** The list is larger than it was to be: what came beyond is not among the lines. */
  isTooLarge = false;
  /** Why `read` refused. */
  fault = '';
  readonly #listBytesMax: number;
  readonly #tableBytesMax: number;
  /** What the client has it as. */
  #tableBytesBound: number;
  #tableBytes = 0;
  /** A ring: the newest stands before `#next`. */
  readonly #table: (HeaderLine | undefined)[];
  #next = 0;
  #count = 0;
  #bytes: Buffer = scratch;
  #at = 0;
  #end = 0;
  /** Of the string that was read last: where it is, and in which bytes. */
  #text: Buffer = scratch;
  #textStart = 0;
  #textEnd = 0;

  /** `listBytesMax`: of the names and values of a head, and 32 for each line. */
  constructor(listBytesMax: number, tableBytesMax: number = tableBytesAtFirst) {
    this.#listBytesMax = listBytesMax;
    this.#tableBytesMax = tableBytesMax;
    this.#tableBytesBound = tableBytesMax;
    this.#table = new Array(Math.floor(tableBytesMax / 32)).fill(undefined);
  }

  /** Lets go of what was read. */
  clear(): void {
    this.lines = noLines;
    this.#bytes = scratch;
    this.#text = scratch;
  }

  /** Hot path. False where this is not HPACK, and nothing that follows can be read: `fault` says why. */
  read(bytes: Buffer, start: number, end: number): boolean {
    const lines: HeaderLine[] = [];
    this.lines = lines;
    this.isTooLarge = false;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    let listBytes = 0;
    let unpackedBytes = 0;
    let hasLines = false;
    while (this.#at < end) {
      const first = bytes[this.#at] as number;
      let line: HeaderLine | undefined;
      if (first >= 0x80) line = this.#lineAt(this.#integer(7));
      else if (first >= 0x40) {
        line = this.#literal(6, true);
        if (line !== undefined) this.#keep(line);
        unpackedBytes += line?.size ?? 0;
      } else if (first >= 0x20) {
        // Only a head begins with that (section 4.2).
        if (hasLines || !this.#resize(this.#integer(5))) return this.#refuse('the size of the table is not one that it may have here');
        continue;
      } else {
        line = this.#literal(4, false);
        unpackedBytes += line?.size ?? 0;
      }
      if (unpackedBytes > unpackedListsMax * this.#listBytesMax) return this.#refuse('a head unpacks to far more than it may have');
      if (line === undefined) return this.#refuse('a line is not packed as lines are');
      hasLines = true;
      listBytes += line.size;
      if (listBytes > this.#listBytesMax) this.isTooLarge = true;
      else lines.push(line);
    }
    return true;
  }

  #refuse(fault: string): false {
    this.fault = fault;
    return false;
  }

  #lineAt(index: number): HeaderLine | undefined {
    if (index < staticLines.length) return staticLines[index];
    const age = index - staticLines.length;
    if (age >= this.#count) return undefined;
    return this.#table[(this.#next - 1 - age + this.#table.length) % this.#table.length];
  }

  /** A name by its place or in full, and a value. */
  #literal(prefixBits: number, isKept: boolean): HeaderLine | undefined {
    const index = this.#integer(prefixBits);
    if (index === integerRefused) return undefined;
    let named: HeaderLine | Buffer | undefined;
    if (index > 0) named = this.#lineAt(index);
    // The value is unpacked to the same place.
    else if (this.#string()) named = Buffer.from(this.#text.subarray(this.#textStart, this.#textEnd));
    if (named === undefined || !this.#string()) return undefined;
    return isKept
      ? lineToKeep(named, this.#text, this.#textStart, this.#textEnd)
      : new HeaderLine(named, this.#text, this.#textStart, this.#textEnd);
  }

  /** From `#at` on, which then stands behind it. Refused beyond what anybody has a use for (section 5.1). */
  #integer(prefixBits: number): number {
    const bytes = this.#bytes;
    const mask = (1 << prefixBits) - 1;
    let value = (bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < integerBitsMax; shift += 7) {
      if (this.#at === this.#end) return integerRefused;
      const byte = bytes[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return integerRefused;
  }

  /** Sets the places of its text. */
  #string(): boolean {
    if (this.#at === this.#end) return false;
    const isPacked = (this.#bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (length === integerRefused || end > this.#end) return false;
    this.#at = end;
    if (!isPacked) {
      this.#text = this.#bytes;
      this.#textStart = start;
      this.#textEnd = end;
      return true;
    }
    const bytesMax = huffmanBytesMax(length);
    if (scratch.length < bytesMax) scratch = Buffer.allocUnsafeSlow(bytesMax);
    this.#text = scratch;
    this.#textStart = 0;
    this.#textEnd = readHuffman(this.#bytes, start, end, scratch, 0);
    return this.#textEnd >= 0;
  }

  #resize(bytesBound: number): boolean {
    if (bytesBound === integerRefused || bytesBound > this.#tableBytesMax) return false;
    this.#tableBytesBound = bytesBound;
    this.#evict(0);
    return true;
  }

  /** As the newest of the table; a line that is larger than that leaves it empty (section 4.4). */
  #keep(line: HeaderLine): void {
    const { size } = line;
    this.#evict(size);
    if (size > this.#tableBytesBound) return;
    this.#table[this.#next] = line;
    this.#next = (this.#next + 1) % this.#table.length;
    this.#count++;
    this.#tableBytes += size;
  }

  /** Until there is room for so many bytes more. */
  #evict(bytes: number): void {
    while (this.#count > 0 && this.#tableBytes + bytes > this.#tableBytesBound) {
      const oldest = (this.#next - this.#count + this.#table.length) % this.#table.length;
      this.#tableBytes -= this.#table[oldest]?.size ?? 0;
      this.#table[oldest] = undefined;
      this.#count--;
    }
  }
}
