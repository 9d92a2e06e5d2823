// One request through the oracle: from node:http's request to an undici dispatch and back.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@burgage/runtime';
import type { Result } from '@burgage/tenancy';
import { errors } from 'undici';
import type { Limits, Timeouts } from '../../defaults.ts';
import type { EndpointState } from '../../domain/endpoint-set.ts';
import type { Exchange, Termination } from '../../domain/exchange.ts';
import { forwardedTrailers, requestHeaders } from '../../domain/forward-headers.ts';
import { type Refusal, refuse } from '../../domain/refusal.ts';
import type { ReadHead } from '../../domain/request-head.ts';
import { type Admitted, isRefusal, type Traffic } from '../../engine/traffic.ts';
import { linger } from './linger.ts';
import type { Pools } from './pools.ts';
import { peerOf, type RawHead } from './raw-head.ts';
import { BodyAbandoned, BodyRefused, RequestBody } from './request-body.ts';
import { type Failure, isClients, type Receiver, Sending } from './sending.ts';

export interface RelayParts {
  readonly traffic: Traffic;
  readonly pools: Pools;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly logger: Logger;
  /** Takes both sockets over once the endpoint has changed protocols; the exchange is finished by it. */
  readonly onTunnel: (relay: Relay, upstream: Duplex, rawHeaders: string[]) => void;
}

/**
 * Where the request is.
 * `admitting`: no endpoint yet · `waiting`: sent, or being sent, nothing back · `answering`: the app's head has gone out ·
 * `ended`: the exchange is finished; whatever comes is dropped.
 */
type Phase = 'admitting' | 'waiting' | 'answering' | 'ended';

/** A request as it came. */
export interface Arrived {
  readonly head: RawHead;
  readonly read: Result<ReadHead, Refusal>;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** node:http has let go of the connection. */
  readonly canTunnel: boolean;
}

export class Relay implements Receiver {
  readonly exchange: Exchange;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #parts: RelayParts;
  readonly #head: RawHead;
  readonly #read: Arrived['read'];
  readonly #canTunnel: boolean;
  #phase: Phase = 'admitting';
  #sending: Sending | undefined;

  constructor(parts: RelayParts, { head, read, request, response, canTunnel }: Arrived) {
    this.#parts = parts;
    this.#head = head;
    this.#read = read;
    this.#canTunnel = canTunnel;
    this.exchange = parts.traffic.open(head, peerOf(request.socket));
    this.request = request;
    this.response = response;
    response.on('close', () => this.#onClosed());
    response.on('error', () => {});
  }

  async run(): Promise<void> {
    const admitted = this.#read.ok ? await this.#parts.traffic.admit(this.exchange, this.#read.value) : this.#read.error;
    if (this.#phase === 'ended') return;
    if (isRefusal(admitted)) this.refuse(admitted);
    else this.#send(admitted);
  }

  /** The client's connection has been silent. Where nothing waits to be read by it, another clock runs for whoever is awaited. */
  timeOut(): void {
    if (this.#phase === 'ended') this.response.destroy();
    else if (this.response.writableLength > 0 || (this.response.socket?.writableLength ?? 0) > 0) this.abort('client_timeout');
  }

  /** Something within the gateway went wrong over an answer: it costs this connection and no other. */
  fault(error: unknown): void {
    this.#parts.logger.error({ err: error, requestId: this.exchange.requestId }, 'answer broken off within the gateway');
    this.abort('upstream_failed');
    this.request.socket.destroy();
  }

  /** Ends the exchange where it stands and drops both connections. */
  abort(termination: Termination): void {
    if (this.#phase === 'ended') return;
    this.#end(termination);
    this.#sending?.cancel();
    this.response.destroy();
  }

  /** What came on the connection after the head cannot be read: a part of this request's body, or what would have been the next. */
  refuseRest(refusal: Refusal): void {
    if (this.request.complete) this.response.shouldKeepAlive = false;
    else this.refuse(refusal);
  }

  /** The gateway's own answer, as long as the app's has not begun. */
  refuse(refusal: Refusal): void {
    const { traffic, timeouts, limits } = this.#parts;
    const { response, request, exchange } = this;
    if (this.#phase === 'ended') return;
    if (response.headersSent) {
      this.abort('upstream_failed');
      return;
    }
    const answer = traffic.answer(exchange, refusal);
    const hasRest = exchange.read?.body.kind !== 'none' && !request.complete;
    const isClosing = answer.close || hasRest || traffic.draining;
    response.shouldKeepAlive = !isClosing && response.shouldKeepAlive;
    response.writeHead(answer.status, STATUS_CODES[answer.status] ?? 'Refused', [...answer.headers]);
    const body = request.method === 'HEAD' ? '' : answer.body;
    exchange.bytesOut += Buffer.byteLength(body);
    this.#end('refused');
    this.#sending?.cancel();
    if (body !== '') response.write(body);
    else response.flushHeaders();
    if (hasRest) linger(request, { bytesMax: limits.lingerBytesMax, ms: timeouts.lingerMs }, () => response.end());
    else response.end();
  }

  #send(admitted: Admitted, except?: EndpointState): void {
    const { traffic } = this.#parts;
    const attempt = traffic.attempt(this.exchange, admitted, except);
    if (isRefusal(attempt)) {
      this.refuse(attempt);
      return;
    }
    const { read } = this.exchange;
    if (read === undefined) throw new TypeError('a request is sent before its head was read');
    this.#phase = 'waiting';
    const sending = new Sending(this, read.body.kind === 'none' ? undefined : this.#body(admitted));
    this.#sending = sending;
    sending.onSettled = (outcome) => attempt.end(outcome);
    sending.onFailure = (failure) => {
      const failed = { ...failure, number: attempt.number, method: this.exchange.head.method };
      if (this.#phase === 'waiting' && !isClients(failure.error) && traffic.retry(failed, admitted) === 'elsewhere')
        this.#send(admitted, attempt.endpoint);
      else this.#fail(failure);
    };
    this.#parts.pools.get(attempt.address).dispatch(
      {
        method: this.exchange.head.method,
        path: read.path,
        headers: requestHeaders(this.#head.rawHeaders, admitted.facts),
        body: sending.body ?? null,
        ...(this.#canTunnel && read.upgrade !== undefined && { upgrade: read.upgrade }),
      },
      sending,
    );
  }

  #body({ bodyBytesMax }: Admitted): RequestBody {
    return new RequestBody(this.request, {
      bytesMax: bodyBytesMax,
      idleMs: this.#parts.timeouts.bodyIdleMs,
      // Said only now that an endpoint wants the body: a client that waits for it sends nothing to a refusal.
      onStart: () => {
        if (this.exchange.read?.expectsContinue && !this.response.headersSent) this.response.writeContinue();
      },
      onBytes: (count) => {
        this.exchange.bytesIn += count;
      },
    });
  }

  #fail({ error, sent }: Failure): void {
    if (this.#phase === 'ended') return;
    if (this.#phase === 'answering') {
      // The head is out: only a broken connection tells the client that the body is not whole.
      this.abort(error instanceof errors.BodyTimeoutError ? 'upstream_timeout' : 'upstream_failed');
      return;
    }
    if (error instanceof BodyAbandoned) this.abort('client_gone');
    else if (error instanceof BodyRefused) this.refuse(error.refusal);
    else this.refuse(refusalOf(error, sent));
  }

  /** 1xx of the app. A 100 is ours to say and a 101 goes another way. */
  inform(status: number, rawHeaders: string[]): void {
    if (this.#phase !== 'waiting' || this.exchange.head.httpVersion === '1.0' || status < 102) return;
    this.response.writeInformation(status, this.#parts.traffic.responseHead(this.exchange, status, rawHeaders));
  }

  begin(status: number, message: string, rawHeaders: string[]): void {
    const { traffic } = this.#parts;
    if (traffic.draining) this.response.shouldKeepAlive = false;
    this.response.writeHead(status, reasonOf(status, message), traffic.responseHead(this.exchange, status, rawHeaders));
    // Sends the head at once, as Latin-1: flushHeaders would encode its bytes above 127 a second time.
    this.response.write('', 'latin1');
    this.#phase = 'answering';
    this.exchange.status = status;
    this.exchange.firstByteMs = traffic.nowMs();
  }

  /** False: wait for `onRoom` before the next. */
  write(chunk: Buffer, onRoom: () => void): boolean {
    this.exchange.bytesOut += chunk.length;
    if (this.response.write(chunk)) return true;
    this.response.once('drain', onRoom);
    return false;
  }

  finish(rawTrailers: string[]): void {
    const { request, response } = this;
    // Left out by node:http where the answer is not chunked.
    response.addTrailers(forwardedTrailers(rawTrailers));
    if (request.complete) {
      response.end();
      return;
    }
    // The app answered before it had read everything. The rest is not forwarded, and nothing can follow it.
    response.shouldKeepAlive = false;
    const { lingerMs } = this.#parts.timeouts;
    linger(request, { bytesMax: this.#parts.limits.lingerBytesMax, ms: lingerMs }, () => {
      response.end();
      response.socket?.destroySoon();
    });
  }

  switchProtocols(upstream: Duplex, rawHeaders: string[]): void {
    const busy = this.#parts.traffic.becomeTunnel(this.exchange);
    if (busy !== undefined) {
      upstream.destroy();
      this.refuse(busy);
      return;
    }
    this.#phase = 'ended';
    this.#parts.onTunnel(this, upstream, rawHeaders);
  }

  #onClosed(): void {
    if (this.#phase === 'ended') return;
    const isWhole = this.#phase === 'answering' && this.response.writableFinished;
    this.#end(isWhole ? 'completed' : 'client_gone');
    if (!isWhole) this.#sending?.cancel();
  }

  #end(termination: Termination): void {
    this.#phase = 'ended';
    this.#parts.traffic.finish(this.exchange, termination);
  }
}

/** What the client is told of an endpoint's failure before its head. */
function refusalOf(error: Error, sent: boolean): Refusal {
  if (error instanceof errors.InvalidArgumentError) return refuse('bad_request', { close: true, detail: error.message });
  if (!sent) return refuse('upstream_unreachable', { retryAfterMs: 1_000, detail: error.message });
  if (error instanceof errors.HeadersTimeoutError) return refuse('upstream_timeout', { detail: error.message });
  return refuse('upstream_failed', { detail: error.message });
}

/** The app's own phrase where it is plain ASCII; every client goes by the number. */
function reasonOf(status: number, phrase: string): string {
  return reasonPattern.test(phrase) ? phrase : (STATUS_CODES[status] ?? '');
}
const reasonPattern = /^[\t\x20-\x7e]+$/;
