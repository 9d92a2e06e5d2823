// A typed client of one service: deadlines, cancellation, retries, breaker, trace and metrics included.
import type { DescMessage, DescMethod, DescService, MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, type Logger, type Metrics, type Random, systemClock, systemRandom } from '@burgage/runtime';
import { formatAddress, parseAddress } from './address.ts';
import { Breaker } from './breaker.ts';
import type { ClientParts } from './client-parts.ts';
import { openBidi, openServerStream } from './client-stream.ts';
import { callUnary } from './client-unary.ts';
import { timeoutMsDefault } from './defaults.ts';
import { quietGrpc } from './grpc-log.ts';
import { pathOf } from './method.ts';
import { clientCalls, clientEvents } from './metrics.ts';
import { Transport } from './transport.ts';
import type { RpcCallOptions, RpcClient } from './types.ts';

export interface RpcClientOptions {
  /** `unix:/path` or `host:port`. The connection is made at the first call, and again whenever it broke. */
  readonly address: string;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** For unary calls that say nothing else; default 5,000. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * A function for each method of `service`. Deadline, signal, ids and trace of the current context go with every call.
 * What a call throws is always a BurgageError: the one that the server threw, or `unavailable`, `deadline_exceeded`,
 * `cancelled`. Methods that the contract marks as idempotent or without side effects are tried up to three times where
 * the catalogue says that it may help; streams are never repeated.
 */
export function createRpcClient<S extends DescService>(service: S, options: RpcClientOptions): RpcClient<S> & { close(): Promise<void> } {
  const { clock = systemClock, random = systemRandom, timeoutMs = timeoutMsDefault, logger, metrics } = options;
  quietGrpc();
  const address = formatAddress(parseAddress(options.address));
  const events = metrics === undefined ? undefined : clientEvents(metrics);
  const transport = new Transport(service.typeName, address);
  const onBreaker = (open: boolean) => {
    events?.breakerOpen(service.typeName, open);
    if (open) logger?.warn({ rpcService: service.typeName, address }, 'breaker open: the service cannot be reached');
    else logger?.info({ rpcService: service.typeName, address }, 'breaker closed: the service answers again');
  };
  const parts: ClientParts = {
    transport,
    breaker: new Breaker(clock, onBreaker),
    clock,
    random,
    timeoutMs,
    observe: metrics === undefined ? () => {} : clientCalls(metrics),
    retried: (method) => events?.retried(method),
  };
  const client: Record<string, unknown> = { close: async () => transport.close() };
  for (const method of service.methods) client[method.localName] = callerOf(method, parts);
  // The loop above has made each method of S by the kind that its descriptor says.
  return client as RpcClient<S> & { close(): Promise<void> };
}

function callerOf(method: DescMethod, parts: ClientParts): unknown {
  switch (method.methodKind) {
    case 'unary':
      return (request: MessageInitShape<DescMessage>, options?: RpcCallOptions) => callUnary(method, request, options ?? {}, parts);
    case 'server_streaming':
      return (request: MessageInitShape<DescMessage>, options?: RpcCallOptions) => openServerStream(method, request, options ?? {}, parts);
    case 'bidi_streaming':
      return (requests: AsyncIterable<MessageInitShape<DescMessage>>, options?: RpcCallOptions) =>
        openBidi(method, requests, options ?? {}, parts);
    case 'client_streaming':
      throw new TypeError(`${pathOf(method)} streams only requests, which no contract of Burgage does`);
    default:
      return method.methodKind satisfies never;
  }
}
