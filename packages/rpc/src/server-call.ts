// One call as its server sees it: opened with its context, ended once with its metrics, span and log line.
import type { DescMethod } from '@bufbuild/protobuf';
import { asBurgageError, BurgageError } from '@burgage/contracts';
import { beginSpan, type Clock, type Context, type Logger, type OpenSpan, runInContext } from '@burgage/runtime';
import type { Deadline, Metadata } from '@grpc/grpc-js';
import { contextOf, header } from './headers.ts';
import type { ObserveCall } from './metrics.ts';
import type { RpcCall } from './types.ts';

/** What the calls of grpc-js have in common, whatever their kind. */
interface GrpcCall {
  readonly metadata: Metadata;
  getDeadline(): Deadline;
  once(event: 'cancelled', listener: () => void): unknown;
}

export interface CallSurroundings {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly observe: ObserveCall;
}

export class OpenCall implements RpcCall {
  readonly method: string;
  readonly metadata: RpcCall['metadata'];
  readonly deadlineAtMs?: number;
  readonly #descriptor: DescMethod;
  readonly #surroundings: CallSurroundings;
  readonly #startedAtMs: number;
  readonly #span: OpenSpan;
  readonly #context: Context;
  /** The handler is told to end. */
  readonly #abort = new AbortController();
  /** The call is over: nothing that is written arrives any more. */
  readonly #cut = new AbortController();
  #ended = false;

  constructor(grpcCall: GrpcCall, descriptor: DescMethod, surroundings: CallSurroundings) {
    const { clock } = surroundings;
    this.#descriptor = descriptor;
    this.#surroundings = surroundings;
    this.#startedAtMs = clock.monotonicMs();
    this.method = `${descriptor.parent.typeName}/${descriptor.name}`;
    this.metadata = { get: (name) => header(grpcCall.metadata, name) };
    const remainingMs = remainingMsOf(grpcCall);
    if (remainingMs !== undefined) this.deadlineAtMs = this.#startedAtMs + remainingMs;
    const ids = contextOf(grpcCall.metadata);
    this.#span = runInContext(ids, () =>
      beginSpan(this.method, { 'rpc.system': 'grpc', 'rpc.service': descriptor.parent.typeName, 'rpc.method': descriptor.name }, 'server'),
    );
    this.#context = {
      ...ids,
      ...(this.#span.traceparent === undefined ? {} : { traceparent: this.#span.traceparent }),
      ...(this.deadlineAtMs === undefined ? {} : { deadlineAtMs: this.deadlineAtMs }),
      signal: this.#abort.signal,
    };
    grpcCall.once('cancelled', () => this.#onCancelled(remainingMsOf(grpcCall)));
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

  /** Runs the handler in the context of the call. */
  run<T>(handler: () => T): T {
    return runInContext(this.#context, handler);
  }

  /** Ends the call well, unless nobody was there any more to take the answer. */
  succeed(): void {
    this.#end(this.#cut.signal.aborted ? this.#cut.signal.reason : undefined);
  }

  /**
   * Ends the call, and says what the caller is told of `thrown`: an error of the catalogue as it is, the reason of the
   * abort where that is what stopped the handler, and of anything else only `internal`.
   */
  fail(thrown: unknown): BurgageError {
    const { aborted, reason } = this.#abort.signal;
    const stoppedByAbort = aborted && (thrown === reason || (thrown instanceof Error && thrown.name === 'AbortError'));
    const error = asBurgageError(stoppedByAbort ? reason : thrown);
    this.#end(error);
    return error;
  }

  #end(error: BurgageError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const { logger, clock, observe } = this.#surroundings;
    const durationMs = clock.monotonicMs() - this.#startedAtMs;
    observe(this.#descriptor, error?.code ?? 'ok', durationMs);
    this.#span.end(error);
    this.run(() => this.#log(logger, error, durationMs));
  }

  #log(logger: Logger, error: BurgageError | undefined, durationMs: number): void {
    const { method } = this;
    if (error?.code === 'internal') logger.error({ method, err: error }, 'call failed');
    else if (error?.definition.blame === 'platform' && error.code !== 'draining') logger.warn({ method, err: error }, 'call failed');
    else logger.debug({ method, code: error?.code ?? 'ok', durationMs }, 'call ended');
  }

  /** grpc-js says it at the end of every call, and early where the caller is gone or the deadline has passed. */
  #onCancelled(remainingMs: number | undefined): void {
    if (this.#ended) return;
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
