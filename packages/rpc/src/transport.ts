// The connection of one client: calls as bytes, failures as values of the catalogue.
import { BurgageError } from '@burgage/contracts';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  connectivityState,
  type Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { Target } from './address.ts';
import type { Reach } from './breaker.ts';
import { abortError } from './budget.ts';
import { clientOptions, replicasConfig } from './defaults.ts';
import { asIs } from './method.ts';
import { codeOfStatus, sentError } from './status.ts';

/** How a try failed. */
export interface Failure {
  readonly error: BurgageError;
  readonly reach: Reach;
  /** The server says that it has not looked at the call, as when it was about to stop: any call may be tried again. */
  readonly untouched?: boolean;
}

export type Outcome = { readonly bytes: Buffer; readonly reach: 'reached' } | Failure;

interface CallSettings {
  readonly metadata: Metadata;
  /** On the wall clock; infinity for none. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

export class Transport {
  readonly #client: Client;
  readonly #service: string;
  readonly #address: string;
  /** Cancels what runs, each. */
  readonly #open = new Set<() => void>();
  #closed = false;

  constructor(service: string, target: Target, credentials: ChannelCredentials) {
    this.#service = service;
    this.#address = target.text;
    const options = target.kind === 'tcp' ? { ...clientOptions, 'grpc.service_config': replicasConfig } : clientOptions;
    this.#client = new Client(target.uri, credentials, options);
  }

  /** Cancels what runs and refuses what comes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const cancel of this.#open) cancel();
    this.#client.close();
  }

  /**
   * Hot. Below the client of grpc-js, which makes an event emitter, two interceptors and an Error with its stack for
   * every call.
   */
  unary(path: string, request: Buffer, { metadata, deadline, signal }: CallSettings): Promise<Outcome> {
    if (this.#closed) return Promise.resolve(this.#closedFailure());
    return new Promise((resolve) => {
      const call = this.#client.getChannel().createCall(path, deadline, undefined, null, undefined);
      let bytes: Buffer | undefined;
      let release = () => {};
      call.start(metadata, {
        onReceiveMetadata: () => {},
        onReceiveMessage: (message: Buffer) => {
          bytes = message;
        },
        onReceiveStatus: (ended) => {
          release();
          resolve(ended.code === status.OK && bytes !== undefined ? { bytes, reach: 'reached' } : this.failure(ended, signal));
        },
      });
      call.startRead();
      call.sendMessageWithContext({}, request);
      call.halfClose();
      release = this.hold(() => call.cancelWithStatus(status.CANCELLED, 'Cancelled on client'), signal);
    });
  }

  serverStream(path: string, request: Buffer, { metadata, deadline }: CallSettings): ClientReadableStream<Buffer> {
    if (this.#closed) throw this.#closedFailure().error;
    return this.#client.makeServerStreamRequest(path, asIs, asIs, request, metadata, { deadline });
  }

  bidi(path: string, { metadata, deadline }: CallSettings): ClientDuplexStream<Buffer, Buffer> {
    if (this.#closed) throw this.#closedFailure().error;
    return this.#client.makeBidiStreamRequest(path, asIs, asIs, metadata, { deadline });
  }

  /** Calls `cancel` when `signal` is aborted or the client is closed, until the returned function is called. */
  hold(cancel: () => void, signal: AbortSignal | undefined): () => void {
    this.#open.add(cancel);
    if (signal?.aborted) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    return () => {
      this.#open.delete(cancel);
      signal?.removeEventListener('abort', cancel);
    };
  }

  /**
   * What a failed call says, by these rules in order: an error that the server sent is that error; a call that our side
   * cancelled is the reason for it; one that was cut off without it, or found no server, is `unavailable`; the rest by
   * its status. One that was cut off while another replica is connected says nothing of the service.
   */
  failure(thrown: unknown, signal: AbortSignal | undefined): Failure {
    if (!isStatus(thrown)) return { error: new BurgageError('internal', { cause: thrown }), reach: 'unknown' };
    const cause = `gRPC status ${status[thrown.code]}: ${thrown.details}`;
    const sent = sentError(thrown.metadata);
    if (sent !== undefined) return { error: sent, reach: 'reached' };
    const code = codeOfStatus(thrown.code);
    if (code === 'cancelled' && signal?.aborted) return { error: abortError(signal), reach: 'unknown' };
    if (code === 'cancelled' && this.#closed) return this.#closedFailure();
    if (code === 'cancelled' || code === 'unavailable' || isCut(thrown)) {
      const error = this.#unavailable(`cannot be reached: ${connectProblem(thrown.details)}`, cause);
      const connected = this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
      // RFC 9113, 8.7. grpc-js repeats such a call once, but misses those that it learns of while it writes.
      const untouched = /NGHTTP2_REFUSED_STREAM$|^Stream refused by server$/.test(thrown.details);
      return { error, reach: connected ? 'unknown' : 'unreachable', untouched };
    }
    const reach = code === 'deadline_exceeded' ? 'unknown' : 'reached';
    const message = code === 'internal' ? {} : { message: `${this.#service} at ${this.#address}: ${thrown.details}` };
    return { error: new BurgageError(code, { ...message, cause }), reach };
  }

  /** What a call gets while the breaker is open. */
  refusal(): Failure {
    return { error: this.#unavailable('could not be reached lately: no call is sent for a moment'), reach: 'refused' };
  }

  #unavailable(why: string, cause?: unknown): BurgageError {
    return new BurgageError('unavailable', { message: `${this.#service} at ${this.#address} ${why}`, cause });
  }

  #closedFailure(): Failure {
    return { error: new BurgageError('cancelled', { message: `The client of ${this.#service} is closed.` }), reach: 'unknown' };
  }
}

/** How a call ended; a stream throws an error that is one as well. */
function isStatus(thrown: unknown): thrown is StatusObject {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown && 'details' in thrown && 'metadata' in thrown)) return false;
  return typeof thrown.code === 'number' && thrown.code in status;
}

/** grpc-js calls some ways in which a connection ends an internal error; one of the server comes with our details. */
function isCut({ code, details }: StatusObject): boolean {
  return code === status.INTERNAL && details.startsWith('Received RST_STREAM');
}

/** The part of what grpc-js says that helps: `connect ECONNREFUSED 127.0.0.1:9000`. */
function connectProblem(details: string): string {
  return details
    .replace(/^round_robin: /, '')
    .replace(/^(No connection established\. Last error: )+(Error: )?/, '')
    .replace(/(\.? *Resolution note: *)+$/, '')
    .replace(/\s*\(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, '')
    .replace(/^[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]*):[\s\S]*$/, '$1')
    .replace(/^Failed to connect$/, 'it closed the connection at once, and its log says why');
}
