// The chunked coding from bytes: where its data are, its trailers, and exactly where it ends (RFC 9112 section 7.1).
import { backslash, blankBytes, cr, equals, hexValues, lf, quote, semicolon, space, tab, tokenBytes, valueBytes } from './bytes.ts';
import { type FieldId, Fields, fieldIds, fieldsOpen, fieldsRefused } from './fields.ts';

export interface ChunkLimits {
  /** Behind the size of one chunk. */
  readonly extensionBytesMax: number;
  readonly trailerLinesMax: number;
  readonly trailerBytesMax: number;
}

/** Nobody who follows the standard sends any extension; gRPC and digests are the trailers there are. */
export const defaultChunkLimits: ChunkLimits = { extensionBytesMax: 256, trailerLinesMax: 32, trailerBytesMax: 4 * 1024 };

/**
 * What `next` found.
 * `data`: the bytes from `dataStart` to `dataEnd` · `incomplete`: all has been read, the body goes on ·
 * `complete`: the body has ended at `at` · `refused`: `fault` says why; nothing that follows can be read.
 */
export type ChunkStep = 'data' | 'incomplete' | 'complete' | 'refused';

type Phase =
  | 'size'
  /** Blanks behind the size or an extension: only another extension may follow. */
  | 'extension-blank'
  /** Behind a semicolon: blanks, then a name. */
  | 'extension-begin'
  | 'extension-name'
  /** Blanks behind a name: `=` or another extension may follow. */
  | 'extension-name-blank'
  /** Behind `=`: blanks, then a token or a quoted string. */
  | 'extension-value-begin'
  | 'extension-value'
  | 'extension-quoted'
  | 'extension-escaped'
  | 'extension-quoted-end'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailers'
  | 'complete'
  | 'refused';

/** What says where a message ends or whose it is comes before it, or somebody means to be read in two ways (RFC 9110 section 6.5.1). */
const framing: readonly FieldId[] = [fieldIds.contentLength, fieldIds.transferEncoding, fieldIds.host];

/** More than any chunk has, and exact as a number. */
const sizeDigitsMax = 12;

/**
 * Reads one chunked body; `reset` makes it ready for another. Sizes are 1 to 12 hexadecimal digits and nothing else,
 * lines end with CRLF, extensions follow the grammar to the letter and are dropped, trailers are as strict as the fields
 * of a head.
 *
 * @example
 * let at = start;
 * do {
 *   step = reader.next(bytes, at, end);
 *   at = reader.at;
 *   if (step === 'data') write(bytes, reader.dataStart, reader.dataEnd);
 * } while (step === 'data');
 */
export class ChunkedReader {
  /** The place up to which `next` has read. */
  at = 0;
  dataStart = 0;
  dataEnd = 0;
  fault = '';
  readonly #limits: ChunkLimits;
  #phase: Phase = 'size';
  #sizeDigits = 0;
  /** Bytes of the chunk that have not been read yet; while its size is read: the size so far. */
  #left = 0;
  #extensionBytes = 0;
  #trailers: Fields | undefined;
  /** The trailer section so far: the bytes that it came in are gone when the rest comes. */
  #trailerBytes: Buffer | undefined;
  #trailerLength = 0;

  constructor(limits: ChunkLimits = defaultChunkLimits) {
    this.#limits = limits;
  }

  reset(): void {
    this.fault = '';
    this.#phase = 'size';
    this.#sizeDigits = 0;
    this.#left = 0;
    this.#extensionBytes = 0;
    this.#trailers = undefined;
    this.#trailerBytes = undefined;
    this.#trailerLength = 0;
  }

  /** Names and values of the trailers in turn, once complete; none in nearly all bodies. */
  rawTrailers(): string[] {
    return this.#phase === 'complete' ? (this.#trailers?.rawHeaders() ?? []) : [];
  }

  /** Hot path. Reads on from `start`, which is where it stopped or the begin of what came next, and nothing at or beyond `end`. */
  next(bytes: Buffer, start: number, end: number): ChunkStep {
    let at = start;
    while (at < end) {
      switch (this.#phase) {
        case 'data': {
          const dataEnd = end - at < this.#left ? end : at + this.#left;
          this.#left -= dataEnd - at;
          if (this.#left === 0) this.#phase = 'data-cr';
          this.dataStart = at;
          this.dataEnd = dataEnd;
          this.at = dataEnd;
          return 'data';
        }
        case 'data-cr':
          if (bytes[at] !== cr) return this.#refuse(at, 'the data of a chunk are longer than its size');
          this.#phase = 'data-lf';
          at++;
          break;
        case 'data-lf':
          if (bytes[at] !== lf) return this.#refuse(at, 'a CR came without LF');
          this.#phase = 'size';
          at++;
          break;
        case 'size': {
          const digit = hexValues[bytes[at] as number] ?? 0xff;
          if (digit === 0xff) {
            if (this.#sizeDigits === 0) return this.#refuse(at, 'a chunk has no size in hexadecimal digits');
            if (!this.#endPart(bytes[at] as number)) return this.#refuse(at, 'a chunk size is not of hexadecimal digits alone');
          } else {
            if (this.#sizeDigits === sizeDigitsMax) return this.#refuse(at, `a chunk size has more than ${sizeDigitsMax} digits`);
            this.#sizeDigits += 1;
            this.#left = this.#left * 16 + digit;
          }
          at++;
          break;
        }
        case 'size-lf':
          if (bytes[at] !== lf) return this.#refuse(at, 'a CR came without LF');
          this.#sizeDigits = 0;
          this.#extensionBytes = 0;
          this.#phase = this.#left === 0 ? 'trailers' : 'data';
          at++;
          break;
        case 'trailers':
          return this.#readTrailers(bytes, at, end);
        case 'complete':
          this.at = at;
          return 'complete';
        case 'refused':
          return 'refused';
        default:
          if (!this.#readExtension(bytes[at] as number)) return this.#refuse(at, 'a chunk extension is malformed');
          at++;
          if (++this.#extensionBytes > this.#limits.extensionBytesMax)
            return this.#refuse(at, `a chunk has more than ${this.#limits.extensionBytesMax} bytes of extensions`);
      }
    }
    this.at = at;
    return this.#phase === 'complete' || this.#phase === 'refused' ? this.#phase : 'incomplete';
  }

  /** The byte behind a size, a name, or a value: the end of the line, another extension, or blanks before one. */
  #endPart(byte: number): boolean {
    if (byte === cr) this.#phase = 'size-lf';
    else if (byte === semicolon) this.#phase = 'extension-begin';
    else if (byte === space || byte === tab) this.#phase = 'extension-blank';
    else return false;
    return true;
  }

  /** *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ), RFC 9112 section 7.1.1. */
  #readExtension(byte: number): boolean {
    const isToken = tokenBytes[byte] !== 0;
    const isBlank = blankBytes[byte] !== 0;
    switch (this.#phase) {
      case 'extension-blank':
        if (byte === semicolon) this.#phase = 'extension-begin';
        return byte === semicolon || isBlank;
      case 'extension-begin':
        if (isToken) this.#phase = 'extension-name';
        return isToken || isBlank;
      case 'extension-name':
        if (isToken) return true;
        if (byte === equals) this.#phase = 'extension-value-begin';
        else if (isBlank) this.#phase = 'extension-name-blank';
        else return this.#endPart(byte);
        return true;
      case 'extension-name-blank':
        if (byte === equals) this.#phase = 'extension-value-begin';
        else if (byte === semicolon) this.#phase = 'extension-begin';
        return byte === equals || byte === semicolon || isBlank;
      case 'extension-value-begin':
        if (isToken) this.#phase = 'extension-value';
        else if (byte === quote) this.#phase = 'extension-quoted';
        return isToken || isBlank || byte === quote;
      case 'extension-value':
        return isToken || this.#endPart(byte);
      case 'extension-quoted':
        if (byte === quote) this.#phase = 'extension-quoted-end';
        else if (byte === backslash) this.#phase = 'extension-escaped';
        return valueBytes[byte] !== 0;
      case 'extension-escaped':
        this.#phase = 'extension-quoted';
        return valueBytes[byte] !== 0;
      default:
        return this.#endPart(byte);
    }
  }

  #readTrailers(bytes: Buffer, start: number, end: number): ChunkStep {
    // The usual end, without a copy.
    if (this.#trailerLength === 0 && end - start > 1 && bytes[start] === cr && bytes[start + 1] === lf) {
      this.at = start + 2;
      this.#phase = 'complete';
      return 'complete';
    }
    const { trailerBytesMax, trailerLinesMax } = this.#limits;
    this.#trailers ??= new Fields();
    const before = this.#trailerLength;
    const taken = Math.min(end - start, trailerBytesMax - before);
    const section = this.#room(before + taken);
    bytes.copy(section, before, start, start + taken);
    this.#trailerLength = before + taken;
    const sectionEnd = this.#trailers.read(section, this.#trailerLength, trailerLinesMax);
    if (sectionEnd === fieldsRefused) return this.#refuse(start, this.#trailers.fault);
    if (sectionEnd !== fieldsOpen) {
      if (framing.some((id) => this.#trailers?.has(id))) return this.#refuse(start, 'a trailer would frame the message');
      this.at = start + sectionEnd - before;
      this.#phase = 'complete';
      return 'complete';
    }
    if (this.#trailerLength === trailerBytesMax) return this.#refuse(start, `more than ${trailerBytesMax} bytes of trailers came`);
    this.at = end;
    return 'incomplete';
  }

  /** The buffer of the trailer section, with room for so many bytes. */
  #room(length: number): Buffer {
    const old = this.#trailerBytes;
    if (old !== undefined && old.length >= length) return old;
    const section = Buffer.allocUnsafe(Math.min(Math.max(length * 2, 256), this.#limits.trailerBytesMax));
    old?.copy(section, 0, 0, this.#trailerLength);
    this.#trailerBytes = section;
    return section;
  }

  #refuse(at: number, fault: string): ChunkStep {
    this.at = at;
    this.fault = fault;
    this.#phase = 'refused';
    return 'refused';
  }
}
