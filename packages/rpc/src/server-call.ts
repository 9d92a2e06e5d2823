// One call as its server sees it: opened with its context, ended once with its metrics, span and log line.
import type { DescMethod } from '@bufbuild/protobuf';
import { asBurgageError, BurgageError } from '@burgage/contracts';
import { beginSpan, type Clock, type Context, type Logger, type OpenSpan, runInContext } from '@burgage/runtime';
import type { Deadline, Metadata, ServerUnaryCall } from '@grpc/grpc-js';
import { contextOf, header } from './headers.ts';
import { LateSignal } from './late-signal.ts';
import type { ObserveCall } from './metrics.ts';
import { serviceOf } from './mutual-tls-server.ts';
import type { RpcCall } from './types.ts';

/** What the calls of grpc-js have in common, whatever their kind. */
interface GrpcCall {
  readonly metadata: Metadata;
  getDeadline(): Deadline;
  getAuthContext: ServerUnaryCall<unknown, unknown>['getAuthContext'];
  once(event: 'cancelled', listener: () => void): unknown;
}

/** A method as its server calls it: what is the same for every call. */
export interface ServedMethod {
  readonly descriptor: DescMethod;
  /** `burgage.registry.v1.RegistryService/GetTenant`. */
  readonly name: string;
  /** Of its spans. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly observe: ObserveCall;
}

export interface CallSurroundings {
  /** Whether callers are known by their certificates. */
  readonly authenticated: boolean;
  readonly logger: Logger;
  readonly clock: Clock;
}

export class OpenCall implements RpcCall {
  readonly peer: string | undefined;
  readonly deadlineAtMs?: number;
  readonly #grpcCall: GrpcCall;
  readonly #served: ServedMethod;
  readonly #surroundings: CallSurroundings;
  readonly #startedAtMs: number;
  #span: OpenSpan | undefined;
  /** The handler is told to end. */
  readonly #abort = new LateSignal();
  /** The call is over: nothing that is written arrives any more. */
  readonly #cut = new LateSignal();
  #ended = false;

  constructor(grpcCall: GrpcCall, served: ServedMethod, surroundings: CallSurroundings) {
    const { clock, authenticated } = surroundings;
    this.#grpcCall = grpcCall;
    this.#served = served;
    this.#surroundings = surroundings;
    this.#startedAtMs = clock.monotonicMs();
    this.peer = authenticated ? serviceOf(grpcCall.getAuthContext().sslPeerCertificate) : undefined;
    const remainingMs = remainingMsOf(grpcCall);
    if (remainingMs !== undefined) this.deadlineAtMs = this.#startedAtMs + remainingMs;
    grpcCall.once('cancelled', () => this.#onCancelled());
  }

  /** Whether it is one that a drain tells to end. */
  get streams(): boolean {
    return this.#served.descriptor.methodKind !== 'unary';
  }

  get method(): string {
    return this.#served.name;
  }

  get metadata(): RpcCall['metadata'] {
    return { get: (name) => header(this.#grpcCall.metadata, name) };
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Aborted when the other side takes nothing more, with the same reason as `signal`. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** Tells the handler of a stream to end, and gives it the time to. */
  drain(): void {
    this.#abort.abort(new BurgageError('draining'));
  }

  /** Before a handler runs: a connection that ends at that moment no longer says whose it is. @throws BurgageError `unauthenticated`. */
  authenticate(): void {
    if (this.#surroundings.authenticated && this.peer === undefined) {
      throw new BurgageError('unauthenticated', { message: 'The connection ended before it said whose it is.' });
    }
  }

  /** Runs the handler, and what says how it ended, in the context of the call. */
  run<T>(handler: () => T): T {
    const abort = this.#abort;
    const context: { -readonly [K in keyof Context]: Context[K] } = {
      ...contextOf(this.#grpcCall.metadata),
      ...(this.deadlineAtMs === undefined ? {} : { deadlineAtMs: this.deadlineAtMs }),
      get signal() {
        return abort.signal;
      },
    };
    return runInContext(context, () => {
      this.#span = beginSpan(this.#served.name, this.#served.attributes, 'server');
      if (this.#span.traceparent !== undefined) context.traceparent = this.#span.traceparent;
      return handler();
    });
  }

  /** Ends the call well, unless nobody was there any more to take the answer. */
  succeed(): void {
    this.#end(this.#cut.aborted ? asBurgageError(this.#cut.reason) : undefined);
  }

  /**
   * Ends the call, and says what the caller is told of `thrown`: an error of the catalogue as it is, the reason of the
   * abort where that is what stopped the handler, and of anything else only `internal`.
   */
  fail(thrown: unknown): BurgageError {
    const { aborted, reason } = this.#abort;
    const stoppedByAbort = aborted && (thrown === reason || (thrown instanceof Error && thrown.name === 'AbortError'));
    const error = asBurgageError(stoppedByAbort ? reason : thrown);
    this.#end(error);
    return error;
  }

  #end(error: BurgageError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const durationMs = this.#surroundings.clock.monotonicMs() - this.#startedAtMs;
    this.#served.observe(error?.code ?? 'ok', durationMs);
    this.#span?.end(error);
    this.#log(error, durationMs);
  }

  #log(error: BurgageError | undefined, durationMs: number): void {
    const { logger } = this.#surroundings;
    const { method, peer } = this;
    if (error?.code === 'internal') logger.error({ method, peer, err: error }, 'call failed');
    else if (error?.definition.blame === 'platform' && error.code !== 'draining') logger.warn({ method, peer, err: error }, 'call failed');
    else if (logger.isLevelEnabled('debug')) logger.debug({ method, peer, code: error?.code ?? 'ok', durationMs }, 'call ended');
  }

  /** grpc-js says it at the end of every call, and early where the caller is gone or the deadline has passed. */
  #onCancelled(): void {
    if (this.#ended) return;
    const remainingMs = remainingMsOf(this.#grpcCall);
    const reason = new BurgageError(remainingMs !== undefined && remainingMs <= 0 ? 'deadline_exceeded' : 'cancelled');
    this.#abort.abort(reason);
    this.#cut.abort(reason);
  }
}

/** grpc-js makes deadlines of the wall clock: the difference to the same clock is what remains. */
function remainingMsOf(grpcCall: GrpcCall): number | undefined {
  const deadline = Number(grpcCall.getDeadline());
  return Number.isFinite(deadline) ? deadline - Date.now() : undefined;
}
