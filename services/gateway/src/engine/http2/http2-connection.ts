// A connection that speaks HTTP/2: its streams, its windows, and what all of them together may do (RFC 9113).
import type { Socket } from 'node:net';
import type { Peer } from '../../domain/exchange.ts';
import type { Connection } from '../connection.ts';
import type { ClientParts } from '../http1/client-connection.ts';
import { ClientLines } from '../http1/head-writer.ts';
import type { TurnEnd } from '../http1/loop-turns.ts';
import { copyOf, takeIncoming } from '../incoming-bytes.ts';
import { NumberedMembers } from '../members.ts';
import { ClientSettings } from './client-settings.ts';
import { type ErrorCode, errorCodes, flags, frameTypes, settingIds, windowAtFirst, windowMax } from './codes.ts';
import { FrameBudget } from './frame-budget.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { lineBytes } from './header-line.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { StreamClient, streamWindowBytes } from './stream-client.ts';

/** Of one connection at once; what a client is told, and what is refused beyond. */
const streamsMax = 100;
/** Of all bodies of a connection that their apps do not take. */
const windowBytes = 1024 * 1024;
/** Of a head as it comes: what unpacked is too large for us may be twice that, so that it gets an answer. */
const blockShare = 2;
const continuationsMax = 32;
/** More than that a client does not leave unread that means to read: nothing more is read from it until then. */
const backlogBytesMax = 1024 * 1024;
/** Streams that were ended here while their clients were still sending. What comes of others is a fault. */
const abandonedMax = 256;

/**
 * `open` · `leaving`: GOAWAY was sent; streams under way come to their ends, and no other begins · `closing`: everything has
 * been said; what comes is dropped · `closed`.
 */
type Phase = 'open' | 'leaving' | 'closing' | 'closed';

export class Http2Connection implements Connection, TurnEnd {
  readonly peer: Peer;
  readonly lines: ClientLines;
  readonly tunnelled = undefined;
  place = -1;
  joined = 0;
  readonly encoder: HpackEncoder = new HpackEncoder();
  /** What of all answers may still be sent. */
  sendWindow: number = windowAtFirst;
  readonly #parts: ClientParts;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #writer = new FrameWriter();
  readonly #settings = new ClientSettings();
  readonly #streams = new NumberedMembers<StreamClient>();
  /** Those that wait for the window of the connection, in turns. */
  readonly #waiting = new Set<StreamClient>();
  readonly #abandoned = new Set<number>();
  #phase: Phase = 'open';
  #lastStreamId = 0;
  /** The stream that a frame is of, and one whose body was taken and has not been sent on. */
  #current: StreamClient | undefined;
  #fed: StreamClient | undefined;
  #window = windowBytes;
  #taken = 0;
  #isMarked = false;
  /** Bytes that came when nothing was wanted any more. */
  #dropped = 0;
  /** Bytes that had not gone out at the last look at a connection that is closing; undefined: it is not waited for them. */
  #unsent: number | undefined;
  #dueMs: number;
  /** When a head that has begun has to end. */
  #headDueMs = Number.POSITIVE_INFINITY;
  readonly #costly: FrameBudget;

  constructor(parts: ClientParts, socket: Socket, peer: Peer) {
    this.#parts = parts;
    this.#socket = socket;
    this.peer = peer;
    this.lines = ClientLines.of(peer);
    const { coarseMs, limits, timeouts } = parts;
    this.#dueMs = coarseMs() + timeouts.headMs;
    this.#costly = new FrameBudget(coarseMs());
    const listBytesMax = limits.headBytesMax + limits.headerLinesMax * lineBytes;
    this.#reader = new FrameReader({ blockBytesMax: blockShare * limits.headBytesMax, continuationsMax });
    this.#decoder = new HpackDecoder(listBytesMax);
    // Who has said all is gone, as each stream ends on its own.
    socket.allowHalfOpen = false;
    takeIncoming(socket, (bytes, start, end) => this.#onData(copyOf(bytes, start, end)));
    socket.on('drain', () => this.#onDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#onEnd();
      this.#phase = 'closed';
      parts.onClosed(this);
    });
    this.out.settings([
      [settingIds.maxConcurrentStreams, streamsMax],
      [settingIds.initialWindowSize, streamWindowBytes],
      [settingIds.maxHeaderListSize, listBytesMax],
    ]);
    this.out.windowUpdate(0, windowBytes - windowAtFirst);
  }

  get idle(): boolean {
    return this.#streams.size === 0;
  }

  get expiresMs(): number {
    return this.idle ? this.#dueMs : Number.POSITIVE_INFINITY;
  }

  /** The client does not read what is sent as fast as it comes, or there is so much in this turn that its socket has to drain. */
  get isBacklogged(): boolean {
    return this.#socket.writableNeedDrain || this.#writer.length > backlogBytesMax;
  }

  /** Hot path. What is written to it goes out at the end of the turn. */
  get out(): FrameWriter {
    if (!this.#isMarked) {
      this.#isMarked = true;
      this.#parts.turns.atEnd(this);
    }
    return this.#writer;
  }

  endOfTurn(): void {
    this.#isMarked = false;
    this.#send();
  }

  closeIfIdle(): void {
    if (!this.#isSpeaking) return;
    if (this.#phase === 'open') {
      this.#phase = 'leaving';
      // Which requests have come too late, and may be sent again (section 6.8).
      this.out.words(frameTypes.goAway, 0, 0, this.#lastStreamId, errorCodes.noError);
    }
    this.#dueMs = this.#parts.coarseMs() + this.#parts.timeouts.lingerMs;
    this.#endIfOver();
  }

  handOver(): void {
    if (this.#phase === 'open') this.closeIfIdle();
  }

  leave(): void {
    if (!this.idle) this.cut();
    else if (this.#phase === 'open') this.closeIfIdle();
  }

  cut(): void {
    for (const stream of this.#streams) stream.cut();
    this.#socket.destroy();
  }

  check(nowMs: number): void {
    this.#each((stream) => stream.check(nowMs));
    if (nowMs >= this.#headDueMs) this.#fail(errorCodes.noError, 'a head did not come to its end in time');
    if (!this.idle || nowMs < this.#dueMs) return;
    const { writableLength } = this.#socket;
    if (this.#phase === 'open') this.closeIfIdle();
    else if (this.#unsent !== undefined && writableLength > 0 && writableLength !== this.#unsent) {
      // It reads, if slowly.
      this.#unsent = writableLength;
      this.#dueMs = nowMs + this.#parts.timeouts.streamIdleMs;
    } else this.cut();
  }

  /** So many bytes of bodies are no longer here. */
  giveBack(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < windowBytes / 2 || !this.#isSpeaking) return;
    this.out.windowUpdate(0, this.#taken);
    this.#window += this.#taken;
    this.#taken = 0;
  }

  /** `sendOn` is called when the connection's window has grown. */
  waitForWindow(stream: StreamClient): void {
    this.#waiting.add(stream);
  }

  /**
   * A frame came that only costs: a reset of a stream that was not answered yet, whoever has to reset it, a ping, settings, an
   * empty piece, a head that is none.
   */
  spend(): void {
    if (!this.#costly.spend(this.#parts.coarseMs())) this.#fail(errorCodes.enhanceYourCalm, 'too many frames came that only cost');
  }

  streamClosed(stream: StreamClient): void {
    this.#streams.delete(stream.id);
    if (this.#waiting.size > 0) this.#waiting.delete(stream);
    if (!stream.isWhole) this.#abandon(stream.id);
    if (!this.idle) return;
    const { coarseMs, timeouts, onIdle } = this.#parts;
    this.#dueMs = coarseMs() + (this.#phase === 'open' ? timeouts.keepAliveMs : timeouts.lingerMs);
    this.#endIfOver();
    onIdle();
  }

  get #isSpeaking(): boolean {
    return this.#phase === 'open' || this.#phase === 'leaving';
  }

  #onData(bytes: Buffer): void {
    const { turns, limits } = this.#parts;
    if (!this.#isSpeaking) {
      this.#dropped += bytes.length;
      if (this.#dropped > limits.lingerBytesMax) this.#socket.destroy();
      return;
    }
    turns.readBegins();
    this.#read(bytes);
    turns.readEnds();
  }

  #read(bytes: Buffer): void {
    const reader = this.#reader;
    reader.give(bytes);
    for (let step = reader.next(); step !== 'incomplete' && this.#isSpeaking; step = reader.next()) {
      try {
        if (step === 'refused') this.#fail(reader.code, reader.fault);
        else if (step === 'data') this.#takeData();
        else this.#takeFrame();
      } catch (error) {
        this.#fault(error);
      }
      this.#current = undefined;
    }
    this.#feed(undefined);
    if (!reader.isInHead) this.#headDueMs = Number.POSITIVE_INFINITY;
    else if (this.#headDueMs === Number.POSITIVE_INFINITY) this.#headDueMs = this.#parts.coarseMs() + this.#parts.timeouts.headMs;
    if (this.#socket.writableLength + this.#writer.length > backlogBytesMax) this.#socket.pause();
  }

  /** What was taken of a body goes on when that of another comes, or nothing. */
  #feed(stream: StreamClient | undefined): void {
    const fed = this.#fed;
    this.#fed = stream;
    if (fed === undefined || fed === stream) return;
    this.#with(fed, flushBody);
  }

  #takeData(): void {
    const { streamId, bytes, start, end, windowBytes: bytesOfWindow, paddingBytes, isLast } = this.#reader;
    this.#window -= bytesOfWindow;
    if (this.#window < 0) {
      this.#fail(errorCodes.flowControlError, 'more came than the window of the connection has');
      return;
    }
    const isEnd = isLast && (this.#reader.flags & flags.endStream) !== 0;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.giveBack(paddingBytes + end - start);
      this.#takeLate(streamId, isEnd);
      return;
    }
    this.#current = stream;
    if (stream.isWhole || !stream.takeWindow(bytesOfWindow)) {
      this.giveBack(paddingBytes + end - start);
      stream.fail(stream.isWhole ? errorCodes.streamClosed : errorCodes.flowControlError);
      return;
    }
    if (paddingBytes > 0) stream.giveBack(paddingBytes);
    this.#feed(stream);
    if (end > start) stream.data(bytes, start, end);
    else if (!isEnd) this.spend();
    if (isEnd) stream.requestEnded();
  }

  #takeFrame(): void {
    const { type, streamId, bytes, start } = this.#reader;
    switch (type) {
      case frameTypes.headers:
        this.#takeHead();
        break;
      case frameTypes.resetStream:
        this.#takeReset(streamId);
        break;
      case frameTypes.settings:
        this.#takeSettings();
        break;
      case frameTypes.ping:
        if ((this.#reader.flags & flags.ack) !== 0) break;
        this.out.words(frameTypes.ping, flags.ack, 0, bytes.readUInt32BE(start), bytes.readUInt32BE(start + 4));
        this.spend();
        break;
      case frameTypes.goAway:
        this.closeIfIdle();
        break;
      case frameTypes.windowUpdate:
        this.#takeWindowUpdate(streamId, bytes.readUInt32BE(start) & windowMax);
        break;
      default:
      // Priorities are not gone by, and what is not known is to be ignored (section 5.5).
    }
  }

  #takeHead(): void {
    const { streamId, bytes, start, end } = this.#reader;
    const decoder = this.#decoder;
    if (!decoder.read(bytes, start, end)) {
      this.#fail(errorCodes.compressionError, decoder.fault);
      return;
    }
    const isEnd = (this.#reader.flags & flags.endStream) !== 0;
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      this.#current = stream;
      if (stream.isWhole) stream.fail(errorCodes.streamClosed);
      else if (!isEnd) stream.fail(errorCodes.protocolError);
      else {
        this.#feed(stream);
        stream.trailers(decoder.lines, decoder.isTooLarge);
      }
    } else if (streamId <= this.#lastStreamId || this.#phase !== 'open') this.#takeLate(streamId, isEnd);
    else if (streamId % 2 === 0) this.#fail(errorCodes.protocolError, 'a client began a stream of ours');
    else this.#begin(streamId, isEnd);
    decoder.clear();
  }

  #begin(streamId: number, isWhole: boolean): void {
    this.#lastStreamId = streamId;
    if (this.#streams.size >= streamsMax) {
      this.out.resetStream(streamId, errorCodes.refusedStream);
      if (!isWhole) this.#abandon(streamId);
      this.spend();
      return;
    }
    const stream = new StreamClient(this.#parts, this, streamId, this.#settings.initialWindow);
    this.#streams.add(streamId, stream);
    this.#current = stream;
    stream.begin(this.#decoder.isTooLarge ? undefined : this.#decoder.lines, isWhole);
  }

  /** Something of a stream that has ended, or that came too late to begin. */
  #takeLate(streamId: number, isEnd: boolean): void {
    if (this.#phase !== 'open' && streamId > this.#lastStreamId) return;
    if (streamId > this.#lastStreamId) this.#fail(errorCodes.protocolError, 'data came of a stream that was not begun');
    // It could not know that we had ended it.
    else if (!this.#abandoned.has(streamId)) this.#fail(errorCodes.streamClosed, 'something came of a stream that its client had ended');
    else if (isEnd) this.#abandoned.delete(streamId);
  }

  #takeReset(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      this.#current = stream;
      stream.gone();
      this.#abandoned.delete(streamId);
      this.spend();
    } else if (this.#isIdle(streamId)) this.#fail(errorCodes.protocolError, 'a stream was reset that was not begun');
    else this.#abandoned.delete(streamId);
  }

  #takeSettings(): void {
    const { bytes, start, end } = this.#reader;
    if ((this.#reader.flags & flags.ack) !== 0) return;
    const settings = this.#settings;
    const before = settings.initialWindow;
    const fault = settings.read(bytes, start, end);
    if (fault !== undefined) {
      this.#fail(fault.code, fault.detail);
      return;
    }
    this.encoder.resize(settings.tableBytes);
    this.out.words(frameTypes.settings, flags.ack, 0);
    this.spend();
    const moved = settings.initialWindow - before;
    if (moved === 0) return;
    for (const stream of this.#streams) {
      this.#current = stream;
      if (stream.moveSendWindow(moved)) continue;
      this.#fail(errorCodes.flowControlError, 'a window became too large');
      return;
    }
  }

  #takeWindowUpdate(streamId: number, bytes: number): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      this.#current = stream;
      if (bytes === 0) stream.fail(errorCodes.protocolError);
      else if (!stream.moveSendWindow(bytes)) stream.fail(errorCodes.flowControlError);
    } else if (streamId !== 0) {
      if (this.#isIdle(streamId)) this.#fail(errorCodes.protocolError, 'a window of a stream that was not begun');
    } else if (bytes === 0) this.#fail(errorCodes.protocolError, 'a window was to grow by nothing');
    else if (this.sendWindow + bytes > windowMax) this.#fail(errorCodes.flowControlError, 'a window became too large');
    else {
      this.sendWindow += bytes;
      this.#sendWaiting();
    }
  }

  /** Each sends what it may and stands last if it has to wait again. */
  #sendWaiting(): void {
    for (const stream of this.#waiting) {
      if (this.sendWindow <= 0) return;
      this.#waiting.delete(stream);
      this.#current = stream;
      stream.sendOn();
    }
  }

  /** It was never begun. */
  #isIdle(streamId: number): boolean {
    return streamId > this.#lastStreamId && this.#phase === 'open';
  }

  #abandon(streamId: number): void {
    this.#abandoned.add(streamId);
    if (this.#abandoned.size <= abandonedMax) return;
    for (const oldest of this.#abandoned) {
      this.#abandoned.delete(oldest);
      return;
    }
  }

  #onDrain(): void {
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#each((stream) => stream.tellRoom());
  }

  /** The client has left, as far as we can tell. */
  #onEnd(): void {
    if (this.#isSpeaking) this.#phase = 'closing';
    this.#leaveStreams();
  }

  /** All of a turn in one piece. */
  #send(): void {
    if (this.#writer.length === 0) return;
    // What failed within a frame costs the connection: the client could not read on.
    if (this.#writer.isUnfinished) this.#socket.destroy();
    const bytes = this.#writer.take();
    if (!this.#socket.writableEnded && !this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Where the last stream has ended and none may begin. */
  #endIfOver(): void {
    if (this.#phase !== 'leaving' || !this.idle) return;
    this.#end();
    this.#unsent = 0;
  }

  /** All has been said. The client has a moment to close its side too. */
  #end(): void {
    this.#phase = 'closing';
    this.#send();
    const lingers = () => {
      this.#dueMs = this.#parts.coarseMs() + this.#parts.timeouts.lingerMs;
    };
    lingers();
    this.#socket.end(lingers);
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#headDueMs = Number.POSITIVE_INFINITY;
  }

  /** The connection cannot go on, and is told why. */
  #fail(code: ErrorCode, detail: string): void {
    if (!this.#isSpeaking) return;
    if (code === errorCodes.enhanceYourCalm) this.#parts.metrics.calmed.inc();
    this.#parts.logger.debug({ code, detail, address: this.peer.address }, 'HTTP/2 connection ended: its client does what it may not');
    this.out.words(frameTypes.goAway, 0, 0, this.#lastStreamId, code);
    this.#end();
    this.#leaveStreams();
  }

  #leaveStreams(): void {
    this.#each((stream) => stream.gone());
  }

  #each(handle: (stream: StreamClient) => void): void {
    for (const stream of this.#streams) this.#with(stream, handle);
  }

  /** What fails costs the stream that it was of, never the process. */
  #with(stream: StreamClient, handle: (stream: StreamClient) => void): void {
    try {
      handle(stream);
    } catch (error) {
      stream.fault(error);
    }
  }

  #fault(error: unknown): void {
    if (this.#current !== undefined) this.#current.fault(error);
    else {
      this.#parts.logger.error({ err: error }, 'connection dropped: an event failed within the gateway');
      this.cut();
    }
  }
}

function flushBody(stream: StreamClient): void {
  stream.flushBody();
}
