// Frames of HTTP/2 as they are written, one behind the other, until all of a turn go out at once (RFC 9113 section 6).
import { putRange, viewOf } from '../../domain/put.ts';
import { HeadBuffer } from '../http1/head-buffer.ts';
import { type ErrorCode, flags, frameHeadBytes, framePayloadMax, frameTypes } from './codes.ts';

/** What most connections write in a turn. */
const smallBytes = 16 * 1024;
interface Memory {
  readonly bytes: Buffer;
  readonly view: DataView;
}
/** Of all connections, for whoever writes next. */
const spare: Memory[] = [];
const spareMax = 64;
const nothing: Memory = memoryOf(0);
const none = -1;

/** Of one connection. It has memory only while there is something to be sent. */
export class FrameWriter extends HeadBuffer {
  /** A frame was begun and not ended, so that nothing behind it can be read. */
  isUnfinished = false;
  /** Where the last frame begins, as long as it may grow. */
  #last: number = none;
  #lastStream = 0;

  constructor() {
    super(0);
  }

  override reserve(count: number): void {
    if (this.bytes.length === 0 && count <= smallBytes) this.#use(spare.pop() ?? memoryOf(smallBytes));
    else super.reserve(count);
  }

  /** Everything so far, as bytes that are nobody else's. */
  take(): Buffer {
    const { bytes, view, length } = this;
    this.#use(nothing);
    this.#last = none;
    this.clear();
    const taken = bytes.subarray(0, length);
    if (bytes.length !== smallBytes || spare.length === spareMax) return taken;
    spare.push({ bytes, view });
    return Buffer.from(taken);
  }

  /** Begins a frame; what is added is its payload, up to `end`. */
  begin(type: number, flagBits: number, streamId: number): void {
    this.isUnfinished = true;
    this.#begin(type, flagBits, streamId);
  }

  #begin(type: number, flagBits: number, streamId: number): void {
    this.reserve(frameHeadBytes);
    const { bytes } = this;
    let at = this.length;
    this.#last = at;
    this.#lastStream = streamId;
    bytes[at++] = 0;
    bytes[at++] = 0;
    bytes[at++] = 0;
    bytes[at++] = type;
    bytes[at++] = flagBits;
    bytes[at++] = streamId >>> 24;
    bytes[at++] = streamId >>> 16;
    bytes[at++] = streamId >>> 8;
    bytes[at++] = streamId;
    this.length = at;
  }

  /** Ends the frame that was begun, of HEADERS in as many as it takes. */
  end(): void {
    let at = this.#last;
    while (this.length - at - frameHeadBytes > framePayloadMax) at = this.#divide(at);
    this.#setLength(at, this.length - at - frameHeadBytes);
    this.isUnfinished = false;
  }

  /** All frames but those that carry a request: what follows is their payload, in words of four bytes. */
  words(type: number, flagBits: number, streamId: number, ...payload: readonly number[]): void {
    this.begin(type, flagBits, streamId);
    this.reserve(payload.length * 4);
    for (const word of payload) this.length = this.bytes.writeUInt32BE(word >>> 0, this.length);
    this.end();
    this.#last = none;
  }

  /** Each setting is its id and its value. */
  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    this.begin(frameTypes.settings, 0, 0);
    this.reserve(settings.length * 6);
    for (const [id, value] of settings) {
      this.length = this.bytes.writeUInt16BE(id, this.length);
      this.length = this.bytes.writeUInt32BE(value, this.length);
    }
    this.end();
    this.#last = none;
  }

  resetStream(streamId: number, code: ErrorCode): void {
    this.words(frameTypes.resetStream, 0, streamId, code);
  }

  windowUpdate(streamId: number, bytes: number): void {
    this.words(frameTypes.windowUpdate, 0, streamId, bytes);
  }

  /** Hot path. Data of a stream, in the last frame where that is of them too. */
  data(streamId: number, from: Buffer, start: number, end: number): void {
    this.reserve(end - start + (Math.ceil((end - start) / framePayloadMax) + 1) * frameHeadBytes);
    let at = start;
    while (at < end) {
      if (this.#last === none || this.#lastStream !== streamId || this.bytes[this.#last + 3] !== frameTypes.data || this.#room === 0)
        this.#begin(frameTypes.data, 0, streamId);
      const next = Math.min(end, at + this.#room);
      this.length = putRange(this.bytes, this.length, from, at, next);
      at = next;
      this.#setLength(this.#last, this.length - this.#last - frameHeadBytes);
    }
  }

  /** The stream ends with its last frame, or with an empty one. */
  endStream(streamId: number): void {
    if (this.#last !== none && this.#lastStream === streamId) {
      // Of a head in several frames the first says it.
      const place = this.#last + 4;
      this.bytes[place] = (this.bytes[place] as number) | flags.endStream;
    } else this.#begin(frameTypes.data, flags.endStream, streamId);
    this.#last = none;
  }

  #use({ bytes, view }: Memory): void {
    this.bytes = bytes;
    this.view = view;
  }

  get #room(): number {
    return framePayloadMax - (this.length - this.#last - frameHeadBytes);
  }

  #setLength(at: number, length: number): void {
    const { bytes } = this;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
  }

  /** What does not fit into the frame that begins there goes on in one of CONTINUATION; answers with its place. */
  #divide(at: number): number {
    this.reserve(frameHeadBytes);
    const { bytes } = this;
    const next = at + frameHeadBytes + framePayloadMax;
    bytes.copyWithin(next + frameHeadBytes, next, this.length);
    this.length += frameHeadBytes;
    this.#setLength(at, framePayloadMax);
    bytes[next + 3] = frameTypes.continuation;
    bytes[next + 4] = flags.endHeaders;
    bytes[at + 4] = (bytes[at + 4] as number) & ~flags.endHeaders;
    bytes.copy(bytes, next + 5, at + 5, at + frameHeadBytes);
    return next;
  }
}

function memoryOf(length: number): Memory {
  const bytes = Buffer.allocUnsafeSlow(length);
  return { bytes, view: viewOf(bytes) };
}
