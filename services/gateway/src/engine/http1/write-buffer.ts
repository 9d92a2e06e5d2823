// What goes out on one socket in one piece: a head and the part of a body that is at hand, written once.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { HeadBuffer, putText } from './head-buffer.ts';

/** A read of 64 KiB with its head and framing fits without growing. */
const initialBytes = 96 * 1024;

/** To copy more costs as much as new memory. */
const copiedBytesMax = 16 * 1024;

/**
 * One is shared by all connections of an engine, each of which fills and flushes it without anything in between. Its memory
 * is used again only where the socket has taken all of it at once.
 */
export class WriteBuffer extends HeadBuffer {
  constructor() {
    super(initialBytes);
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
    const { bytes, length } = this;
    this.clear();
    if (length <= copiedBytesMax) return Buffer.from(bytes.subarray(0, length));
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
    return bytes.subarray(0, length);
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
    this.clear();
    const hasRoom = socket.write(bytes.subarray(0, length));
    // What the socket has kept is its own now.
    if (socket.writableLength > 0 || socket.connecting) this.bytes = Buffer.allocUnsafeSlow(initialBytes);
    return hasRoom;
  }
}
