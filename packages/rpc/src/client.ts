// A typed client of one service: deadlines, cancellation, retries, breaker, trace and metrics included.
import type { DescMessage, DescService, MessageInitShape } from '@bufbuild/protobuf';
import { BurgageError } from '@burgage/contracts';
import { type Clock, type Logger, type Metrics, type Random, systemClock, systemRandom } from '@burgage/runtime';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { parseTarget, type Target, unprotected } from './address.ts';
import { Breaker } from './breaker.ts';
import type { CalledMethod, ClientParts } from './client-parts.ts';
import { openBidi, openServerStream } from './client-stream.ts';
import { callUnary } from './client-unary.ts';
import { timeoutMsDefault } from './defaults.ts';
import { quietGrpc } from './grpc-log.ts';
import { isIdempotent, pathOf } from './method.ts';
import { clientCalls, clientEvents } from './metrics.ts';
import { PeerCredentials } from './peer-credentials.ts';
import { isServiceName } from './service-name.ts';
import type { TlsIdentity } from './tls-identity.ts';
import { Transport } from './transport.ts';
import type { RpcCallOptions, RpcClient, RpcStreamOptions } from './types.ts';

export interface RpcClientOptions {
  /**
   * `unix:/path`, `host:port`, `dns:///name:port`, or replicas by IP address with commas between. Calls go to the living
   * replicas in turn, a stream to one of them. Connections are made at the first call, and again whenever they broke.
   */
  readonly address: string;
  /** Who we are to the server; needed for TCP, and without use on a Unix socket. */
  readonly tls?: TlsIdentity | undefined;
  /**
   * The service that the server must prove to be over TCP: `registry`. Default: the one in the name of the contract,
   * `burgage.registry.v1`; needed for contracts that many services serve, such as health.
   */
  readonly peer?: string;
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
 * the catalogue says that it may help, on another replica where there is one; streams are never repeated.
 * @throws BurgageError `config_invalid` for an address that is not valid, and for TCP without `tls`.
 */
export function createRpcClient<S extends DescService>(service: S, options: RpcClientOptions): RpcClient<S> & { close(): Promise<void> } {
  const { clock = systemClock, random = systemRandom, timeoutMs = timeoutMsDefault, logger, metrics } = options;
  quietGrpc();
  const target = parseTarget(options.address);
  const address = target.text;
  const events = metrics === undefined ? undefined : clientEvents(metrics);
  const transport = new Transport(service.typeName, target, credentialsFor(target, service, options, clock));
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
  };
  const observed = metrics === undefined ? undefined : clientCalls(metrics);
  const client: Record<string, unknown> = { close: async () => transport.close() };
  for (const method of service.methods) {
    const path = pathOf(method);
    const called: CalledMethod = {
      descriptor: method,
      path,
      name: path.slice(1),
      idempotent: isIdempotent(method),
      observe: observed?.(method) ?? (() => {}),
      retried: () => events?.retried(method),
    };
    client[method.localName] = callerOf(called, parts);
  }
  // The loop above has made each method of S by the kind that its descriptor says.
  return client as RpcClient<S> & { close(): Promise<void> };
}

/** @throws BurgageError `config_invalid` for TCP without an identity, or without a peer. */
function credentialsFor(target: Target, { typeName }: DescService, { tls, peer }: RpcClientOptions, clock: Clock): ChannelCredentials {
  if (target.kind === 'unix') return credentials.createInsecure();
  if (tls === undefined) throw unprotected(target.text);
  const wanted = peer ?? /^burgage\.([^.]+)\.v\d+\./.exec(typeName)?.[1];
  if (wanted === undefined || !isServiceName(wanted)) {
    const description = `got ${JSON.stringify(wanted)} for ${typeName}, expected the name of a service, such as registry`;
    throw new BurgageError('config_invalid', { message: `peer: ${description}`, fields: [{ field: 'peer', description }] });
  }
  return new PeerCredentials(tls, wanted, clock);
}

function callerOf(method: CalledMethod, parts: ClientParts): unknown {
  switch (method.descriptor.methodKind) {
    case 'unary':
      return (request: MessageInitShape<DescMessage>, options?: RpcCallOptions) => callUnary(method, request, options ?? {}, parts);
    case 'server_streaming':
      return (request: MessageInitShape<DescMessage>, options?: Partial<RpcStreamOptions<unknown>>) =>
        openServerStream(method, request, options ?? {}, parts);
    case 'bidi_streaming':
      return (requests: AsyncIterable<MessageInitShape<DescMessage>>, options?: Partial<RpcStreamOptions<unknown>>) =>
        openBidi(method, requests, options ?? {}, parts);
    case 'client_streaming':
      throw new TypeError(`${method.path} streams only requests, which no contract of Burgage does`);
    default:
      return method.descriptor.methodKind satisfies never;
  }
}
