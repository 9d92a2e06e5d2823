// One request through the engine: from its head to an endpoint and back, whatever fails on the way.
import type { Logger } from '@burgage/runtime';
import type { Limits, Timeouts } from '../../defaults.ts';
import type { Answer } from '../../domain/answers.ts';
import type { EndpointState } from '../../domain/endpoint-set.ts';
import type { Exchange, Peer, Termination } from '../../domain/exchange.ts';
import { forwardedTrailers } from '../../domain/forward-headers.ts';
import { type Refusal, refuse } from '../../domain/refusal.ts';
import { type Admitted, type Attempt, bodyTooLarge, isRefusal, type Traffic } from '../traffic.ts';
import type { AnswerFraming } from './answer-writer.ts';
import type { Backlog } from './backlog.ts';
import { BodyPace } from './body-pace.ts';
import { type ClientLines, type ResponseLines, writeRequestHead } from './head-writer.ts';
import type { ParsedRequest } from './request-head.ts';
import type { ParsedResponse } from './response-head.ts';
import type { Receiver, UpstreamConnection, UpstreamFault } from './upstream-connection.ts';
import type { Taker, UpstreamPools } from './upstream-pools.ts';
import type { Gatherer, WriteBuffer } from './write-buffer.ts';

/** What all requests of an engine share. */
export interface RelayParts {
  readonly traffic: Traffic;
  readonly pools: UpstreamPools;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly toClient: WriteBuffer;
  readonly toUpstream: WriteBuffer;
  readonly backlog: Backlog;
  /** Now, as exact as what is due is looked for. */
  readonly coarseMs: () => number;
  /** When what is being read had come, as far as anybody can tell. */
  readonly readMs: () => number;
  /** Of this moment, as a head says it. */
  readonly date: () => string;
}

/** Who asks, in the version of HTTP that it speaks: what its answer is made of is gathered, and goes out with `flush`. */
export interface Client {
  readonly peer: Peer;
  readonly lines: ClientLines;
  /** The gateway's own answer, all of it. */
  answer(answer: Answer, framing: AnswerFraming): void;
  /** The head of the app's answer, or one before it. Answers with the number of cookies that were taken off. */
  head(head: ParsedResponse, lines: ResponseLines): number;
  /** Of the body. The bytes are another's afterwards. */
  piece(bytes: Buffer, start: number, end: number): void;
  /** The body is whole. */
  end(rawTrailers: readonly string[]): void;
  /**
   * Sends what was gathered; `isLast`: nothing follows it. False where the client reads too slowly: `clientRoom` says when it
   * has caught up.
   */
  flush(isLast?: boolean): boolean;
  /** The body may come, or go on: it is handed over piece by piece until `takesBody` is false. Flushes what there is before it. */
  bodyWanted(): void;
  /** The request has ended. `keeps`: another may follow it on the connection. */
  relayEnded(keeps: boolean): void;
  /** The same, and nothing that was not sent yet is. */
  drop(): void;
  becomeTunnel(upstream: UpstreamConnection, exchange: Exchange, rest: Buffer): void;
}

/**
 * Where the request is.
 * `admitting`: no endpoint yet · `connecting`: waits for a connection to one · `waiting`: sent, or being sent, nothing back ·
 * `answering`: the app's head has gone out · `flushing`: the answer is whole, the client reads it · `ended`: the exchange is
 * finished; whatever comes is dropped.
 */
type Phase = 'admitting' | 'connecting' | 'waiting' | 'answering' | 'flushing' | 'ended';

/** How an attempt came to nothing. */
interface Failure {
  readonly sent: boolean;
  readonly answered: boolean;
  readonly reused?: boolean;
  readonly timedOut: boolean;
}

const notSent: Failure = { sent: false, answered: false, timedOut: false };

export class Relay implements Receiver, Taker, Gatherer {
  readonly exchange: Exchange;
  readonly request: ParsedRequest;
  readonly #parts: RelayParts;
  readonly #client: Client;
  #phase: Phase = 'admitting';
  #admitted: Admitted | undefined;
  #attempt: Attempt | undefined;
  #upstream: UpstreamConnection | undefined;
  /** When it has waited long enough for what it waits for. */
  #dueMs = Number.POSITIVE_INFINITY;
  #isRequestWhole: boolean;
  /** Of a body in chunks that has come to its end: names and values in turn. */
  #requestTrailers: readonly string[] | undefined;
  #upstreamHasRoom = true;
  #clientHasRoom = true;
  #isAnswerChunked = false;
  #keeps: boolean;
  /** Of a body that is under way at a look at what is due. */
  #pace: BodyPace | undefined;

  constructor(parts: RelayParts, client: Client, head: ParsedRequest) {
    this.#parts = parts;
    this.#client = client;
    this.request = head;
    this.#keeps = head.keepAlive;
    this.#isRequestWhole = head.bodyKind === 'none';
    this.exchange = parts.traffic.open(head, client.peer, parts.readMs());
  }

  run(): void {
    const admitted = this.#parts.traffic.admit(this.exchange, this.request.readHead());
    if (admitted instanceof Promise) admitted.then((later) => this.#decided(later)).catch((error: unknown) => this.fault(error));
    else this.#decided(admitted);
  }

  /** True while pieces of the request's body can be taken. */
  get takesBody(): boolean {
    return this.#upstream !== undefined && this.#upstreamHasRoom && (this.#phase === 'waiting' || this.#phase === 'answering');
  }

  bodyPiece(bytes: Buffer, start: number, end: number): void {
    const count = end - start;
    this.exchange.bytesIn += count;
    const bytesMax = this.#admitted?.bodyBytesMax ?? 0;
    if (bytesMax > 0 && this.exchange.bytesIn > bytesMax) {
      this.refuse(bodyTooLarge(bytesMax));
      return;
    }
    const { timeouts } = this.#parts;
    const toUpstream = this.#parts.toUpstream.of(this);
    if (this.request.bodyKind === 'chunked') toUpstream.chunk(bytes, start, end);
    else toUpstream.add(bytes, start, end);
    this.#wait(timeouts.bodyIdleMs);
  }

  bodyEnd(rawTrailers: readonly string[]): void {
    if (this.#phase !== 'waiting' && this.#phase !== 'answering') return;
    this.#isRequestWhole = true;
    if (this.request.bodyKind === 'chunked') {
      this.#requestTrailers = rawTrailers;
      this.#parts.toUpstream.of(this).lastChunk(forwardedTrailers(rawTrailers));
    }
    this.#wait(this.#phase === 'waiting' ? this.#parts.timeouts.firstByteMs : this.#parts.timeouts.streamIdleMs);
  }

  /** Sends what was taken of the body since. */
  flushBody(): void {
    if (this.#upstream === undefined) return;
    this.#upstreamHasRoom = this.#parts.toUpstream.of(this).flush(this.#upstream.socket);
    // The endpoint is slow, not the client: another clock runs.
    if (!this.#upstreamHasRoom) this.#wait(this.#parts.timeouts.streamIdleMs);
  }

  sendGathered(): void {
    this.flushBody();
  }

  /** The body is not what its framing says. */
  badBody(detail: string): void {
    this.refuse(refuse('bad_request', { close: true, detail }));
  }

  /** The client has caught up. */
  clientRoom(): void {
    if (this.#clientHasRoom) return;
    this.#clientHasRoom = true;
    this.#parts.backlog.release(this);
    if (this.#phase === 'flushing') this.#completed();
    else if (this.#phase === 'waiting' || this.#phase === 'answering') {
      const { firstByteMs, streamIdleMs } = this.#parts.timeouts;
      this.#wait(this.#phase === 'waiting' ? firstByteMs : streamIdleMs);
      this.#upstream?.resume();
    }
  }

  clientGone(): void {
    if (this.#phase === 'ended') return;
    // What the client read of an answer that was whole for us, nobody knows.
    this.abort('client_gone');
  }

  /** Called now and then. */
  check(nowMs: number): void {
    if (this.#isBodyTooSlow(nowMs)) {
      const rate = this.#parts.limits.bodyBytesPerSecondMin;
      this.refuse(refuse('request_timeout', { close: true, detail: `the request body came at less than ${rate} bytes a second` }));
      return;
    }
    if (nowMs < this.#dueMs) return;
    switch (this.#phase) {
      case 'connecting':
        if (this.#attempt !== undefined && this.#parts.pools.isBusy(this.#attempt.address))
          this.#crowdedOut('no connection became free in time');
        else this.#notConnected('no connection came about in time');
        break;
      case 'waiting':
        if (!this.#clientHasRoom) this.abort('client_timeout');
        else if (this.#isRequestWhole || !this.#upstreamHasRoom) {
          this.#endAttempt('failure');
          this.refuse(refuse('upstream_timeout', { detail: 'nothing of the answer came in time' }));
        } else this.refuse(refuse('request_timeout', { close: true, detail: 'the request body stopped' }));
        break;
      case 'answering':
      case 'flushing':
        this.abort(this.#clientHasRoom ? 'upstream_timeout' : 'client_timeout');
        break;
    }
  }

  /** Something within the gateway went wrong: it costs this connection and no other. */
  fault(error: unknown): void {
    const { logger, toUpstream } = this.#parts;
    logger.error({ err: error, requestId: this.exchange.requestId }, 'request broken off within the gateway');
    toUpstream.drop(this);
    if (this.#phase !== 'ended') this.#end('upstream_failed');
    this.#client.drop();
  }

  /** Ends the exchange where it stands and drops both connections. */
  abort(termination: Termination): void {
    if (this.#phase === 'ended') return;
    this.#end(termination);
    this.#client.drop();
  }

  /** The gateway's own answer, as long as the app's has not begun. */
  refuse(refusal: Refusal): void {
    if (this.#phase === 'ended') return;
    if (this.#phase === 'answering' || this.#phase === 'flushing') {
      this.abort('upstream_failed');
      return;
    }
    const { traffic, toUpstream } = this.#parts;
    toUpstream.drop(this);
    const answer = traffic.answer(this.exchange, refusal);
    const keeps = this.#keeps && !answer.close && this.#isRequestWhole && !traffic.draining;
    const hasBody = this.request.method !== 'HEAD';
    this.#client.answer(answer, { keeps, httpVersion: this.request.httpVersion, hasBody });
    if (hasBody) this.exchange.bytesOut += Buffer.byteLength(answer.body);
    this.#end('refused');
    this.#client.flush(!keeps);
    this.#client.relayEnded(keeps);
  }

  connected(upstream: UpstreamConnection): void {
    const { timeouts } = this.#parts;
    const admitted = this.#admitted;
    if (this.#phase !== 'connecting' || admitted === undefined) throw new TypeError(`a connection came while ${this.#phase}`);
    this.#phase = 'waiting';
    this.#upstream = upstream;
    this.#upstreamHasRoom = true;
    upstream.begin(this);
    const toUpstream = this.#parts.toUpstream.of(this);
    writeRequestHead(toUpstream, this.request, admitted.facts, this.#client.lines);
    if (this.#isRequestWhole) {
      // Another connection had only the end of a body to take.
      if (this.#requestTrailers !== undefined) toUpstream.lastChunk(forwardedTrailers(this.#requestTrailers));
      this.#wait(timeouts.firstByteMs);
      this.flushBody();
    } else {
      this.#wait(timeouts.bodyIdleMs);
      this.#client.bodyWanted();
    }
  }

  get tenant(): number | undefined {
    const { tenant, isolation } = this.exchange;
    return isolation === 'silo' || tenant?.platform ? undefined : tenant?.number;
  }

  crowding(held: number): void {
    const detail = `${held} requests of this tenant are at ${this.exchange.endpoint?.address}: others would be left without a connection`;
    this.refuse(refuse('concurrency_limited', { retryAfterMs: 1_000, detail }));
  }

  queueFull(waiting: number): void {
    this.#crowdedOut(`${waiting} requests wait for a connection already`);
  }

  unreachable(error: Error): void {
    this.#notConnected(error.message);
  }

  informed(head: ParsedResponse): void {
    // A 100 is ours to say.
    if (this.#phase !== 'waiting' || this.request.httpVersion === '1.0' || head.status < 102) return;
    this.#writeHead(head, true);
    this.#wait(this.#parts.timeouts.firstByteMs);
  }

  begun(head: ParsedResponse): void {
    const { traffic, timeouts, readMs } = this.#parts;
    const { exchange } = this;
    const is10 = this.request.httpVersion === '1.0';
    const { bodyKind } = head;
    this.#isAnswerChunked = !is10 && (bodyKind === 'chunked' || bodyKind === 'until-close');
    // Only the end of the connection ends such an answer.
    const isUnbounded = is10 && (bodyKind === 'chunked' || bodyKind === 'until-close');
    if (traffic.draining || isUnbounded) this.#keeps = false;
    exchange.status = head.status;
    exchange.firstByteMs = readMs();
    this.#phase = 'answering';
    this.#writeHead(head, this.#keeps);
    this.#wait(timeouts.streamIdleMs);
  }

  piece(bytes: Buffer, start: number, end: number): void {
    this.exchange.bytesOut += end - start;
    this.#client.piece(bytes, start, end);
  }

  ended(rawTrailers: readonly string[]): boolean {
    this.#client.end(rawTrailers);
    this.#endAttempt('success');
    this.#upstream = undefined;
    this.#phase = 'flushing';
    return this.#isRequestWhole;
  }

  switched(head: ParsedResponse, rest: Buffer): void {
    const { traffic } = this.#parts;
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    this.#endAttempt('success');
    const busy = traffic.becomeTunnel(this.exchange);
    if (busy !== undefined) {
      this.refuse(busy);
      return;
    }
    this.#phase = 'ended';
    this.#upstream = undefined;
    this.#writeHead(head, true);
    this.#client.flush();
    this.#client.becomeTunnel(upstream, this.exchange, rest);
  }

  broken({ error, answered, reused }: UpstreamFault): void {
    this.#upstream = undefined;
    this.#fail(refuse('upstream_failed', { detail: error.message }), { sent: true, answered, reused, timedOut: false });
  }

  flush(bytes: number): boolean {
    if (this.#phase === 'ended') return true;
    const hasRoom = this.#client.flush(this.#phase === 'flushing' && !this.#keeps);
    this.#clientHasRoom = hasRoom;
    if (!hasRoom) this.#parts.backlog.hold(this, bytes);
    // An endpoint that has not come to the end of its head has no more time for what it has said, as long as it is read from.
    if (this.#phase !== 'waiting' || !hasRoom) this.#wait(this.#parts.timeouts.streamIdleMs);
    if (this.#phase !== 'flushing') return hasRoom;
    if (hasRoom) this.#completed();
    return true;
  }

  room(): void {
    if (this.#upstreamHasRoom) return;
    this.#upstreamHasRoom = true;
    this.#wait(this.#isRequestWhole ? this.#parts.timeouts.firstByteMs : this.#parts.timeouts.bodyIdleMs);
    if (!this.#isRequestWhole) this.#client.bodyWanted();
  }

  #decided(admitted: Admitted | Refusal): void {
    if (this.#phase === 'ended') return;
    if (isRefusal(admitted)) this.refuse(admitted);
    else {
      this.#admitted = admitted;
      this.#connect(admitted);
    }
  }

  #connect(admitted: Admitted, except?: EndpointState, isFresh = false): void {
    const { traffic, pools, timeouts } = this.#parts;
    const attempt = traffic.attempt(this.exchange, admitted, except);
    if (isRefusal(attempt)) {
      this.refuse(attempt);
      return;
    }
    this.#attempt = attempt;
    this.#phase = 'connecting';
    this.#wait(timeouts.connectMs);
    pools.take(attempt.address, this, isFresh);
  }

  #notConnected(detail: string): void {
    this.#fail(refuse('upstream_unreachable', { retryAfterMs: 1_000, detail }), notSent);
  }

  /** Other requests have all connections to the endpoint: it is not held against it. */
  #crowdedOut(detail: string): void {
    const refusal = refuse('app_busy', { retryAfterMs: 1_000, detail: `${this.exchange.endpoint?.address}: ${detail}` });
    this.#fail(refusal, notSent, 'neutral');
  }

  /** The attempt came to nothing: another endpoint gets the request, or the client hears of it. */
  #fail(refusal: Refusal, how: Failure, outcome: 'failure' | 'neutral' = 'failure'): void {
    const attempt = this.#attempt;
    const admitted = this.#admitted;
    if (this.#phase === 'ended' || attempt === undefined || admitted === undefined) return;
    this.#endAttempt(outcome);
    if (this.#phase === 'answering') {
      // The head is out: only a broken connection tells the client that the body is not whole.
      this.#client.flush();
      this.abort('upstream_failed');
      return;
    }
    const failed = {
      number: attempt.number,
      sent: how.sent,
      reusedConnection: how.reused ?? false,
      answered: how.answered,
      bodyBytesTaken: this.exchange.bytesIn,
      method: this.request.method,
      timedOut: how.timedOut,
    };
    const retry = this.#parts.traffic.retry(failed, admitted);
    if (retry === 'elsewhere') this.#connect(admitted, attempt.endpoint);
    else if (retry === 'again') this.#connect(admitted, undefined, true);
    else this.refuse(refusal);
  }

  #completed(): void {
    const keeps = this.#keeps && this.#isRequestWhole && !this.#parts.traffic.draining;
    this.#end('completed');
    this.#client.relayEnded(keeps);
  }

  #end(termination: Termination): void {
    this.#endAttempt('neutral');
    this.#phase = 'ended';
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#upstream?.cancel();
    this.#upstream = undefined;
    this.#parts.backlog.release(this);
    this.#parts.traffic.finish(this.exchange, termination);
  }

  #endAttempt(outcome: 'success' | 'failure' | 'neutral'): void {
    if (this.#attempt === undefined) return;
    if (this.#phase === 'connecting') this.#parts.pools.withdraw(this.#attempt.address, this);
    this.#attempt.end(outcome);
  }

  #writeHead(head: ParsedResponse, keepAlive: boolean): void {
    const { traffic, date } = this.#parts;
    const { requestId, baseDomain } = traffic.responseFacts(this.exchange, head.status);
    const cookiesDropped = this.#client.head(head, {
      requestId,
      baseDomain,
      clientVersion: this.request.httpVersion,
      keepAlive,
      isChunked: this.#isAnswerChunked,
      date,
    });
    traffic.countCookies(this.exchange, cookiesDropped);
  }

  /** A client that sends a little now and then holds a connection to the endpoint, of which there are not many. */
  #isBodyTooSlow(nowMs: number): boolean {
    // An app that answers already has its own reasons to read on, and one that does not take the body is what is slow.
    if (this.#isRequestWhole || this.#phase !== 'waiting' || !this.#upstreamHasRoom) {
      this.#pace = undefined;
      return false;
    }
    const { timeouts, limits } = this.#parts;
    const { bytesIn } = this.exchange;
    this.#pace ??= new BodyPace(nowMs, bytesIn, { graceMs: timeouts.bodyIdleMs, bytesPerSecondMin: limits.bodyBytesPerSecondMin });
    return this.#pace.isTooSlow(nowMs, bytesIn);
  }

  #wait(ms: number): void {
    this.#dueMs = this.#parts.coarseMs() + ms;
  }
}
