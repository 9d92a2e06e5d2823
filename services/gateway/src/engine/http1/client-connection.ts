// One connection of a client: its requests one at a time and in order, each read, handed to its relay, and never guessed at.
import type { Socket } from 'node:net';
import type { Logger } from '@burgage/runtime';
import type { Answer } from '../../domain/answers.ts';
import type { Exchange, Peer } from '../../domain/exchange.ts';
import { forwardedTrailers } from '../../domain/forward-headers.ts';
import { type Refusal, refuse } from '../../domain/refusal.ts';
import type { GatewayMetrics } from '../../metrics.ts';
import type { Connection } from '../connection.ts';
import { askingExpiresMs } from '../front/client-bound.ts';
import { takeIncoming } from '../incoming-bytes.ts';
import { unsentBytes } from '../outgoing-bytes.ts';
import { type AnswerFraming, writeAnswer } from './answer-writer.ts';
import { ChunkedReader } from './chunked.ts';
import { ClientLines, type ResponseLines, writeResponseHead } from './head-writer.ts';
import type { LoopTurns, TurnEnd } from './loop-turns.ts';
import { type Client, Relay, type RelayParts } from './relay.ts';
import { ParsedRequest, parseRequestHead } from './request-head.ts';
import type { ParsedResponse } from './response-head.ts';
import { Tunnel } from './tunnel.ts';
import { UnreadBytes } from './unread-bytes.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import type { Gatherer } from './write-buffer.ts';

export interface ClientParts extends RelayParts {
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly turns: LoopTurns;
  /** Heads that no request needs at the moment. */
  readonly heads: ParsedRequest[];
  /** Requests and tunnels have come to their ends. */
  readonly onIdle: () => void;
  readonly onClosed: (connection: Connection) => void;
}

/** What a client may send ahead of its turn before it is no longer read from. */
const unreadBytesMax = 64 * 1024;
/** What a kernel sends at once, before the client has confirmed any of it (RFC 6928), with room for a head and for TLS. */
const atOnceBytesMax = 12 * 1024;
const noTrailers: readonly string[] = [];
/** Of an error its connection is told by its end. */
const ignored = (): void => {};
const continueLine = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

/**
 * `head`: reads the next request, or waits for its turn · `body`: hands over the body of the one that is under way · `closing`:
 * everything has been said; what the client still sends is read and dropped, so that it sees the answer and not a reset (RFC
 * 9112 section 9.6) · `tunnel`: the bytes belong to a tunnel · `closed`.
 */
type Mode = 'head' | 'body' | 'closing' | 'tunnel' | 'closed';

export class ClientConnection implements Client, Connection, Gatherer, TurnEnd {
  readonly peer: Peer;
  readonly lines: ClientLines;
  place = -1;
  joined = 0;
  readonly #parts: ClientParts;
  readonly #socket: Socket;
  #mode: Mode = 'head';
  readonly #unread = new UnreadBytes();
  #head: ParsedRequest | undefined;
  #relay: Relay | undefined;
  #chunks: ChunkedReader | undefined;
  #left = 0;
  #isAnswerChunked = false;
  #tunnel: Tunnel | undefined;
  #tunnelExchange: Exchange | undefined;
  #isAdvancing = false;
  #awaitsRoom = false;
  /** Requests whose heads have been read. */
  #begun = 0;
  #isClosed = false;
  /** The kernel keeps small packets back until others have been confirmed. The first goes at once: it is told where more may come. */
  #isDelayed: boolean;
  /** Bytes that came when nothing was wanted any more. */
  #dropped = 0;
  /** Bytes that had not gone out at the last look at a connection that is closing. */
  #unsent = 0;
  #dueMs: number;

  constructor(parts: ClientParts, socket: Socket, peer: Peer) {
    this.#parts = parts;
    this.#socket = socket;
    this.peer = peer;
    this.lines = ClientLines.of(peer);
    this.#isDelayed = peer.scheme === 'http';
    this.#dueMs = parts.coarseMs() + parts.timeouts.headMs;
    takeIncoming(socket, (bytes, start, end) => {
      parts.turns.readBegins();
      try {
        this.#onData(bytes, start, end);
      } catch (error) {
        this.#fault(error);
      }
      parts.turns.readEnds();
    });
    socket.on('end', () => this.#guard(() => this.#onEnd()));
    socket.on('error', ignored);
    socket.on('close', () => this.#guard(() => this.#onClose()));
  }

  /** Neither a request nor a tunnel is under way. */
  get idle(): boolean {
    return this.#relay === undefined && this.#tunnel === undefined;
  }

  /** The exchange of an open tunnel. */
  get tunnelled(): Exchange | undefined {
    return this.#tunnelExchange;
  }

  get expiresMs(): number {
    if (!this.idle || this.#mode !== 'head') return Number.POSITIVE_INFINITY;
    const { coarseMs, timeouts } = this.#parts;
    const isAsking = this.#begun === 0 || this.#unread.bytes !== undefined;
    return isAsking ? askingExpiresMs(this.#dueMs - timeouts.headMs, coarseMs(), timeouts) : this.#dueMs;
  }

  /** Says goodbye where nothing has been begun. */
  closeIfIdle(): void {
    if (this.idle && this.#mode === 'head' && this.#unread.bytes === undefined) this.#closeSoon();
  }

  /** It is told with its next answer: one that is told unasked may have sent a request already, which nobody would answer. */
  handOver(): void {}

  /** Ends whatever is under way, but for an answer that is on its way out. */
  leave(): void {
    if (this.#mode !== 'closing') this.cut();
  }

  /** Ends whatever is under way, at once. */
  cut(): void {
    this.#tunnel?.cut();
    this.#relay?.abort('cut');
    this.#destroy();
  }

  /** Called now and then. */
  check(nowMs: number): void {
    this.#guard(() => {
      if (this.#tunnel !== undefined) this.#tunnel.check(nowMs);
      else if (this.#relay !== undefined) this.#relay.check(nowMs);
      else if (nowMs >= this.#dueMs) this.#timeOut(nowMs);
    });
  }

  answer(answer: Answer, framing: AnswerFraming): void {
    writeAnswer(this.#parts.toClient.of(this), answer, framing);
  }

  head(head: ParsedResponse, lines: ResponseLines): number {
    this.#isAnswerChunked = lines.isChunked;
    return writeResponseHead(this.#parts.toClient.of(this), head, lines);
  }

  piece(bytes: Buffer, start: number, end: number): void {
    const toClient = this.#parts.toClient.of(this);
    if (this.#isAnswerChunked) toClient.chunk(bytes, start, end);
    else toClient.add(bytes, start, end);
  }

  end(rawTrailers: readonly string[]): void {
    if (this.#isAnswerChunked) this.#parts.toClient.of(this).lastChunk(forwardedTrailers(rawTrailers));
  }

  flush(isLast = false): boolean {
    if (this.#isDelayed && !isLast) {
      this.#isDelayed = false;
      this.#socket.setNoDelay();
    }
    const hasRoom = this.#parts.toClient.of(this).flush(this.#socket);
    if (!hasRoom) this.#awaitRoom();
    return hasRoom;
  }

  sendGathered(): void {
    this.flush();
  }

  bodyWanted(): void {
    const head = this.#head;
    if (head?.expectsContinue && this.#unread.bytes === undefined && this.#mode === 'body') {
      head.expectsContinue = false;
      this.#parts.toClient.of(this).add(continueLine, 0, continueLine.length);
      this.flush();
    }
    this.#advance();
  }

  relayEnded(keeps: boolean): void {
    // Nothing that the client may still say can cost it a part of its only answer: all of it is under way as soon as the kernel has it.
    const isOver = this.#begun === 1 && this.#head?.keepAlive === false && (this.#relay?.exchange.bytesOut ?? 0) <= atOnceBytesMax;
    this.#endRelay();
    if (this.#mode === 'closed') return;
    if (keeps && this.#mode === 'head') this.#advance();
    else if (isOver && this.#mode === 'head') {
      this.#stopReading();
      this.#parts.turns.atEnd(this);
    } else this.#closeSoon();
  }

  /** The last answer has been flushed. Everything of this turn is sent before the first connection is closed. */
  endOfTurn(): void {
    this.#guard(() => {
      if (this.#mode !== 'closing') return;
      this.#parts.toClient.settle();
      // The kernel has it all, and the client has sent nothing behind its last request.
      if (this.#dropped === 0 && unsentBytes(this.#socket) === 0) this.#socket.destroy();
      else this.#sayGoodbye(true);
    });
  }

  drop(): void {
    this.#endRelay();
    this.#parts.toClient.drop(this);
    this.#destroy();
  }

  becomeTunnel(upstream: UpstreamConnection, exchange: Exchange, rest: Buffer): void {
    const { traffic, timeouts, coarseMs, toClient, toUpstream, backlog } = this.#parts;
    // The exchange goes on, and its head with it.
    this.#head = undefined;
    this.#endRelay();
    this.#mode = 'tunnel';
    this.#tunnelExchange = exchange;
    const tunnel = new Tunnel(this.#socket, upstream.socket, {
      idleMs: timeouts.streamIdleMs,
      nowMs: coarseMs,
      toClient,
      toUpstream,
      backlog,
      onEnd: ({ bytesIn, bytesOut, reason }) => {
        exchange.bytesIn += bytesIn;
        exchange.bytesOut += bytesOut;
        this.#tunnel = undefined;
        this.#tunnelExchange = undefined;
        this.#leaveIfOver();
        traffic.finish(exchange, reason);
        this.#parts.onIdle();
      },
    });
    this.#tunnel = tunnel;
    this.#awaitRoom();
    upstream.becomeTunnel(tunnel);
    if (rest.length > 0 && !tunnel.fromUpstream(rest, 0, rest.length)) upstream.socket.pause();
    const early = this.#unread.take();
    if (early !== undefined) tunnel.fromClient(early, 0, early.length);
    this.#socket.resume();
  }

  #onData(bytes: Buffer, start: number, end: number): void {
    if (this.#mode === 'tunnel') {
      this.#tunnel?.fromClient(bytes, start, end);
      return;
    }
    if (this.#mode === 'closing') {
      this.#dropped += end - start;
      if (this.#dropped > this.#parts.limits.lingerBytesMax) this.#destroy();
      return;
    }
    // The clock of a head begins with its first byte.
    if (this.#unread.bytes === undefined && this.#relay === undefined) this.#dueMs = this.#parts.coarseMs() + this.#parts.timeouts.headMs;
    this.#unread.give(bytes, start, end);
    this.#advance();
  }

  /** Goes as far as what has come allows. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    const unread = this.#unread;
    try {
      while (unread.bytes !== undefined && this.#step(unread.bytes)) unread.settle();
    } finally {
      this.#isAdvancing = false;
    }
    unread.keep();
    if (this.#mode === 'body') this.#relay?.flushBody();
    if (this.#mode === 'head' || this.#mode === 'body') {
      if (unread.length >= unreadBytesMax) this.#socket.pause();
      else if (this.#socket.isPaused()) this.#socket.resume();
    }
  }

  /** False where nothing more can be done for now. */
  #step(bytes: Buffer): boolean {
    if (this.#mode === 'body') return this.#stepBody(bytes);
    if (this.#mode !== 'head' || this.#relay !== undefined) return false;
    const unread = this.#unread;
    const head = this.#head ?? this.#parts.heads.pop() ?? new ParsedRequest();
    this.#head = head;
    const outcome = parseRequestHead(bytes, unread.at, unread.end, this.#parts.limits, head);
    if (outcome === 'incomplete') return false;
    if (outcome === 'refused') {
      this.#refuseUnread(head.refusal ?? refuse('bad_request', { close: true }));
      return false;
    }
    unread.at = head.headEnd;
    head.keep();
    this.#begin(head);
    return true;
  }

  #begin(head: ParsedRequest): void {
    this.#begun += 1;
    const { bodyKind } = head;
    if (bodyKind !== 'none') this.#mode = 'body';
    if (bodyKind === 'length') this.#left = head.bodyBytes;
    else if (bodyKind === 'chunked') {
      this.#chunks ??= new ChunkedReader();
      this.#chunks.reset();
    }
    this.#unread.settle();
    const relay = new Relay(this.#parts, this, head);
    this.#relay = relay;
    relay.run();
  }

  #stepBody(bytes: Buffer): boolean {
    const relay = this.#relay;
    if (relay === undefined || !relay.takesBody) return false;
    const unread = this.#unread;
    const { at } = unread;
    if (this.#head?.bodyKind === 'length') {
      const end = Math.min(unread.end, at + this.#left);
      this.#left -= end - at;
      relay.bodyPiece(bytes, at, end);
      unread.at = end;
      if (this.#left === 0) this.#bodyEnded(relay, noTrailers);
      return this.#relay === relay;
    }
    const chunks = this.#chunks;
    if (chunks === undefined) return false;
    const step = chunks.next(bytes, at, unread.end);
    unread.at = chunks.at;
    if (step === 'data') relay.bodyPiece(bytes, chunks.dataStart, chunks.dataEnd);
    else if (step === 'complete') this.#bodyEnded(relay, chunks.rawTrailers());
    else if (step === 'refused') relay.badBody(chunks.fault);
    return this.#relay === relay;
  }

  #bodyEnded(relay: Relay, rawTrailers: readonly string[]): void {
    if (this.#relay !== relay) return;
    relay.bodyEnd(rawTrailers);
    relay.flushBody();
    // What follows is the next request's.
    this.#mode = 'head';
  }

  #endRelay(): void {
    if (this.#relay === undefined) return;
    this.#relay = undefined;
    if (this.#head !== undefined) {
      this.#head.reset();
      this.#parts.heads.push(this.#head);
    }
    this.#head = undefined;
    const { coarseMs, timeouts } = this.#parts;
    this.#dueMs = coarseMs() + (this.#unread.bytes === undefined ? timeouts.keepAliveMs : timeouts.headMs);
    this.#parts.onIdle();
  }

  /** A head that is not served, nor anything behind it. */
  #refuseUnread(refusal: Refusal): void {
    const { traffic } = this.#parts;
    const head = this.#head ?? new ParsedRequest();
    const exchange = traffic.open(head, this.peer);
    const answer = traffic.answer(exchange, refusal);
    exchange.bytesOut = Buffer.byteLength(answer.body);
    traffic.finish(exchange, 'refused');
    this.answer(answer, { keeps: false, httpVersion: '1.1', hasBody: true });
    this.flush(true);
    this.#head = undefined;
    this.#closeSoon();
  }

  #timeOut(nowMs: number): void {
    const unsent = unsentBytes(this.#socket);
    if (this.#mode === 'closing' && unsent > 0 && unsent !== this.#unsent) {
      // It reads, if slowly.
      this.#unsent = unsent;
      this.#dueMs = nowMs + this.#parts.timeouts.streamIdleMs;
      return;
    }
    // An empty line alone, as some send behind a body, begins no request.
    if (this.#mode === 'head' && this.#unread.length > 2) {
      this.#refuseUnread(refuse('request_timeout', { close: true, detail: 'the head did not come to its end in time' }));
    } else this.#destroy();
  }

  #closeSoon(): void {
    if (this.#mode === 'closing' || this.#mode === 'closed') return;
    this.#stopReading();
    this.#sayGoodbye();
  }

  #stopReading(): void {
    this.#mode = 'closing';
    this.#dropped = this.#unread.take()?.length ?? 0;
  }

  /** Sends what is under way, says that nothing follows, and waits a moment for the client to say the same, unless it `isOver`. */
  #sayGoodbye(isOver = false): void {
    const { coarseMs, timeouts, toClient } = this.#parts;
    this.#dueMs = coarseMs() + timeouts.streamIdleMs;
    toClient.settle();
    this.#socket.end(() => {
      if (isOver && this.#dropped === 0) this.#socket.destroy();
      else this.#dueMs = coarseMs() + timeouts.lingerMs;
    });
    this.#socket.resume();
  }

  /** The client sends nothing more. Like other proxies we take that for its leaving, but in a tunnel. */
  #onEnd(): void {
    if (this.#mode === 'tunnel') this.#tunnel?.clientEnded();
    else if (this.#relay !== undefined) this.#relay.clientGone();
    else if (this.#mode === 'closing') {
      this.#parts.toClient.settle();
      this.#socket.destroySoon();
    } else this.#closeSoon();
  }

  #onClose(): void {
    this.#mode = this.#mode === 'tunnel' ? 'tunnel' : 'closed';
    this.#isClosed = true;
    this.#leaveIfOver();
    this.#relay?.clientGone();
    this.#tunnel?.clientClosed();
  }

  /** A tunnel outlives its client's connection until the rest is written: as long as that, somebody looks at what is due. */
  #leaveIfOver(): void {
    if (this.#isClosed && this.#tunnel === undefined) this.#parts.onClosed(this);
  }

  /** Most clients always have room, and whoever listens costs each connection something. */
  #awaitRoom(): void {
    if (this.#awaitsRoom) return;
    this.#awaitsRoom = true;
    const onRoom = () => (this.#tunnel === undefined ? this.#relay?.clientRoom() : this.#tunnel.clientRoom());
    this.#socket.on('drain', () => this.#guard(onRoom));
  }

  /** What fails within an event costs the connection that it came on, never the process. */
  #guard(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#fault(error);
    }
  }

  #fault(error: unknown): void {
    if (this.#relay !== undefined) this.#relay.fault(error);
    else this.#parts.logger.error({ err: error }, 'connection dropped: an event failed within the gateway');
    this.#parts.toClient.drop(this);
    this.#destroy();
  }

  /** What was flushed is sent before. */
  #destroy(): void {
    this.#parts.toClient.settle();
    this.#socket.destroy();
  }
}
