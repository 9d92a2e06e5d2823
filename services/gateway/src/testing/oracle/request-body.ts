// A request body on its way upstream: taken from the client only as fast as the endpoint takes it, within size and time.
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { type Refusal, refuse } from '../../domain/refusal.ts';
import { bodyTooLarge } from '../../engine/traffic.ts';

/** Why a body was broken off on the client's side. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.detail ?? refusal.code);
    this.refusal = refusal;
  }
}

/** The client went away within its body. */
export class BodyAbandoned extends Error {
  override readonly name = 'BodyAbandoned';
}

export interface RequestBodyOptions {
  /** 0: any size. */
  readonly bytesMax: number;
  readonly idleMs: number;
  /** The first byte is wanted. */
  readonly onStart: () => void;
  readonly onBytes: (count: number) => void;
}

/** Reads nothing from the client until somebody reads from it: an attempt that never connects leaves the body for the next. */
export class RequestBody extends Readable {
  readonly #source: IncomingMessage;
  readonly #options: RequestBodyOptions;
  #bytes = 0;
  #attached = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(source: IncomingMessage, options: RequestBodyOptions) {
    super();
    this.#source = source;
    this.#options = options;
  }

  /** Bytes that were taken from the client. */
  get bytesTaken(): number {
    return this.#bytes;
  }

  override _read(): void {
    if (!this.#attached) {
      this.#attached = true;
      this.#source.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onGone).on('close', this.#onGone);
      this.#options.onStart();
    }
    this.#source.resume();
    this.#waitForMore();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#detach();
    callback(error);
  }

  #waitForMore(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      this.destroy(new BodyRefused(refuse('request_timeout', { close: true, detail: 'the request body stopped' })));
    }, this.#options.idleMs);
  }

  #detach(): void {
    clearTimeout(this.#idle);
    this.#source.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onGone);
    this.#source.pause();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    this.#options.onBytes(chunk.length);
    if (this.#options.bytesMax > 0 && this.#bytes > this.#options.bytesMax) {
      this.destroy(new BodyRefused(bodyTooLarge(this.#options.bytesMax)));
      return;
    }
    if (this.push(chunk)) {
      this.#waitForMore();
    } else {
      // The endpoint is slow, not the client: its clock stands still.
      clearTimeout(this.#idle);
      this.#source.pause();
    }
  };

  readonly #onEnd = (): void => {
    clearTimeout(this.#idle);
    this.push(null);
  };

  readonly #onGone = (): void => {
    if (!this.#source.complete) this.destroy(new BodyAbandoned('the client went away within its body'));
  };
}
