// One stream of an HTTP/2 connection: a request that its relay carries, and the answer to it.
import { constants, type ServerHttp2Stream, sensitiveHeaders } from 'node:http2';
import type { Answer } from '../../domain/answers.ts';
import type { Exchange } from '../../domain/exchange.ts';
import { forwardedTrailers } from '../../domain/forward-headers.ts';
import type { Refusal } from '../../domain/refusal.ts';
import type { AnswerFraming } from '../http1/answer-writer.ts';
import type { ClientParts } from '../http1/client-connection.ts';
import { type ClientLines, type ResponseLines, responseFields } from '../http1/head-writer.ts';
import { type Client, Relay } from '../http1/relay.ts';
import { ParsedRequest } from '../http1/request-head.ts';
import type { ParsedResponse } from '../http1/response-head.ts';
import type { Gatherer } from '../http1/write-buffer.ts';
import type { Http2Connection } from './http2-connection.ts';
import { readRequestFields } from './request-fields.ts';

const { NGHTTP2_NO_ERROR } = constants;
/** HTTP/2 has no others; a client takes them for any failure of the server (RFC 9110 section 15). */
const statusMax = 599;
/** New with each answer: in the table of those that may come again (HPACK) it would drive out what does. */
const neverAgain: readonly string[] = ['x-request-id'];

/** Names and values in turn, and by symbols what node:http2 is to do with them. */
type AnswerFields = string[] & Record<symbol, unknown>;

export class StreamClient implements Client, Gatherer {
  readonly peer: Http2Connection['peer'];
  readonly lines: ClientLines;
  readonly #parts: ClientParts;
  readonly #connection: Http2Connection;
  readonly #stream: ServerHttp2Stream;
  #head: ParsedRequest | undefined;
  #relay: Relay | undefined;
  #isReading = false;
  #isRequestWhole = false;
  /** Bytes of a body with a length that are still to come. */
  #left = Number.POSITIVE_INFINITY;
  /** Names and values in turn. */
  #requestTrailers: readonly string[] = [];
  /** The head of the answer, until it goes out. */
  #fields: AnswerFields | undefined;
  #mayHaveTrailers = false;
  #isEnding = false;
  #trailers: [string, string][] = [];
  /** When the client has had long enough for the rest of an answer that has ended for us. */
  #dueMs = Number.POSITIVE_INFINITY;
  #isDropped = false;
  #listensForRoom = false;

  constructor(parts: ClientParts, connection: Http2Connection, stream: ServerHttp2Stream) {
    this.#parts = parts;
    this.#connection = connection;
    this.#stream = stream;
    this.peer = connection.peer;
    this.lines = connection.lines;
    stream.on('error', ignore);
    stream.on('close', () => this.#guard(() => this.#closed()));
  }

  begin(rawHeaders: readonly string[], isWhole: boolean): void {
    const { turns } = this.#parts;
    turns.readBegins();
    this.#guard(() => this.#begin(rawHeaders, isWhole));
    turns.readEnds();
  }

  #begin(rawHeaders: readonly string[], isWhole: boolean): void {
    this.#isRequestWhole = isWhole;
    const head = this.#parts.heads.pop() ?? new ParsedRequest();
    this.#head = head;
    const refusal = readRequestFields(rawHeaders, isWhole, this.#parts.limits, head);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    if (head.bodyKind === 'length') this.#left = head.bodyBytes;
    else if (head.bodyKind === 'none') this.#left = 0;
    if (!isWhole) {
      this.#stream.on('trailers', (_fields, _flags, rawTrailers: readonly string[]) => {
        this.#requestTrailers = rawTrailers;
      });
      this.#stream.on('end', () => this.#guard(() => this.#onEnd()));
    }
    // Nothing is to come, and that has to be read too. Of one that is whole node:http2 does so by itself, behind the answer.
    if (head.bodyKind === 'none' && !isWhole) this.#read();
    const relay = new Relay(this.#parts, this, head);
    this.#relay = relay;
    relay.run();
  }

  /** Called now and then. */
  check(nowMs: number): void {
    if (this.#relay !== undefined) this.#guard(() => this.#relay?.check(nowMs));
    else if (nowMs >= this.#dueMs) {
      // A client that does not even take the end of a stream takes nothing at all.
      if (this.#isDropped) this.#connection.cut();
      else this.drop();
    }
  }

  cut(): void {
    this.#relay?.abort('cut');
  }

  answer({ status, headers, body }: Answer, { hasBody }: AnswerFraming): void {
    const fields = [':status', String(status)] as AnswerFields;
    for (let i = 0; i < headers.length; i += 2) fields.push((headers[i] as string).toLowerCase(), headers[i + 1] as string);
    this.#fields = fields;
    this.#isEnding = true;
    if (hasBody) this.#parts.toClient.of(this).utf8(body);
  }

  head(head: ParsedResponse, lines: ResponseLines): number {
    const fields = [':status', String(head.status > statusMax ? 500 : head.status)] as AnswerFields;
    const cookiesDropped = responseFields(head, lines, fields);
    if (head.status < 200) {
      if (this.#isOpen) this.#stream.additionalHeaders(asObject(fields));
      return cookiesDropped;
    }
    this.#fields = fields;
    this.#mayHaveTrailers = head.bodyKind === 'chunked';
    return cookiesDropped;
  }

  piece(bytes: Buffer, start: number, end: number): void {
    this.#parts.toClient.of(this).add(bytes, start, end);
  }

  end(rawTrailers: readonly string[]): void {
    this.#isEnding = true;
    this.#trailers = forwardedTrailers(rawTrailers);
  }

  flush(): boolean {
    const toClient = this.#parts.toClient.of(this);
    const stream = this.#stream;
    // What is answered to a stream that is gone would end the process; its end is told by its own event.
    if (!this.#isOpen) {
      toClient.clear();
      return true;
    }
    const body = toClient.take();
    const fields = this.#fields;
    if (fields !== undefined) {
      this.#fields = undefined;
      const hasTrailers = this.#trailers.length > 0;
      const isAll = this.#isEnding && body === undefined && !hasTrailers;
      const waitForTrailers = this.#isEnding ? hasTrailers : this.#mayHaveTrailers;
      if (waitForTrailers) stream.once('wantTrailers', () => this.#guard(() => this.#sendTrailers()));
      fields[sensitiveHeaders] = neverAgain;
      stream.respond(fields, { endStream: isAll, waitForTrailers });
      // Some answers have no body whatever is said, and the stream knows which.
      if (isAll || stream.writableEnded) return true;
    }
    if (this.#isEnding) {
      if (!stream.writableEnded) stream.end(body);
    } else if (body !== undefined) stream.write(body);
    const hasRoom = !stream.writableNeedDrain && stream.writableLength < stream.writableHighWaterMark;
    if (!hasRoom) this.#listenForRoom();
    return hasRoom;
  }

  sendGathered(): void {
    this.flush();
  }

  bodyWanted(): void {
    const head = this.#head;
    if (head?.expectsContinue) {
      head.expectsContinue = false;
      if (this.#isOpen) this.#stream.additionalHeaders({ ':status': 100 });
    }
    this.#read();
    this.#relay?.flushBody();
  }

  relayEnded(): void {
    this.#endRelay();
    // Nobody reads the rest: the client need not send it (RFC 9113 section 8.1).
    if (!this.#isRequestWhole && this.#isOpen) this.#stream.close(NGHTTP2_NO_ERROR);
  }

  drop(): void {
    this.#endRelay();
    this.#parts.toClient.drop(this);
    this.#isDropped = true;
    this.#dueMs = this.#parts.coarseMs() + this.#parts.timeouts.lingerMs;
    // Only an error resets it at once: `close` ends it first, and half an answer would be a whole one.
    this.#stream.destroy(new Error('the answer is not whole'));
  }

  becomeTunnel(): void {
    throw new TypeError('a request of HTTP/2 asks for no upgrade');
  }

  get #isOpen(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed;
  }

  #read(): void {
    if (!this.#isReading) {
      this.#isReading = true;
      this.#stream.on('data', (bytes: Buffer) => this.#guard(() => this.#onData(bytes)));
    }
    this.#stream.resume();
  }

  #listenForRoom(): void {
    if (this.#listensForRoom) return;
    this.#listensForRoom = true;
    const onRoom = () => this.#guard(() => this.#relay?.clientRoom());
    this.#stream.on('drain', onRoom).on('finish', onRoom);
  }

  #onData(bytes: Buffer): void {
    const relay = this.#relay;
    if (relay === undefined) return;
    this.#left -= bytes.length;
    if (this.#left < 0) {
      relay.badBody('more came than the Content-Length says');
      return;
    }
    relay.bodyPiece(bytes, 0, bytes.length);
    if (this.#relay !== relay) return;
    relay.flushBody();
    if (!relay.takesBody) this.#stream.pause();
  }

  #onEnd(): void {
    const relay = this.#relay;
    // A stream that was reset ends as well, and its body is not whole.
    if (this.#stream.closed) return;
    this.#isRequestWhole = true;
    const bodyKind = this.#head?.bodyKind;
    if (relay === undefined || bodyKind === 'none') return;
    if (bodyKind === 'length' && this.#left > 0) {
      relay.badBody('less came than the Content-Length says');
      return;
    }
    relay.bodyEnd(this.#requestTrailers);
    relay.flushBody();
  }

  /** A head that is not served. */
  #refuse(refusal: Refusal): void {
    const { traffic } = this.#parts;
    const head = this.#head ?? new ParsedRequest();
    const exchange: Exchange = traffic.open(head, this.peer);
    const answer = traffic.answer(exchange, refusal);
    exchange.bytesOut = Buffer.byteLength(answer.body);
    traffic.finish(exchange, 'refused');
    this.answer(answer, { keeps: true, httpVersion: '1.1', hasBody: true });
    this.flush();
    this.relayEnded();
  }

  #sendTrailers(): void {
    if (this.#isOpen) this.#stream.sendTrailers(asObject(this.#trailers.flatMap(([name, value]) => [name.toLowerCase(), value])));
  }

  #endRelay(): void {
    this.#relay = undefined;
    this.#dueMs = this.#parts.coarseMs() + this.#parts.timeouts.streamIdleMs;
    const head = this.#head;
    if (head === undefined) return;
    this.#head = undefined;
    head.reset();
    this.#parts.heads.push(head);
  }

  #closed(): void {
    const wasReset = !this.#isDropped && this.#stream.rstCode !== NGHTTP2_NO_ERROR;
    const relay = this.#relay;
    relay?.clientGone();
    this.#connection.streamClosed(this, wasReset);
  }

  /** What fails within an event costs the stream that it was of, never the process. */
  #guard(handle: () => void): void {
    const { logger } = this.#parts;
    try {
      handle();
    } catch (error) {
      if (this.#relay !== undefined) this.#relay.fault(error);
      else {
        logger.error({ err: error }, 'stream dropped: an event failed within the gateway');
        this.drop();
      }
    }
  }
}

/** An error of a stream comes with its end, which is looked at. */
function ignore(): void {}

/** Names and values in turn as node:http2 wants some of them. */
function asObject(fields: readonly string[]): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null);
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const before = object[name];
    object[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return object;
}
