// One stream of an HTTP/2 connection: a request that its relay carries, and the answer to it.
import type { Answer } from '../../domain/answers.ts';
import type { Exchange } from '../../domain/exchange.ts';
import { forwardedTrailers } from '../../domain/forward-headers.ts';
import type { Refusal } from '../../domain/refusal.ts';
import type { AnswerFraming } from '../http1/answer-writer.ts';
import { defaultChunkLimits } from '../http1/chunked.ts';
import type { ClientParts } from '../http1/client-connection.ts';
import { HeadBuffer } from '../http1/head-buffer.ts';
import { type ClientLines, type ResponseLines, takeResponseLines } from '../http1/head-writer.ts';
import { type Client, Relay } from '../http1/relay.ts';
import { ParsedRequest } from '../http1/request-head.ts';
import type { ParsedResponse } from '../http1/response-head.ts';
import type { Member } from '../members.ts';
import { type ErrorCode, errorCodes, flags, frameTypes, windowMax } from './codes.ts';
import { type HeaderLine, roles } from './header-line.ts';
import type { Http2Connection } from './http2-connection.ts';
import { readRequestFields, refuseTooLarge } from './request-fields.ts';

/** Of a request's body that its app does not take: the client may send so much ahead. */
export const streamWindowBytes: number = 256 * 1024;
/** HTTP/2 has no others; a client takes them for any failure of the server (RFC 9110 section 15). */
const statusMax = 599;

export class StreamClient implements Client, Member {
  readonly id: number;
  readonly peer: Http2Connection['peer'];
  readonly lines: ClientLines;
  place = -1;
  joined = 0;
  readonly #parts: ClientParts;
  readonly #connection: Http2Connection;
  #head: ParsedRequest | undefined;
  #relay: Relay | undefined;
  #isClosed = false;

  /** The client has sent its last frame of the stream. */
  #isWhole = false;
  /** Bytes of a body with a length that are still to come. */
  #left = Number.POSITIVE_INFINITY;
  /** Of the body, what the relay does not take yet. */
  #unread: HeadBuffer | undefined;
  #hasBodyEnded = false;
  /** Names and values in turn. */
  #requestTrailers: readonly string[] = [];
  /** What the client may still send, and what of that was taken and has not been given back. */
  #window = streamWindowBytes;
  #taken = 0;

  /** What of the answer may still be sent. */
  #sendWindow: number;
  /** What may not be sent yet, and from where on. */
  #unsent: HeadBuffer | undefined;
  #unsentAt = 0;
  #isEnding = false;
  #isEndSent = false;
  #trailers: readonly (readonly [name: string, value: string])[] = [];
  /** The relay has been told to wait. */
  #waitsForRoom = false;
  /** When the client has had long enough for the rest of an answer that has ended for us. */
  #dueMs = Number.POSITIVE_INFINITY;
  #resetCode: ErrorCode = errorCodes.internalError;

  constructor(parts: ClientParts, connection: Http2Connection, id: number, sendWindow: number) {
    this.#parts = parts;
    this.#connection = connection;
    this.id = id;
    this.peer = connection.peer;
    this.lines = connection.lines;
    this.#sendWindow = sendWindow;
  }

  /** The client may not send any more. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Undefined: there were more lines than a head may have. */
  begin(lines: readonly HeaderLine[] | undefined, isWhole: boolean): void {
    this.#isWhole = isWhole;
    const { heads, limits } = this.#parts;
    const head = heads.pop() ?? new ParsedRequest();
    this.#head = head;
    const refusal = lines === undefined ? refuseTooLarge(head) : readRequestFields(lines, isWhole, limits, head);
    if (refusal === 'malformed') this.fail(errorCodes.protocolError);
    else if (refusal !== undefined) this.#refuse(head, refusal);
    else this.#relayIt(head);
  }

  #relayIt(head: ParsedRequest): void {
    if (head.bodyKind === 'length') this.#left = head.bodyBytes;
    else if (head.bodyKind === 'none') this.#left = 0;
    const relay = new Relay(this.#parts, this, head);
    this.#relay = relay;
    relay.run();
  }

  /** A head that is not served. */
  #refuse(head: ParsedRequest, refusal: Refusal): void {
    const { traffic } = this.#parts;
    const exchange: Exchange = traffic.open(head, this.peer);
    const answer = traffic.answer(exchange, refusal);
    exchange.bytesOut = Buffer.byteLength(answer.body);
    traffic.finish(exchange, 'refused');
    this.answer(answer, { keeps: true, httpVersion: '1.1', hasBody: true });
    this.relayEnded();
  }

  /** A frame of data takes so many bytes of the window. False: there are not as many. */
  takeWindow(bytes: number): boolean {
    this.#window -= bytes;
    return this.#window >= 0;
  }

  /** So many bytes that came are no longer here. */
  giveBack(bytes: number): void {
    this.#connection.giveBack(bytes);
    this.#taken += bytes;
    if (this.#isWhole || this.#isClosed || this.#relay === undefined || this.#taken < streamWindowBytes / 2) return;
    this.#connection.out.windowUpdate(this.id, this.#taken);
    this.#window += this.#taken;
    this.#taken = 0;
  }

  /** A piece of the body. The bytes are another's afterwards. */
  data(bytes: Buffer, start: number, end: number): void {
    const count = end - start;
    this.#left -= count;
    if (this.#left < 0) this.fail(errorCodes.protocolError);
    const relay = this.#relay;
    if (relay === undefined) this.giveBack(count);
    else if (this.#unread !== undefined || !relay.takesBody) {
      // One piece of memory, however small the pieces are that a client sends.
      this.#unread ??= new HeadBuffer(count);
      this.#unread.add(bytes, start, end);
    } else {
      relay.bodyPiece(bytes, start, end);
      this.giveBack(count);
      this.#endBody();
    }
  }

  /** Nothing of the request follows. */
  requestEnded(): void {
    this.#isWhole = true;
    if (this.#left > 0 && this.#head?.bodyKind === 'length') this.fail(errorCodes.protocolError);
    else this.#endBody();
  }

  /** What follows the body; then nothing does. `isTooLarge`: there was more. */
  trailers(lines: readonly HeaderLine[], isTooLarge: boolean): void {
    const { trailerLinesMax, trailerBytesMax } = defaultChunkLimits;
    const raw: string[] = [];
    let bytes = 0;
    for (const line of lines) {
      if (line.role === roles.malformed || (line.role >= roles.method && line.role <= roles.path)) {
        this.fail(errorCodes.protocolError);
        return;
      }
      bytes += line.bytes.length;
      raw.push(line.name(), line.value());
    }
    if (isTooLarge || lines.length > trailerLinesMax || bytes > trailerBytesMax) {
      this.#relay?.badBody(`more than ${trailerLinesMax} trailers or ${trailerBytesMax} bytes of them came`);
      // Its app has the request for nothing, as with a reset.
      this.#connection.spend();
    }
    this.#requestTrailers = raw;
    this.requestEnded();
  }

  /** Sends what was taken of the body. */
  flushBody(): void {
    this.#relay?.flushBody();
  }

  /** The client has reset it, or has left. */
  gone(): void {
    this.#close();
    this.#relay?.clientGone();
  }

  /** The client does what it may not. That we reset the stream costs as much as if it had. */
  fail(code: ErrorCode): void {
    this.#resetCode = code;
    this.#relay?.clientGone();
    this.#close(code);
    this.#connection.spend();
  }

  cut(): void {
    this.#relay?.abort('cut');
    this.#close(errorCodes.internalError);
  }

  /** Something within the gateway went wrong. */
  fault(error: unknown): void {
    if (this.#relay !== undefined) this.#relay.fault(error);
    else this.#parts.logger.error({ err: error }, 'stream dropped: an event failed within the gateway');
    this.#close(errorCodes.internalError);
  }

  /** Called now and then. */
  check(nowMs: number): void {
    if (this.#relay !== undefined) this.#relay.check(nowMs);
    else if (nowMs >= this.#dueMs) this.drop();
  }

  /** More of the answer may be sent, or less. False: more than a window can be. */
  moveSendWindow(bytes: number): boolean {
    this.#sendWindow += bytes;
    if (this.#sendWindow > windowMax) return false;
    if (bytes > 0) this.sendOn();
    return true;
  }

  /** Sends what waits as far as the windows go. */
  sendOn(): void {
    const unsent = this.#unsent;
    if (unsent !== undefined) {
      this.#unsentAt += this.#send(unsent.bytes, this.#unsentAt, unsent.length);
      if (this.#unsentAt < unsent.length) return;
      this.#unsent = undefined;
    }
    if (this.#isEnding && !this.#isEndSent) this.#sendEnd();
    this.tellRoom();
  }

  /** Tells a relay that waits, where it need not any longer. */
  tellRoom(): void {
    if (!this.#waitsForRoom || !this.#hasRoom) return;
    this.#waitsForRoom = false;
    this.#relay?.clientRoom();
  }

  answer({ status, headers, body }: Answer, { hasBody }: AnswerFraming): void {
    const { out, encoder } = this.#connection;
    out.begin(frameTypes.headers, flags.endHeaders, this.id);
    encoder.begin(out, status);
    for (let i = 0; i < headers.length; i += 2) encoder.text(headers[i] as string, headers[i + 1] as string);
    out.end();
    const bytes = Buffer.from(hasBody ? body : '');
    this.piece(bytes, 0, bytes.length);
    this.end([]);
  }

  head(head: ParsedResponse, lines: ResponseLines): number {
    const { out, encoder } = this.#connection;
    out.begin(frameTypes.headers, flags.endHeaders, this.id);
    encoder.begin(out, head.status > statusMax ? 500 : head.status);
    const cookiesDropped = takeResponseLines(head, lines, encoder);
    out.end();
    return cookiesDropped;
  }

  piece(bytes: Buffer, start: number, end: number): void {
    const rest = this.#unsent === undefined ? start + this.#send(bytes, start, end) : start;
    if (rest === end) return;
    if (this.#unsent === undefined) {
      this.#unsent = new HeadBuffer(end - rest);
      this.#unsentAt = 0;
    }
    this.#unsent.add(bytes, rest, end);
  }

  end(rawTrailers: readonly string[]): void {
    this.#isEnding = true;
    this.#trailers = forwardedTrailers(rawTrailers);
    if (this.#unsent === undefined) this.#sendEnd();
  }

  flush(): boolean {
    const hasRoom = this.#isClosed || this.#hasRoom;
    this.#waitsForRoom = !hasRoom;
    return hasRoom;
  }

  bodyWanted(): void {
    const head = this.#head;
    if (head?.expectsContinue) {
      head.expectsContinue = false;
      if (this.#unread === undefined && !this.#isWhole) this.#sendContinue();
    }
    const unread = this.#unread;
    if (unread !== undefined && this.#relay?.takesBody) {
      this.#unread = undefined;
      this.#relay.bodyPiece(unread.bytes, 0, unread.length);
      this.giveBack(unread.length);
    }
    this.#endBody();
    this.flushBody();
  }

  relayEnded(): void {
    this.#endRelay();
    this.#finish();
  }

  drop(): void {
    this.#endRelay();
    this.#close(this.#resetCode);
  }

  becomeTunnel(): void {
    throw new TypeError('a request of HTTP/2 asks for no upgrade');
  }

  get #hasRoom(): boolean {
    return this.#unsent === undefined && !this.#connection.isBacklogged;
  }

  /** Once all of it has been handed over. */
  #endBody(): void {
    const relay = this.#relay;
    if (relay === undefined || this.#hasBodyEnded || this.#unread !== undefined || !relay.takesBody) return;
    const bodyKind = this.#head?.bodyKind;
    const isAll = this.#isWhole || (bodyKind === 'length' && this.#left === 0);
    if (!isAll || bodyKind === 'none') return;
    this.#hasBodyEnded = true;
    relay.bodyEnd(this.#requestTrailers);
  }

  #sendContinue(): void {
    const { out, encoder } = this.#connection;
    out.begin(frameTypes.headers, flags.endHeaders, this.id);
    encoder.begin(out, 100);
    out.end();
  }

  /** Answers with how many went out. */
  #send(bytes: Buffer, start: number, end: number): number {
    const connection = this.#connection;
    const count = Math.max(0, Math.min(end - start, this.#sendWindow, connection.sendWindow));
    if (count > 0) {
      connection.out.data(this.id, bytes, start, start + count);
      connection.sendWindow -= count;
      this.#sendWindow -= count;
    }
    if (start + count < end && connection.sendWindow <= 0) connection.waitForWindow(this);
    return count;
  }

  #sendEnd(): void {
    this.#isEndSent = true;
    const { out, encoder } = this.#connection;
    if (this.#trailers.length === 0) out.endStream(this.id);
    else {
      out.begin(frameTypes.headers, flags.endHeaders | flags.endStream, this.id);
      encoder.beginTrailers(out);
      for (const [name, value] of this.#trailers) encoder.text(name, value);
      out.end();
    }
    this.#finish();
  }

  /** Where nothing is to be sent any more: nobody reads the rest of the request, and the client need not send it (RFC 9113 section 8.1). */
  #finish(): void {
    if (this.#relay === undefined && this.#isEndSent) this.#close(errorCodes.noError);
  }

  /** `code`: the client hears of it, where it does not know that the stream has ended. */
  #close(code?: ErrorCode): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (code !== undefined && !(this.#isEndSent && this.#isWhole)) this.#connection.out.resetStream(this.id, code);
    if (this.#unread !== undefined) this.#connection.giveBack(this.#unread.length);
    this.#unread = undefined;
    this.#unsent = undefined;
    this.#connection.streamClosed(this);
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
}
