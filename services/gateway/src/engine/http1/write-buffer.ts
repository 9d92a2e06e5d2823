// What goes out on one socket in one piece: a head and the part of a body that is at hand, written once.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { putText } from '../../domain/put.ts';
import { HeadBuffer } from './head-buffer.ts';

/** What most answers need; it is lost where a socket keeps it. */
const smallBytes = 16 * 1024;
/** What an endpoint is read in at once, with its head and framing. */
const largeBytes = 288 * 1024;

/**
 * One is shared by all connections of an engine, each of which fills and flushes it without anything in between. Its memory
 * is used again only where the socket has taken all of it at once.
 */
export class WriteBuffer extends HeadBuffer {
  #small: Buffer;
  #large: Buffer | undefined;

  constructor() {
    super(smallBytes);
    this.#small = this.bytes;
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

  /** Everything so far, as bytes that are nobody else's. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.length);
    this.bytes.copy(taken, 0, 0, this.length);
    this.#begin(false);
    return taken;
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
    if (length === 0) return !socket.writableNeedDrain;
    // What is done with them until TLS has encrypted them is its own affair.
    if (socket instanceof TLSSocket) return socket.write(this.take());
    const hasRoom = socket.write(bytes.subarray(0, length));
    this.#begin(socket.writableLength > 0 || socket.connecting);
    return hasRoom;
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
