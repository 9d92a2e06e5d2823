// The types of handlers and clients, derived from the descriptors of a service.
import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';

/** What a handler knows about the call that it answers. */
export interface RpcCall {
  /**
   * Aborted when nobody waits for the answer: the caller cancelled (`cancelled`), its deadline passed
   * (`deadline_exceeded`), or, for streams, the server drains (`draining`). The reason is a BurgageError.
   */
  readonly signal: AbortSignal;
  /** On the server's monotonic clock; undefined where the caller set none. */
  readonly deadlineAtMs?: number;
  /** What the caller sent beside the message; names in lower case. */
  readonly metadata: { get(name: string): string | undefined };
  /** `burgage.registry.v1.RegistryService/GetTenant`. */
  readonly method: string;
  /** The service that calls, as its certificate says: `gateway`. Undefined over a Unix socket, which only our user may open. */
  readonly peer: string | undefined;
}

/** One handler for each method, by its local name. */
export type RpcHandlers<S extends DescService> = { readonly [K in keyof S['method']]: RpcHandler<S['method'][K]> };

type RpcHandler<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageShape<M['input']>, call: RpcCall) => Promise<MessageInitShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageShape<M['input']>, call: RpcCall) => AsyncIterable<Sent<M>>
    : M['methodKind'] extends 'bidi_streaming'
      ? (requests: AsyncIterable<MessageShape<M['input']>>, call: RpcCall) => AsyncIterable<Sent<M>>
      : never;

/** An answer of a stream: the message, or on a hot path its bytes as the handler has encoded them. */
type Sent<M extends DescMethod> = MessageInitShape<M['output']> | Uint8Array;

export interface RpcCallOptions {
  /** Cancels the call; beside the signal of the current context. */
  readonly signal?: AbortSignal;
  /** Default for unary calls: what the client was made with. Streams live until they end, unless this is set. */
  readonly timeoutMs?: number;
  /** Sent beside the message: lower-case names, printable ASCII. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface RpcStreamOptions<T> extends RpcCallOptions {
  /** Reads the bytes of each answer in place of the contract's own types, on hot paths. What it throws ends the call as `malformed_body`. */
  readonly read: (bytes: Uint8Array) => T;
}

/** One function for each method, by its local name. */
export type RpcClient<S extends DescService> = { readonly [K in keyof S['method']]: RpcMethod<S['method'][K]> };

type RpcMethod<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageInitShape<M['input']>, options?: RpcCallOptions) => Promise<MessageShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? StreamMethod<MessageInitShape<M['input']>, MessageShape<M['output']>>
    : M['methodKind'] extends 'bidi_streaming'
      ? StreamMethod<AsyncIterable<MessageInitShape<M['input']>>, MessageShape<M['output']>>
      : never;

interface StreamMethod<Request, Answer> {
  <T>(request: Request, options: RpcStreamOptions<T>): AsyncGenerator<T, void, undefined>;
  (request: Request, options?: RpcCallOptions): AsyncGenerator<Answer, void, undefined>;
}
