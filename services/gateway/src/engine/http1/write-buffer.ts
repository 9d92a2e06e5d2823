// What goes out on one socket in one piece: a head and the part of a body that is at hand, written once.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { putText } from '../../domain/put.ts';
import { hasRoom, send, unsentBytes } from '../outgoing-bytes.ts';
import { HeadBuffer } from './head-buffer.ts';
import type { LoopTurns, TurnEnd } from './loop-turns.ts';

/** What a turn of the loop has to send, most times; it is lost where a socket keeps some of it. */
const turnBytes = 128 * 1024;
/** What an endpoint is read in at once, with its head and framing. As a socket keeps all of it, a smaller one for smaller pieces. */
const largerBytes = [288 * 1024, 800 * 1024];

/** Who gathers bytes in a buffer that others use as well. */
export interface Gatherer {
  /** Sends what it has gathered. */
  sendGathered(): void;
}

/**
 * One is shared by all connections of an engine. Each takes it by `of`, so that nobody's bytes ever stand behind another's.
 * What is flushed leaves when the turn of the loop ends: reading for many and then writing for many costs less than the same in
 * turns, as neither the kernel nor we have what the other needs in the caches. Whoever does anything else to a socket calls
 * `settle` before. Memory is used again only where the sockets have taken all of it at once.
 */
export class WriteBuffer extends HeadBuffer implements TurnEnd {
  readonly #turns: LoopTurns;
  /** The end of this turn is waited for. */
  #isMarked = false;
  #gatherer: Gatherer | undefined;
  /** Where its bytes begin; before them is what waits for the end of the turn. */
  #start = 0;
  #shared: Buffer;
  /** By size. */
  readonly #larger = new Map<number, Buffer>();
  /** What waits: how much, for whom, in which bytes, from where to where. The arrays never shrink: that would cost more than it spares. */
  #waiting = 0;
  readonly #sockets: (Socket | undefined)[] = [];
  readonly #pieces: Buffer[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** A socket still needs what it was given of the shared bytes. */
  #isKept = false;

  constructor(turns: LoopTurns) {
    super(turnBytes);
    this.#turns = turns;
    this.#shared = this.bytes;
  }

  /** Hot path. This buffer for the bytes of `gatherer` alone: what another has gathered goes out first, or is nobody's any more. */
  of(gatherer: Gatherer): this {
    if (gatherer !== this.#gatherer) {
      if (this.length > this.#start) {
        this.#gatherer?.sendGathered();
        this.clear();
      }
      this.#gatherer = gatherer;
    }
    return this;
  }

  /** Forgets what `gatherer` has gathered, and nobody else's; what it has flushed it has. */
  drop(gatherer: Gatherer): void {
    if (gatherer === this.#gatherer) this.clear();
  }

  override clear(): void {
    this.length = this.#start;
    this.#gatherer = undefined;
  }

  override reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    this.settle();
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const size = largerBytes.find((bytes) => needed <= bytes);
    if (size === undefined) {
      super.reserve(count);
      return;
    }
    const larger = this.#larger.get(size) ?? Buffer.allocUnsafeSlow(size);
    this.#larger.set(size, larger);
    this.bytes.copy(larger, 0, 0, this.length);
    this.use(larger);
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

  /** The end of a chunked body. */
  lastChunk(trailers: readonly (readonly [name: string, value: string])[]): void {
    this.text('0\r\n');
    for (const [name, value] of trailers) this.text(`${name}: ${value}\r\n`);
    this.text('\r\n');
  }

  /** Hot path. Everything so far is for the socket. False where it has more than it should: wait for its `drain`. */
  flush(socket: Socket): boolean {
    const { bytes, length } = this;
    const start = this.#start;
    if (length === start) {
      this.clear();
      return hasRoom(socket);
    }
    if (bytes === this.#shared && unsentBytes(socket) === 0) {
      // What is done with bytes until TLS has encrypted them is its own affair.
      if (socket instanceof TLSSocket) {
        const copy = this.#copied();
        this.#later(socket, copy, 0, copy.length);
      } else {
        this.#later(socket, bytes, start, length);
        this.#start = length;
        this.clear();
      }
      return true;
    }
    // Not before what waits for the same socket.
    this.#write();
    if (this.#larger.get(bytes.length) !== bytes || socket instanceof TLSSocket) send(socket, this.#copied());
    else {
      if (!send(socket, bytes.subarray(start, length))) this.#larger.delete(bytes.length);
      this.#begin();
    }
    return hasRoom(socket);
  }

  endOfTurn(): void {
    this.#isMarked = false;
    this.settle();
  }

  /** Sends what was flushed. */
  settle(): void {
    this.#write();
    const { bytes, length } = this;
    const start = this.#start;
    if (start === 0) return;
    if (this.#isKept) this.#shared = Buffer.allocUnsafeSlow(turnBytes);
    this.#isKept = false;
    // What is being gathered goes on at the beginning.
    bytes.copy(this.#shared, 0, start, length);
    this.use(this.#shared);
    this.#start = 0;
    this.length = length - start;
  }

  #later(socket: Socket, bytes: Buffer, start: number, end: number): void {
    const count = this.#waiting;
    if (!this.#isMarked) {
      this.#isMarked = true;
      this.#turns.atEnd(this);
    }
    if (count > 0 && this.#sockets[count - 1] === socket && this.#pieces[count - 1] === bytes && this.#ends[count - 1] === start) {
      this.#ends[count - 1] = end;
      return;
    }
    this.#sockets[count] = socket;
    this.#pieces[count] = bytes;
    this.#starts[count] = start;
    this.#ends[count] = end;
    this.#waiting = count + 1;
  }

  #write(): void {
    const count = this.#waiting;
    for (let i = 0; i < count; i++) {
      const socket = this.#sockets[i] as Socket;
      const piece = this.#pieces[i] as Buffer;
      this.#sockets[i] = undefined;
      this.#pieces[i] = this.#shared;
      if (socket.destroyed) continue;
      if (!send(socket, piece.subarray(this.#starts[i], this.#ends[i])) && piece === this.#shared) this.#isKept = true;
    }
    this.#waiting = 0;
  }

  #copied(): Buffer {
    const copy = Buffer.from(this.bytes.subarray(this.#start, this.length));
    this.#begin();
    return copy;
  }

  /** Anew, behind what waits. */
  #begin(): void {
    this.use(this.#shared);
    this.clear();
  }
}
