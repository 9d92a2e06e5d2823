// The connection of one client: calls as bytes, failures as values of the catalogue.
import { BurgageError } from '@burgage/contracts';
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  type Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { Reach } from './breaker.ts';
import { abortError } from './budget.ts';
import { clientOptions } from './defaults.ts';
import { asIs } from './method.ts';
import { codeOfStatus, sentError } from './status.ts';

/** How a try failed. */
export interface Failure {
  readonly error: BurgageError;
  readonly reach: Reach;
}

export type Outcome = { readonly bytes: Buffer; readonly reach: 'reached' } | Failure;

interface CallSettings {
  readonly metadata: Metadata;
  readonly deadline: { deadline?: number };
  readonly signal: AbortSignal | undefined;
}

interface Cancellable {
  cancel(): void;
}

export class Transport {
  readonly #client: Client;
  readonly #service: string;
  readonly #address: string;
  readonly #open = new Set<Cancellable>();
  #closed = false;

  constructor(service: string, address: string) {
    this.#service = service;
    this.#address = address;
    this.#client = new Client(address, credentials.createInsecure(), clientOptions);
  }

  /** Cancels what runs and refuses what comes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const call of this.#open) call.cancel();
    this.#client.close();
  }

  unary(path: string, request: Buffer, { metadata, deadline, signal }: CallSettings): Promise<Outcome> {
    return new Promise((resolve) => {
      if (this.#closed) {
        resolve(this.#closedFailure());
        return;
      }
      let release = () => {};
      const call = this.#client.makeUnaryRequest(path, asIs, asIs, request, metadata, deadline, (failed, bytes) => {
        release();
        resolve(failed === null && bytes !== undefined ? { bytes, reach: 'reached' } : this.failure(failed, signal));
      });
      release = this.hold(call, signal);
    });
  }

  serverStream(path: string, request: Buffer, { metadata, deadline }: CallSettings): ClientReadableStream<Buffer> {
    if (this.#closed) throw this.#closedFailure().error;
    return this.#client.makeServerStreamRequest(path, asIs, asIs, request, metadata, deadline);
  }

  bidi(path: string, { metadata, deadline }: CallSettings): ClientDuplexStream<Buffer, Buffer> {
    if (this.#closed) throw this.#closedFailure().error;
    return this.#client.makeBidiStreamRequest(path, asIs, asIs, metadata, deadline);
  }

  /** Cancels `call` when `signal` is aborted or the client is closed, until the returned function is called. */
  hold(call: Cancellable, signal: AbortSignal | undefined): () => void {
    const cancel = () => call.cancel();
    this.#open.add(call);
    if (signal?.aborted) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    return () => {
      this.#open.delete(call);
      signal?.removeEventListener('abort', cancel);
    };
  }

  /**
   * What a failed call says, by these rules in order: an error that the server sent is that error; a call that our side
   * cancelled is the reason for it; one that was cut off without it, or found no server, is `unavailable`; the rest by
   * its status.
   */
  failure(thrown: unknown, signal: AbortSignal | undefined): Failure {
    if (!isServiceError(thrown)) return { error: new BurgageError('internal', { cause: thrown }), reach: 'unknown' };
    const sent = sentError(thrown.metadata);
    if (sent !== undefined) return { error: sent, reach: 'reached' };
    const code = codeOfStatus(thrown.code);
    if (code === 'cancelled' && signal?.aborted) return { error: abortError(signal), reach: 'unknown' };
    if (code === 'cancelled' && this.#closed) return this.#closedFailure();
    if (code === 'cancelled' || code === 'unavailable')
      return { error: this.#unavailable(`cannot be reached: ${connectProblem(thrown.details)}`, thrown), reach: 'unreachable' };
    const reach = code === 'deadline_exceeded' ? 'unknown' : 'reached';
    const message = code === 'internal' ? {} : { message: `${this.#service} at ${this.#address}: ${thrown.details}` };
    return { error: new BurgageError(code, { ...message, cause: thrown }), reach };
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

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number' && thrown.code in status && 'metadata' in thrown;
}

/** The part of what grpc-js says that helps: `connect ECONNREFUSED 127.0.0.1:9000`. */
function connectProblem(details: string): string {
  return details.replace(/^No connection established\. Last error: (Error: )?/, '').replace(/\.? *Resolution note: *$/, '');
}
