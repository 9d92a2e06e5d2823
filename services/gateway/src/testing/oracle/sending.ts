// One dispatch to an endpoint: undici's callbacks turned into the relay's steps.
import type { Duplex } from 'node:stream';
import { type Dispatcher, errors } from 'undici';
import type { Carried } from './pools.ts';
import { BodyAbandoned, BodyRefused, type RequestBody } from './request-body.ts';

/** Who takes what an endpoint answers. */
export interface Receiver {
  inform(status: number, rawHeaders: string[]): void;
  begin(status: number, message: string, rawHeaders: string[]): void;
  /** False: wait for `onRoom` before the next. */
  write(chunk: Buffer, onRoom: () => void): boolean;
  finish(rawTrailers: string[]): void;
  switchProtocols(upstream: Duplex, rawHeaders: string[]): void;
  /** Taking one of these failed. */
  fault(error: unknown): void;
}

/** How a dispatch ended that did not end well. */
export interface Failure {
  readonly error: Error;
  readonly sent: boolean;
  readonly reusedConnection: boolean;
  readonly answered: boolean;
  readonly bodyBytesTaken: number;
  readonly timedOut: boolean;
}

/** One dispatch: undici's callbacks turned into the relay's steps. */
export class Sending implements Carried {
  readonly body: RequestBody | undefined;
  onSettled: (outcome: 'success' | 'failure' | 'neutral') => void = () => {};
  onFailure: (failure: Failure) => void = () => {};
  readonly #relay: Receiver;
  #controller: Dispatcher.DispatchController | undefined;
  #isReused: () => boolean = () => false;
  #reused = false;
  #answered = false;
  #cancelled = false;

  constructor(relay: Receiver, body: RequestBody | undefined) {
    this.#relay = relay;
    this.body = body;
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    this.#cancelled = true;
    this.onSettled('neutral');
    this.#controller?.abort(new BodyAbandoned('the client went away'));
    this.body?.destroy();
  }

  onConnection(isReused: () => boolean): void {
    this.#isReused = isReused;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#reused = this.#isReused();
    this.#controller = controller;
    if (this.#cancelled) controller.abort(new BodyAbandoned('the client went away'));
  }

  onResponseStarted(): void {
    this.#answered = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, message?: string): void {
    this.#step(() => {
      const rawHeaders = texts(controller.rawHeaders);
      const fault = faultOf(status, rawHeaders);
      if (fault !== undefined) controller.abort(new Error(fault));
      else if (status < 200) this.#relay.inform(status, rawHeaders);
      else this.#relay.begin(status, message ?? '', rawHeaders);
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#step(() => {
      if (!this.#relay.write(chunk, () => controller.resume())) controller.pause();
    });
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.onSettled('success');
    this.#step(() => this.#relay.finish(texts(controller.rawTrailers)));
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, _status: number, _headers: unknown, socket: Duplex): void {
    this.onSettled('success');
    if (this.#cancelled) socket.destroy();
    else this.#step(() => this.#relay.switchProtocols(socket, texts(controller.rawHeaders)));
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#cancelled) return;
    this.onSettled(isClients(error) ? 'neutral' : 'failure');
    this.#step(() =>
      this.onFailure({
        error,
        sent: this.#controller !== undefined,
        reusedConnection: this.#reused,
        answered: this.#answered,
        bodyBytesTaken: this.body?.bytesTaken ?? 0,
        timedOut: error instanceof errors.HeadersTimeoutError,
      }),
    );
  }

  /** What is thrown into undici's hands would be lost there. */
  #step(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#relay.fault(error);
    }
  }
}

/** Why an answer's head cannot be passed on. */
function faultOf(status: number, rawHeaders: readonly string[]): string | undefined {
  if (status === 101) return 'the endpoint changed protocols without naming one';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const isCoding = rawHeaders[i]?.length === 17 && rawHeaders[i]?.toLowerCase() === 'transfer-encoding';
    if (isCoding && rawHeaders[i + 1]?.trim().toLowerCase() !== 'chunked')
      return 'the endpoint answered with a transfer coding other than chunked';
  }
  return undefined;
}

/** True where the request is to blame, not the endpoint. */
export function isClients(error: Error): boolean {
  return error instanceof BodyAbandoned || error instanceof BodyRefused || error instanceof errors.InvalidArgumentError;
}

/** undici's raw header bytes as Latin-1, as node:http has them. */
function texts(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((item) => (typeof item === 'string' ? item : item.toString('latin1')));
}
