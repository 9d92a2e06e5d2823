// Packs the heads of answers with HPACK, and keeps the table that the client has (RFC 7541).
import { type Piece, pieceSlack, putPiece, putRange, putText, viewOf } from '../../domain/put.ts';
import { type Fields, fieldIds } from '../http1/fields.ts';
import { HeadBuffer } from '../http1/head-buffer.ts';
import type { LineSink } from '../http1/head-writer.ts';
import { tableBytesAtFirst } from './codes.ts';
import { isShared, lineBytes } from './header-line.ts';
import { staticLines } from './hpack-static.ts';

/** Names in lower case, whatever they came in (RFC 9113 section 8.2). */
const lowerOf: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));
const hashAtFirst = 0x811c9dc5;
const hashFactor = 0x01000193;
/** Lines that have come once are remembered in so many places; what comes again goes into the table. */
const seenPlaces = 64;
/** So many lines of a head are looked for in their places first. */
const usualPlaces = 32;
const literal = 0x00;
const literalNever = 0x10;
const literalKept = 0x40;
const indexed = 0x80;
const resized = 0x20;
/** First bits, and a number as large as any here. */
const integerBytesMax = 6;
/** New with each answer, and an app's own secrets. */
const requestIdName = 'x-request-id';
/**
 * Lines that were put into tables last, by their hash: apps say the same to everybody, and what many connections share is near
 * when it is compared.
 */
const shared: (Kept | undefined)[] = new Array(1024).fill(undefined);
/** What texts are made bytes in. */
let scratch: Buffer = Buffer.allocUnsafeSlow(1024);
let scratchView: DataView = viewOf(scratch);

/** The index of each name by its hash: of the first line with it. */
const staticNames: ReadonlyMap<number, number> = new Map(
  staticLines
    .map((line, index): [number, number] => [line === undefined ? 0 : hashOf(line.bytes, 0, line.nameEnd, hashAtFirst), index])
    .slice(1)
    .reverse(),
);
const statusIndex = 8;
const statusIndexes: ReadonlyMap<number, number> = new Map(
  staticLines.flatMap((line, index): [number, number][] => (line?.name() === ':status' ? [[Number(line.value()), index]] : [])),
);

/** A line of the table. */
interface Kept {
  readonly hash: number;
  /** The name in lower case, and the value behind it. */
  readonly bytes: Buffer;
  readonly nameBytes: number;
  /** How many were put into the table before it. */
  readonly number: number;
}

/**
 * Of one connection. Only a line that has come before is put into the table, so that ids and times do not drive out what does
 * recur; what is one answer's alone is said to be so, and nobody on the way puts it into a table (section 7.1.3).
 */
export class HpackEncoder implements LineSink {
  #out: HeadBuffer = new HeadBuffer(0);
  readonly #seen: Int32Array = new Int32Array(seenPlaces);
  readonly #byHash = new Map<number, Kept>();
  /** Oldest first, from `#oldest` on. */
  #table: Kept[] = [];
  #oldest = 0;
  #tableBytes = 0;
  #tableBytesMax: number = tableBytesAtFirst;
  /** The least and the last that the client has set since the last head; undefined: it has not. */
  #leastBytes: number | undefined;
  #inserted = 0;
  #evicted = 0;
  /** The lines of the table that came last, by their places in a head: an app says most things in the same order again. */
  readonly #usual: (Kept | undefined)[] = new Array(usualPlaces).fill(undefined);
  #place = 0;

  /** The client has set the size of its table; of a large one only so much is used as there is at first. */
  resize(bytes: number): void {
    const bytesMax = Math.min(bytes, tableBytesAtFirst);
    if (bytesMax === this.#tableBytesMax && this.#leastBytes === undefined) return;
    this.#leastBytes = Math.min(this.#leastBytes ?? bytesMax, bytesMax);
    this.#tableBytesMax = bytesMax;
    this.#evict(bytesMax);
  }

  /** Begins a head of an answer, which goes to `out`. */
  begin(out: HeadBuffer, status: number): void {
    this.beginTrailers(out);
    out.reserve(2 * integerBytesMax);
    const index = statusIndexes.get(status);
    if (index !== undefined) putInteger(out, indexed, 7, index);
    else {
      putInteger(out, literal, 4, statusIndex);
      putInteger(out, 0, 7, 3);
      out.length = putText(out.bytes, out.length, String(status));
    }
  }

  /** The same without a status. */
  beginTrailers(out: HeadBuffer): void {
    this.#out = out;
    this.#place = 0;
    out.reserve(2 * integerBytesMax);
    if (this.#leastBytes !== undefined) {
      if (this.#leastBytes < this.#tableBytesMax) putInteger(out, resized, 5, this.#leastBytes);
      putInteger(out, resized, 5, this.#tableBytesMax);
      this.#leastBytes = undefined;
    }
  }

  field(fields: Fields, index: number): void {
    const isSecret = fields.id(index) === fieldIds.setCookie;
    const { bytes } = fields;
    this.#line(bytes, fields.nameStart(index), fields.nameEnd(index), fields.valueStart(index), fields.valueEnd(index), isSecret);
  }

  text(name: string, value: string | Piece): void {
    const bytesMax = name.length + value.length + pieceSlack;
    if (scratch.length < bytesMax) {
      scratch = Buffer.allocUnsafeSlow(bytesMax);
      scratchView = viewOf(scratch);
    }
    const nameEnd = putText(scratch, 0, name);
    const end = typeof value === 'string' ? putText(scratch, nameEnd, value) : putPiece(scratchView, nameEnd, value);
    this.#line(scratch, 0, nameEnd, nameEnd, end, name.length === requestIdName.length && name.toLowerCase() === requestIdName);
  }

  /** Hot path. The line with the name and value at those places. `isSecret`: nobody is to keep it. */
  #line(from: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, isSecret: boolean): void {
    const out = this.#out;
    out.reserve(nameEnd - nameStart + valueEnd - valueStart + 3 * integerBytesMax);
    const place = this.#place++;
    const usual = isSecret || place >= usualPlaces ? undefined : this.#usual[place];
    if (usual !== undefined && usual.number >= this.#evicted && isSame(usual, from, nameStart, nameEnd, valueStart, valueEnd)) {
      this.#putIndex(usual);
      return;
    }
    const nameHash = hashOf(from, nameStart, nameEnd, hashAtFirst);
    let first: number = literalNever;
    let prefixBits = 4;
    if (!isSecret) {
      const hash = hashOf(from, valueStart, valueEnd, nameHash);
      const kept = this.#byHash.get(hash);
      if (kept !== undefined && isSame(kept, from, nameStart, nameEnd, valueStart, valueEnd)) {
        if (place < usualPlaces) this.#usual[place] = kept;
        this.#putIndex(kept);
        return;
      }
      first = literal;
      if (kept === undefined && this.#recurs(hash)) {
        const size = nameEnd - nameStart + valueEnd - valueStart + lineBytes;
        if (size <= this.#tableBytesMax / 2) {
          first = literalKept;
          prefixBits = 6;
          this.#keep(hash, size, from, nameStart, nameEnd, valueStart, valueEnd);
        }
      }
    }
    const index = staticNames.get(nameHash) ?? 0;
    if (index > 0 && isNamed(index, from, nameStart, nameEnd)) putInteger(out, first, prefixBits, index);
    else {
      out.bytes[out.length++] = first;
      putInteger(out, 0, 7, nameEnd - nameStart);
      for (let i = nameStart; i < nameEnd; i++) out.bytes[out.length++] = lowerOf[from[i] as number] as number;
    }
    putInteger(out, 0, 7, valueEnd - valueStart);
    out.length = putRange(out.bytes, out.length, from, valueStart, valueEnd);
  }

  #putIndex({ number }: Kept): void {
    putInteger(this.#out, indexed, 7, staticLines.length + this.#inserted - 1 - number);
  }

  /** True from the second time on, unless another line has taken its place. */
  #recurs(hash: number): boolean {
    const place = hash & (seenPlaces - 1);
    if (this.#seen[place] === hash) return true;
    this.#seen[place] = hash;
    return false;
  }

  #keep(hash: number, size: number, from: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.#evict(this.#tableBytesMax - size);
    const place = hash & (shared.length - 1);
    const same = shared[place];
    const isKnown = same !== undefined && isSame(same, from, nameStart, nameEnd, valueStart, valueEnd);
    const bytes = isKnown ? same.bytes : lineOf(from, nameStart, nameEnd, valueStart, valueEnd);
    const kept = { hash, bytes, nameBytes: nameEnd - nameStart, number: this.#inserted };
    if (!isKnown && isShared(bytes.toString('latin1', 0, nameEnd - nameStart))) shared[place] = kept;
    this.#inserted++;
    this.#tableBytes += size;
    this.#table.push(kept);
    this.#byHash.set(hash, kept);
  }

  /** The oldest go until the table has at most so many bytes. */
  #evict(bytesMax: number): void {
    while (this.#tableBytes > bytesMax) {
      const kept = this.#table[this.#oldest++] as Kept;
      this.#tableBytes -= kept.bytes.length + lineBytes;
      this.#byHash.delete(kept.hash);
      this.#evicted++;
    }
    // The room of those that are gone is given back now and then.
    if (this.#oldest > this.#table.length / 2) {
      this.#table = this.#table.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}

/** Hot path. Goes on with a hash: of names and values as they are compared. */
function hashOf(bytes: Buffer, start: number, end: number, before: number): number {
  let hash = before;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (lowerOf[bytes[i] as number] as number), hashFactor);
  return hash;
}

function lineOf(from: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): Buffer {
  const nameBytes = nameEnd - nameStart;
  const bytes = Buffer.allocUnsafeSlow(nameBytes + valueEnd - valueStart);
  for (let i = 0; i < nameBytes; i++) bytes[i] = lowerOf[from[nameStart + i] as number] as number;
  from.copy(bytes, nameBytes, valueStart, valueEnd);
  return bytes;
}

function isSame(kept: Kept, from: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): boolean {
  const { bytes, nameBytes } = kept;
  if (nameEnd - nameStart !== nameBytes || valueEnd - valueStart !== bytes.length - nameBytes) return false;
  for (let i = 0; i < nameBytes; i++) if (bytes[i] !== lowerOf[from[nameStart + i] as number]) return false;
  const distance = valueStart - nameBytes;
  for (let i = nameBytes; i < bytes.length; i++) if (bytes[i] !== from[distance + i]) return false;
  return true;
}

function isNamed(index: number, from: Buffer, start: number, end: number): boolean {
  const line = staticLines[index];
  if (line === undefined || line.nameEnd !== end - start) return false;
  for (let i = 0; i < line.nameEnd; i++) if (line.bytes[i] !== lowerOf[from[start + i] as number]) return false;
  return true;
}

/** Section 5.1; there has to be room. */
function putInteger(out: HeadBuffer, first: number, prefixBits: number, value: number): void {
  const to = out.bytes;
  const max = (1 << prefixBits) - 1;
  if (value < max) {
    to[out.length++] = first | value;
    return;
  }
  to[out.length++] = first | max;
  let rest = value - max;
  for (; rest >= 0x80; rest >>>= 7) to[out.length++] = (rest & 0x7f) | 0x80;
  to[out.length++] = rest;
}
