// Frames of HTTP/2 from bytes as they come, each as strict in its form as RFC 9113 section 6 wants it.
import { type ErrorCode, errorCodes, flags, frameHeadBytes, framePayloadMax, frameTypes } from './codes.ts';

export interface FrameLimits {
  /** Of a head, in as many frames as it likes up to the next. */
  readonly blockBytesMax: number;
  readonly continuationsMax: number;
}

/**
 * What `next` found.
 * `data`: a piece of a DATA frame · `frame`: a whole one of another kind, a HEADERS frame with all that continues it ·
 * `incomplete`: more has to come · `refused`: `code` and `fault` say why; nothing that follows can be read.
 */
export type FrameStep = 'data' | 'frame' | 'incomplete' | 'refused';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const priorityBytes = 5;
const noBytes: Buffer = Buffer.alloc(0);

/** The payload of those whose payload has one length. */
const lengths: ReadonlyMap<number, number> = new Map([
  [frameTypes.priority, priorityBytes],
  [frameTypes.resetStream, 4],
  [frameTypes.ping, 8],
  [frameTypes.windowUpdate, 4],
]);
const ofConnection: ReadonlySet<number> = new Set([frameTypes.settings, frameTypes.ping, frameTypes.goAway]);
const ofStream: ReadonlySet<number> = new Set([
  frameTypes.data,
  frameTypes.headers,
  frameTypes.priority,
  frameTypes.resetStream,
  frameTypes.continuation,
]);

/**
 * Reads what a client sends, from its first byte on: `give` it the bytes that have come, and call `next` until it wants more.
 * What it finds is in its fields until the next call, and the bytes are the caller's. Pieces of DATA are handed on as they
 * come; any other frame is waited for.
 */
export class FrameReader {
  type = 0;
  flags = 0;
  streamId = 0;
  /** The payload, without padding: of `data` the piece that is here. */
  bytes: Buffer = noBytes;
  start = 0;
  end = 0;
  /** Of the first piece of a DATA frame what all of it takes of the windows; else 0. */
  windowBytes = 0;
  /** Of these those that are padding. */
  paddingBytes = 0;
  /** The piece is the last of its frame. */
  isLast = false;
  code: ErrorCode = errorCodes.protocolError;
  fault = '';
  readonly #limits: FrameLimits;
  #at = 0;
  #stop = 0;
  #input: Buffer = noBytes;
  /** Nobody else has the input, and there may be room behind `#stop`. */
  #isOwn = false;
  /** Of the client's first words. */
  #prefaceAt = 0;
  #hasSettings = false;
  /** Of the DATA frame that is being read. */
  #left = 0;
  #padding = 0;
  #windowBytes = 0;
  #paddingBytes = 0;
  #isInData = false;
  /** The head that is not whole yet, and what its first frame said. */
  #block: Buffer[] = [];
  #blockBytes = 0;
  #blockStream = 0;
  #blockFlags = 0;
  #continuations = 0;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** A head has begun and not ended. */
  get isInHead(): boolean {
    return this.#blockStream !== 0;
  }

  give(bytes: Buffer): void {
    if (this.#at === this.#stop) {
      this.#input = bytes;
      this.#at = 0;
      this.#stop = bytes.length;
      this.#isOwn = false;
      return;
    }
    const rest = this.#stop - this.#at;
    if (!this.#isOwn || bytes.length > this.#input.length - this.#stop) {
      // With room for as much again: a frame that comes byte by byte is not copied with each of them.
      const larger = Buffer.allocUnsafe(2 * (rest + bytes.length));
      this.#input.copy(larger, 0, this.#at, this.#stop);
      this.#input = larger;
      this.#at = 0;
      this.#stop = rest;
      this.#isOwn = true;
    }
    bytes.copy(this.#input, this.#stop);
    this.#stop += bytes.length;
  }

  /** Hot path. */
  next(): FrameStep {
    if (this.#prefaceAt < preface.length && !this.#readPreface()) return this.fault === '' ? 'incomplete' : 'refused';
    for (;;) {
      if (this.#isInData) return this.#readData();
      if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, this.#stop - this.#at);
        this.#padding -= skipped;
        this.#at += skipped;
      }
      const input = this.#input;
      const at = this.#at;
      if (this.#stop - at < frameHeadBytes) return this.#wait();
      const length = ((input[at] as number) << 16) | ((input[at + 1] as number) << 8) | (input[at + 2] as number);
      const type = input[at + 3] as number;
      this.type = type;
      this.flags = input[at + 4] as number;
      this.streamId = input.readUInt32BE(at + 5) & 0x7fffffff;
      if (!this.#isHeadFine(length)) return 'refused';
      if (type === frameTypes.data) {
        if (!this.#beginData(at, length)) return this.fault === '' ? this.#wait() : 'refused';
        continue;
      }
      const start = at + frameHeadBytes;
      if (this.#stop - start < length) return this.#wait();
      this.#at = start + length;
      this.bytes = input;
      this.start = start;
      this.end = start + length;
      if (type === frameTypes.headers && !this.#takeOff()) return 'refused';
      if (type === frameTypes.priority && !this.#isPriorityFine()) return 'refused';
      const isWhole = type === frameTypes.headers ? (this.flags & flags.endHeaders) !== 0 : type !== frameTypes.continuation;
      if (isWhole) return 'frame';
      const whole = this.#gather();
      if (whole !== undefined) return whole;
    }
  }

  #wait(): FrameStep {
    if (this.#at === this.#stop) {
      this.#input = noBytes;
      this.#at = 0;
      this.#stop = 0;
    }
    this.bytes = noBytes;
    return 'incomplete';
  }

  #readPreface(): boolean {
    while (this.#prefaceAt < preface.length && this.#at < this.#stop) {
      if (this.#input[this.#at] !== preface[this.#prefaceAt]) {
        this.#refuse(errorCodes.protocolError, 'the client does not speak HTTP/2');
        return false;
      }
      this.#at++;
      this.#prefaceAt++;
    }
    return this.#prefaceAt === preface.length;
  }

  /** What the head of a frame says by itself. */
  #isHeadFine(length: number): boolean {
    const { type, streamId } = this;
    if (length > framePayloadMax) return this.#refuse(errorCodes.frameSizeError, `a frame of ${length} bytes came`);
    if (!this.#hasSettings) {
      if (type !== frameTypes.settings || (this.flags & flags.ack) !== 0)
        return this.#refuse(errorCodes.protocolError, 'the first frame has no settings');
      this.#hasSettings = true;
    }
    if (this.#blockStream !== 0 && (type !== frameTypes.continuation || streamId !== this.#blockStream))
      return this.#refuse(errorCodes.protocolError, 'something else came within a head');
    if (this.#blockStream === 0 && type === frameTypes.continuation)
      return this.#refuse(errorCodes.protocolError, 'a head is continued that was not begun');
    if (streamId === 0 ? ofStream.has(type) : ofConnection.has(type))
      return this.#refuse(
        errorCodes.protocolError,
        streamId === 0 ? 'a frame names no stream' : 'a frame of the connection names a stream',
      );
    if (type === frameTypes.pushPromise) return this.#refuse(errorCodes.protocolError, 'a client pushes');
    if (!this.#isLengthFine(type, length)) return this.#refuse(errorCodes.frameSizeError, 'a frame has a length that its kind never has');
    return true;
  }

  #isLengthFine(type: number, length: number): boolean {
    if (type === frameTypes.data || type === frameTypes.headers) return true;
    if (type === frameTypes.settings) return (this.flags & flags.ack) !== 0 ? length === 0 : length % 6 === 0;
    if (type === frameTypes.goAway) return length >= 8;
    const expected = lengths.get(type);
    return expected === undefined || length === expected;
  }

  /** Takes the frame's head, and the length of its padding where there is one. False: that is not here, or `fault` is set. */
  #beginData(at: number, length: number): boolean {
    let start = at + frameHeadBytes;
    let padding = 0;
    if ((this.flags & flags.padded) !== 0) {
      if (length > 0 && start === this.#stop) return false;
      padding = length === 0 ? 0 : (this.#input[start] as number);
      if (padding >= length) return this.#refuse(errorCodes.protocolError, 'a frame has more padding than it has room');
      this.#left = length - padding - 1;
      start++;
    } else this.#left = length;
    this.#padding = padding;
    this.#windowBytes = length;
    this.#paddingBytes = length - this.#left;
    this.#isInData = true;
    this.#at = start;
    return true;
  }

  #readData(): FrameStep {
    const taken = Math.min(this.#left, this.#stop - this.#at);
    if (taken === 0 && this.#left > 0) return this.#wait();
    this.windowBytes = this.#windowBytes;
    this.paddingBytes = this.#paddingBytes;
    this.#windowBytes = 0;
    this.#paddingBytes = 0;
    this.bytes = this.#input;
    this.start = this.#at;
    this.#at += taken;
    this.end = this.#at;
    this.#left -= taken;
    this.isLast = this.#left === 0;
    this.#isInData = !this.isLast;
    return 'data';
  }

  /** Takes padding and priority off the payload of HEADERS, of which only the form counts. */
  #takeOff(): boolean {
    const bytes = this.bytes;
    if ((this.flags & flags.padded) !== 0) {
      if (this.start === this.end) return this.#refuse(errorCodes.frameSizeError, 'a frame has no room for the length of its padding');
      const padding = bytes[this.start++] as number;
      if (padding > this.end - this.start) return this.#refuse(errorCodes.protocolError, 'a frame has more padding than it has room');
      this.end -= padding;
    }
    if ((this.flags & flags.priority) !== 0) {
      if (this.end - this.start < priorityBytes) return this.#refuse(errorCodes.frameSizeError, 'a frame has no room for its priority');
      if (!this.#isPriorityFine()) return false;
      this.start += priorityBytes;
    }
    return true;
  }

  /** Priorities are not gone by (RFC 9113 section 5.3.2). */
  #isPriorityFine(): boolean {
    const dependency = this.bytes.readUInt32BE(this.start) & 0x7fffffff;
    return dependency !== this.streamId || this.#refuse(errorCodes.protocolError, 'a stream depends on itself');
  }

  /** Of a head in several frames. Undefined: it goes on. */
  #gather(): FrameStep | undefined {
    const { blockBytesMax, continuationsMax } = this.#limits;
    if (this.type === frameTypes.headers) {
      this.#blockStream = this.streamId;
      this.#blockFlags = this.flags;
    } else this.#continuations++;
    this.#blockBytes += this.end - this.start;
    if (this.#blockBytes > blockBytesMax || this.#continuations > continuationsMax) {
      this.#refuse(errorCodes.enhanceYourCalm, `a head came in more than ${blockBytesMax} bytes or ${continuationsMax} frames more`);
      return 'refused';
    }
    this.#block.push(Buffer.from(this.bytes.subarray(this.start, this.end)));
    if ((this.flags & flags.endHeaders) === 0) return undefined;
    this.type = frameTypes.headers;
    this.flags = this.#blockFlags;
    this.bytes = Buffer.concat(this.#block);
    this.start = 0;
    this.end = this.bytes.length;
    this.#block = [];
    this.#blockBytes = 0;
    this.#blockStream = 0;
    this.#continuations = 0;
    return 'frame';
  }

  #refuse(code: ErrorCode, fault: string): false {
    this.code = code;
    this.fault = fault;
    return false;
  }
}
