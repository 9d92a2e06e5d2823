// One connection to an endpoint: carries one request at a time, reads its answer, and is used again only while nothing is in doubt.
import { connect, type Socket } from 'node:net';
import type { Limits, Timeouts } from '../../defaults.ts';
import { viewOf } from '../../domain/put.ts';
import type { Backlog } from './backlog.ts';
import { ChunkedReader } from './chunked.ts';
import type { LoopTurns } from './loop-turns.ts';
import { RepeatedHead } from './repeated-head.ts';
import type { AnsweredRequest } from './response-head.ts';
import { ParsedResponse, parseResponseHead } from './response-head.ts';
import type { Tunnel } from './tunnel.ts';

/** Who takes what an endpoint answers. Called while the bytes are being read: they are another's afterwards. */
export interface Receiver {
  /** What the answer has to be read with. */
  readonly request: AnsweredRequest;
  /** A head below 200, but 101. */
  informed(head: ParsedResponse): void;
  begun(head: ParsedResponse): void;
  piece(bytes: Buffer, start: number, end: number): void;
  /** The answer is whole. True where the request has been sent to its end, too: the connection may carry another. */
  ended(rawTrailers: readonly string[]): boolean;
  /** The endpoint changed protocols: the connection is the receiver's, with `rest` as what it says first. */
  switched(head: ParsedResponse, rest: Buffer): void;
  /** It cannot be used any more; no other call follows. */
  broken(fault: UpstreamFault): void;
  /** A piece of work of so many bytes is done: what was given since may go out. False where no more is wanted until `resume`. */
  flush(bytes: number): boolean;
  /** The endpoint takes more of the request. */
  room(): void;
  /** One of these has failed; no other call follows. */
  fault(error: unknown): void;
}

export interface UpstreamFault {
  readonly error: Error;
  /** Anything of the answer came. */
  readonly answered: boolean;
  /** The connection had carried a request before. */
  readonly reused: boolean;
}

export interface ConnectionOptions {
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly nowMs: () => number;
  readonly turns: LoopTurns;
  readonly backlog: Backlog;
  readonly onConnected: () => void;
  /** It carries nothing and may carry more. */
  readonly onFree: () => void;
  /** It carries a tunnel, and never a request again. */
  readonly onTunnel: () => void;
  /** Something failed within the gateway that is of no request. */
  readonly onFault: (error: unknown) => void;
  readonly onClosed: (error: Error | undefined, wasConnected: boolean) => void;
}

/**
 * What any connection reads; it is read by one at a time, and to its end before the next. So large because each read and
 * write of a large answer costs more than to copy what it carries.
 */
const readBuffer = Buffer.allocUnsafeSlow(768 * 1024);
const readView = viewOf(readBuffer);
/**
 * How much of it one read of an answer fills: it begins at `firstStep`, goes up where it was filled and taken at once, and is the
 * least again behind a piece that had to be waited for. So a client that is slow from the beginning never has a large piece to wait for,
 * nor memory kept for it, and is seen to read with each small one.
 */
const readSteps = [readBuffer.subarray(0, 64 * 1024), readBuffer.subarray(0, 256 * 1024), readBuffer] as const;
const firstStep = 1;
/** Hints come once or twice; more is an endpoint that has lost its way. */
const informedMax = 32;
/** An endpoint closes an idle connection when it says; a request must not meet that on its way. */
const keepAliveMarginMs = 1_000;

type Mode = 'idle' | 'head' | Exclude<ParsedResponse['bodyKind'], 'none'> | 'tunnel';

export class UpstreamConnection {
  readonly address: string;
  readonly socket: Socket;
  /** When it has been idle for long enough. */
  expiresMs = 0;
  /** The number of the tenant whose request it carries, or carried last, where others use the endpoint too. */
  tenant: number | undefined = undefined;
  closed = false;
  readonly #options: ConnectionOptions;
  readonly #head = new ParsedResponse();
  /** The bytes of what is in `#head`, where they alone made it what it is. */
  readonly #lastHead = new RepeatedHead();
  readonly #chunks = new ChunkedReader();
  #receiver: Receiver | undefined;
  #mode: Mode = 'idle';
  /** Bytes of a body with a length that are still to come. */
  #left = 0;
  /** The beginning of a head. */
  #unread: Buffer | undefined;
  #requests = 0;
  /** The turn in which the request was written. */
  #written = 0;
  #isReading = false;
  /** Of `readSteps`. */
  #step = firstStep;
  /** What the next read fills. */
  #buffer: Buffer | undefined;
  #answered = false;
  /** Heads below 200 that came before the answer. */
  #informed = 0;
  #isConnected = false;
  #keepAliveMs: number;
  #error: Error | undefined;
  #tunnel: Tunnel | undefined;

  constructor(address: string, options: ConnectionOptions) {
    this.address = address;
    this.#options = options;
    this.#keepAliveMs = options.timeouts.upstreamKeepAliveMs;
    const colon = address.lastIndexOf(':');
    this.socket = connect({
      host: address.slice(0, colon).replace(/^\[|\]$/g, ''),
      port: Number(address.slice(colon + 1)),
      noDelay: true,
      allowHalfOpen: true,
      onread: {
        buffer: () => this.#bufferOfNextRead() as Buffer,
        callback: (count) => this.#onRead(count),
      },
    });
    this.socket.once('connect', () => {
      this.#isConnected = true;
      this.#isIdle();
      this.#guard(options.onConnected);
    });
    this.socket.on('end', () => this.#guard(() => this.#ended()));
    this.socket.on('error', (error) => {
      this.#error = error;
    });
    this.socket.on('drain', () => this.#guard(() => (this.#tunnel === undefined ? this.#receiver?.room() : this.#tunnel.upstreamRoom())));
    this.socket.once('close', () => this.#guard(() => this.#onClose()));
  }

  /** It carried a request before the one that it carries. */
  get reused(): boolean {
    return this.#requests > 1;
  }

  /** Carries the request of `receiver`, which writes to the socket itself. */
  begin(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#requests += 1;
    // More may be read in this turn from a socket that has just filled the buffer.
    this.#written = this.#isReading ? 0 : this.#options.turns.written;
    this.#answered = false;
    this.#informed = 0;
    this.#mode = 'head';
  }

  /** The receiver wants nothing more of it. */
  cancel(): void {
    this.#receiver = undefined;
    this.destroy();
  }

  resume(): void {
    this.socket.resume();
  }

  /** From now on all that happens to it is handed to the tunnel. */
  becomeTunnel(tunnel: Tunnel): void {
    this.#receiver = undefined;
    this.#mode = 'tunnel';
    this.#tunnel = tunnel;
    this.#options.onTunnel();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** What fails within an event costs the request that it was of, never the process. */
  #guard(handle: () => void): void {
    const receiver = this.#receiver;
    try {
      handle();
    } catch (error) {
      this.#fault(receiver, error);
    }
  }

  /**
   * Hot path. Asked for each address that is tried, as each has to be told, and after each read: undefined leaves it as it is, which
   * costs a twentieth of a request less than to say the same again.
   */
  #bufferOfNextRead(): Buffer | undefined {
    const wanted = readSteps[this.#options.backlog.isLarge ? 0 : this.#step];
    if (wanted === this.#buffer && this.#isConnected) return undefined;
    this.#buffer = wanted;
    return wanted;
  }

  /** The same for what is read. */
  #onRead(count: number): boolean {
    const receiver = this.#receiver;
    const { turns } = this.#options;
    turns.readBegins();
    this.#isReading = true;
    try {
      return this.#tunnel === undefined ? this.#read(count) : this.#tunnel.fromUpstream(readBuffer, 0, count);
    } catch (error) {
      this.#fault(receiver, error);
      return true;
    } finally {
      this.#isReading = false;
      turns.readEnds();
    }
  }

  #fault(receiver: Receiver | undefined, error: unknown): void {
    this.#receiver = undefined;
    this.destroy();
    if (receiver !== undefined) receiver.fault(error);
    else this.#options.onFault(error);
  }

  #isIdle(): void {
    this.#mode = 'idle';
    this.expiresMs = this.#options.nowMs() + this.#keepAliveMs;
  }

  /** False stops the reading until `resume`. */
  #read(count: number): boolean {
    const receiver = this.#receiver;
    if (receiver === undefined) {
      // Whatever it is, nobody has asked for it.
      this.destroy();
      return true;
    }
    // An endpoint that is in doubt about its answers, or somebody who speaks through it.
    if (!this.#answered && this.#options.turns.isBefore(this.#written)) {
      this.#break(new Error('the endpoint sent something before it was asked'));
      return true;
    }
    this.#answered = true;
    let bytes: Buffer = readBuffer;
    let end = count;
    if (this.#unread !== undefined) {
      bytes = Buffer.concat([this.#unread, readBuffer.subarray(0, count)]);
      end = bytes.length;
      this.#unread = undefined;
    }
    this.#take(receiver, bytes, end);
    const isTaken = receiver.flush(count);
    if (this.#receiver === receiver) this.#stepOn(isTaken, count);
    return isTaken;
  }

  /** The answer goes on after a piece of so many bytes. */
  #stepOn(isTaken: boolean, count: number): void {
    const next = this.#step + 1;
    if (!isTaken) this.#step = 0;
    // Where the memory was that of the step, and not less.
    else if (count === readSteps[this.#step]?.length && next < readSteps.length) this.#step = next;
  }

  #take(receiver: Receiver, bytes: Buffer, end: number): void {
    let at = 0;
    while (at < end && this.#receiver === receiver) {
      switch (this.#mode) {
        case 'head':
          at = this.#takeHead(receiver, bytes, at, end);
          break;
        case 'length': {
          const take = Math.min(this.#left, end - at);
          this.#left -= take;
          receiver.piece(bytes, at, at + take);
          at += take;
          if (this.#left === 0 && this.#receiver === receiver) this.#complete(receiver, [], at < end);
          break;
        }
        case 'chunked':
          at = this.#takeChunks(receiver, bytes, at, end);
          break;
        case 'until-close':
          receiver.piece(bytes, at, end);
          at = end;
          break;
        default:
          return;
      }
    }
  }

  /** Where what follows the head begins. */
  #takeHead(receiver: Receiver, bytes: Buffer, start: number, end: number): number {
    const head = this.#head;
    const { request } = receiver;
    // The length of an answer to HEAD is of another body.
    const isOrdinary = bytes === readBuffer && request.method !== 'HEAD';
    if (isOrdinary && this.#lastHead.isAt(readView, start, end)) return this.#takeAnswer(receiver, head, end);
    this.#lastHead.forget();
    const outcome = parseResponseHead(bytes, start, end, this.#options.limits, request, head);
    if (outcome === 'incomplete') {
      this.#unread = Buffer.from(bytes.subarray(start, end));
      return end;
    }
    if (outcome === 'refused') {
      this.#break(new Error(head.refusal?.detail));
      return end;
    }
    const next = head.headEnd;
    if (head.status === 101) {
      this.#receiver = undefined;
      receiver.switched(head, Buffer.from(bytes.subarray(next, end)));
      return end;
    }
    if (head.status < 200) {
      this.#informed += 1;
      if (this.#informed > informedMax) this.#break(new Error(`the endpoint sent more than ${informedMax} heads before its answer`));
      else receiver.informed(head);
      return next;
    }
    if (isOrdinary) this.#lastHead.keep(readView, start, next);
    return this.#takeAnswer(receiver, head, end);
  }

  /** The same of the head of the answer itself, which has been read. */
  #takeAnswer(receiver: Receiver, head: ParsedResponse, end: number): number {
    const next = head.headEnd;
    receiver.begun(head);
    if (this.#receiver !== receiver) return end;
    const { bodyKind } = head;
    if (bodyKind === 'none') {
      this.#complete(receiver, [], next < end);
      return next;
    }
    this.#mode = bodyKind;
    if (bodyKind === 'length') this.#left = head.bodyBytes;
    else if (bodyKind === 'chunked') this.#chunks.reset();
    return next;
  }

  #takeChunks(receiver: Receiver, bytes: Buffer, start: number, end: number): number {
    const chunks = this.#chunks;
    const step = chunks.next(bytes, start, end);
    if (step === 'data') receiver.piece(bytes, chunks.dataStart, chunks.dataEnd);
    else if (step === 'complete') this.#complete(receiver, chunks.rawTrailers(), chunks.at < end);
    else if (step === 'refused') this.#break(new Error(chunks.fault));
    return chunks.at;
  }

  /** The answer is whole. `hasMore`: something that nobody has asked for follows it. */
  #complete(receiver: Receiver, rawTrailers: readonly string[], hasMore: boolean): void {
    this.#receiver = undefined;
    this.#step = firstStep;
    const { keepAlive, keepAliveTimeoutMs } = this.#head;
    const isSent = receiver.ended(rawTrailers);
    if (!isSent || !keepAlive || hasMore || this.socket.readableEnded) {
      this.destroy();
      return;
    }
    if (keepAliveTimeoutMs !== undefined)
      this.#keepAliveMs = Math.min(this.#options.timeouts.streamIdleMs, Math.max(0, keepAliveTimeoutMs - keepAliveMarginMs));
    this.#isIdle();
    this.#options.onFree();
  }

  /** The endpoint says nothing more. */
  #ended(): void {
    if (this.#mode === 'tunnel') {
      this.#tunnel?.upstreamEnded();
      return;
    }
    const receiver = this.#receiver;
    if (receiver !== undefined && this.#mode === 'until-close') {
      this.#receiver = undefined;
      receiver.ended([]);
      receiver.flush(0);
    }
    if (this.#receiver !== undefined) this.#break(new Error('the endpoint closed the connection'));
    else this.destroy();
  }

  #break(error: Error): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.destroy();
    receiver?.broken({ error, answered: this.#answered, reused: this.reused });
  }

  #onClose(): void {
    this.closed = true;
    if (this.#receiver !== undefined) this.#break(this.#error ?? new Error('the endpoint closed the connection'));
    this.#options.onClosed(this.#error, this.#isConnected);
    this.#tunnel?.upstreamClosed();
  }
}
