// What goes out on one socket in one piece: a head and the part of a body that is at hand, written once.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { putText } from '../../domain/put.ts';
import { HeadBuffer } from './head-buffer.ts';

/** What most answers need; it is lost where a socket keeps it. */
const smallBytes = 16 * 1024;
/** What an endpoint is read in at once, with its head and framing. */
const largeBytes = 288 * 1024;

/** Who gathers bytes in a buffer that others use as well. */
export interface Gatherer {
  /** Sends what it has gathered. */
  sendGathered(): void;
}

/**
 * One is shared by all connections of an engine. Each takes it by `of`, so that nobody's bytes ever stand behind another's.
 * Its memory is used again only where the socket has taken all of it at once.
 */
export class WriteBuffer extends HeadBuffer {
  #gatherer: Gatherer | undefined;
  #small: Buffer;
  #large: Buffer | undefined;

  constructor() {
    super(smallBytes);
    this.#small = this.bytes;
  }

  /** Hot path. This buffer for the bytes of `gatherer` alone: what another has gathered goes out first, or is nobody's any more. */
  of(gatherer: Gatherer): this {
    if (gatherer !== this.#gatherer) {
      if (this.length > 0) {
        this.#gatherer?.sendGathered();
        this.clear();
      }
      this.#gatherer = gatherer;
    }
    return this;
  }

  /** Forgets what `gatherer` has gathered, and nobody else's. */
  drop(gatherer: Gatherer): void {
    if (gatherer === this.#gatherer) this.clear();
  }

  override clear(): void {
    super.clear();
    this.#gatherer = undefined;
  }

  override reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    if (needed > largeBytes) {
      super.reserve(count);
      return;
    }
    const large = this.#large ?? Buffer.allocUnsafeSlow(largeBytes);
    this.#large = large;
    this.bytes.copy(large, 0, 0, this.length);
    this.bytes = large;
  }

  /** Characters up to 255, each as one byte. */
  text(text: string): void {
    this.reserve(text.length);
    this.length = putText(this.bytes, this.length, text);
  }

  utf8(text: string): void {
    const bytes = Buffer.from(text);
    this.add(bytes, 0, bytes.length);
  }

  /** One chunk of a chunked body. */
  chunk(bytes: Buffer, start: number, end: number): void {
    this.text(`${(end - start).toString(16)}\r\n`);
    this.add(bytes, start, end);
    this.text('\r\n');
  }

  /** Everything so far, as bytes that are nobody else's; undefined where there is nothing. */
  take(): Buffer | undefined {
    if (this.length > 0) return this.#copied();
    this.clear();
    return undefined;
  }

  /** The end of a chunked body. */
  lastChunk(trailers: readonly (readonly [name: string, value: string])[]): void {
    this.text('0\r\n');
    for (const [name, value] of trailers) this.text(`${name}: ${value}\r\n`);
    this.text('\r\n');
  }

  /** Hands everything over to the socket. False where it has more than it should: wait for its `drain`. */
  flush(socket: Socket): boolean {
    const { bytes, length } = this;
    if (length === 0) {
      this.clear();
      return !socket.writableNeedDrain;
    }
    // What is done with them until TLS has encrypted them is its own affair.
    if (socket instanceof TLSSocket) return socket.write(this.#copied());
    const hasRoom = socket.write(bytes.subarray(0, length));
    this.#begin(socket.writableLength > 0 || socket.connecting);
    return hasRoom;
  }

  #copied(): Buffer {
    const copy = Buffer.from(this.bytes.subarray(0, this.length));
    this.#begin(false);
    return copy;
  }

  /** Anew; what was used is another's now where it `isKept`. */
  #begin(isKept: boolean): void {
    if (isKept) {
      if (this.bytes === this.#small) this.#small = Buffer.allocUnsafeSlow(smallBytes);
      else if (this.bytes === this.#large) this.#large = undefined;
    }
    this.bytes = this.#small;
    this.clear();
  }
}
