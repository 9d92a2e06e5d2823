// A connection that speaks HTTP/2, on node:http2: its streams, and what all of them together may do.
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Peer } from '../../domain/exchange.ts';
import type { Connection } from '../connection.ts';
import type { ClientParts } from '../http1/client-connection.ts';
import { ClientLines } from '../http1/head-writer.ts';
import { StreamClient } from './stream-client.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM } = constants;

/** Of one connection at once; what a client is told, and what is refused beyond. */
const streamsMax = 100;
/** What each line of a head counts besides its bytes (RFC 9113 section 6.5.2). */
const lineBytes = 32;
/**
 * Frames that only cost: resets of streams that were not answered yet, pings, settings. So many at once, as of a browser that
 * leaves a page with all its pictures, and so many a second. node:http2 has bounds of its own for heads in too many frames, for
 * frames that are not valid and for answers to pings that nobody reads.
 */
const idleFramesMax = 200;
const idleFramesPerSecond = 20;

export class Http2Connection implements Connection {
  readonly peer: Peer;
  readonly lines: ClientLines;
  readonly tunnelled = undefined;
  readonly #parts: ClientParts;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #streams = new Set<StreamClient>();
  #dueMs: number;
  #idleFrames = idleFramesMax;
  #refilledMs: number;

  constructor(parts: ClientParts, socket: Socket, peer: Peer) {
    this.#parts = parts;
    this.#socket = socket;
    this.peer = peer;
    this.lines = new ClientLines(peer);
    const { coarseMs, limits, timeouts } = parts;
    this.#dueMs = coarseMs() + timeouts.headMs;
    this.#refilledMs = coarseMs();
    // Who has said all is gone, as each stream ends on its own.
    socket.allowHalfOpen = false;
    const session = performServerHandshake(socket, {
      settings: {
        enablePush: false,
        maxConcurrentStreams: streamsMax,
        maxHeaderListSize: limits.headBytesMax + limits.headerLinesMax * lineBytes,
      },
      // The rest is refused with a status: that our own parser does.
      maxHeaderListPairs: 2 * limits.headerLinesMax,
      maxSessionRejectedStreams: streamsMax,
      // Apps say some things twice, and that is theirs to answer for.
      strictSingleValueFields: false,
    });
    this.#session = session;
    session.on('stream', (stream, _, flags, rawHeaders) => this.#begin(stream, flags, rawHeaders ?? []));
    session.on('ping', () => this.#spend());
    session.on('remoteSettings', () => this.#spend());
    session.on('error', () => {});
    session.once('close', () => this.#sessionClosed());
    socket.once('close', () => parts.onClosed(this));
  }

  get idle(): boolean {
    return this.#streams.size === 0;
  }

  get expiresMs(): number {
    return this.idle ? this.#dueMs : Number.POSITIVE_INFINITY;
  }

  closeIfIdle(): void {
    // No stream is begun any more; those under way come to their ends.
    if (!this.#session.closed) this.#session.close();
    this.#dueMs = this.#parts.coarseMs() + this.#parts.timeouts.lingerMs;
  }

  /** GOAWAY says which requests have come too late, and that they may be sent again (RFC 9113 section 6.8). */
  handOver(): void {
    if (!this.#session.closed) this.closeIfIdle();
  }

  leave(): void {
    if (!this.idle) this.cut();
    else this.closeIfIdle();
  }

  cut(): void {
    for (const stream of this.#streams) stream.cut();
    this.#session.destroy();
    this.#socket.destroy();
  }

  check(nowMs: number): void {
    for (const stream of this.#streams) stream.check(nowMs);
    if (!this.idle || nowMs < this.#dueMs) return;
    if (this.#session.closed || this.#session.destroyed) this.cut();
    else this.closeIfIdle();
  }

  /** `wasReset`: by the client. */
  streamClosed(stream: StreamClient, wasReset: boolean): void {
    this.#streams.delete(stream);
    if (wasReset) this.#spend();
    if (!this.idle) return;
    const { coarseMs, timeouts, onIdle } = this.#parts;
    this.#dueMs = coarseMs() + (this.#session.closed ? timeouts.lingerMs : timeouts.keepAliveMs);
    onIdle();
  }

  #begin(stream: ServerHttp2Stream, flags: number, rawHeaders: readonly string[]): void {
    if (stream.destroyed || stream.closed) {
      // It was reset by the time we heard of it.
      this.#spend();
      return;
    }
    const client = new StreamClient(this.#parts, this, stream);
    this.#streams.add(client);
    client.begin(rawHeaders, (flags & NGHTTP2_FLAG_END_STREAM) !== 0);
  }

  #spend(): void {
    if (this.#session.destroyed) return;
    const nowMs = this.#parts.coarseMs();
    const refilled = this.#idleFrames + ((nowMs - this.#refilledMs) / 1_000) * idleFramesPerSecond;
    this.#refilledMs = nowMs;
    this.#idleFrames = Math.min(idleFramesMax, refilled) - 1;
    if (this.#idleFrames >= 0) return;
    this.#parts.metrics.calmed.inc();
    this.#session.destroy(new Error('too many frames that only cost'), NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** All has been said. The client has a moment to close its side too. */
  #sessionClosed(): void {
    for (const stream of this.#streams) stream.cut();
    this.#streams.clear();
    const { coarseMs, timeouts, onIdle } = this.#parts;
    this.#dueMs = coarseMs() + timeouts.lingerMs;
    onIdle();
  }
}
