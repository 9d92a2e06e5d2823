// A gRPC server for the services of one process: health, reflection, errors of the catalogue, metrics, trace and drain included.
import { BurgageError } from '@burgage/contracts';
import { type Clock, type Component, type Logger, type Metrics, systemClock } from '@burgage/runtime';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedHandleCall } from '@grpc/grpc-js';
import { formatAddress, parseAddress, unprotected } from './address.ts';
import { drainTimeoutMsDefault, serverOptions, stopGraceMs } from './defaults.ts';
import { quietGrpc } from './grpc-log.ts';
import {
  type BidiHandler,
  type CallRegister,
  handleBidi,
  handleServerStream,
  handleUnary,
  type ServerStreamHandler,
  type UnaryHandler,
} from './handle.ts';
import { HealthStatus } from './health.ts';
import type { RpcImplementation } from './implement.ts';
import { type Listener, listen } from './listener.ts';
import { asIs, pathOf } from './method.ts';
import { refusedConnections, serverCalls } from './metrics.ts';
import { reflectionOf } from './reflection.ts';
import { Refusals } from './refusals.ts';
import type { CallSurroundings, OpenCall, ServedMethod } from './server-call.ts';
import type { TlsIdentity } from './tls-identity.ts';

export interface RpcServerOptions {
  /** `unix:/path` (mode 600; a socket file of a dead process is replaced) or `host:port` (port 0 takes a free one). */
  readonly address: string;
  /** Who we are to clients, and whom we trust; needed for TCP, where clients show a certificate of the same authority. */
  readonly tls?: TlsIdentity | undefined;
  /** Made by `implement`. */
  readonly services: readonly RpcImplementation[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  /** How long `drain` waits for calls in flight before it cuts them off; default 10,000. */
  readonly drainTimeoutMs?: number;
}

export interface RpcServer extends Component {
  drain(): Promise<void>;
  /** As clients take it, with the port that was given. */
  address(): string;
  /** What grpc.health.v1 says of a service, by its full name; all serve once the server has started. */
  setServing(service: string, serving: boolean): void;
}

/**
 * A server that is started, drained and stopped once. `start` throws BurgageError `port_taken`. `drain` says NOT_SERVING,
 * accepts nothing more, tells streams to end (their signal aborts with `draining`) and lets unary calls finish.
 * @throws BurgageError `config_invalid` for an address that is not valid, and for TCP without `tls`.
 */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  const { services, logger, metrics, clock = systemClock, drainTimeoutMs = drainTimeoutMsDefault } = options;
  const wanted = parseAddress(options.address);
  const authenticated = wanted.kind === 'tcp';
  if (authenticated && options.tls === undefined) throw unprotected(options.address);
  quietGrpc();
  const server = new Server(serverOptions);
  const { injectConnection } = server.createConnectionInjector(ServerCredentials.createInsecure());
  const health = new HealthStatus();
  const running = new RunningCalls();
  const surroundings: CallSurroundings = { authenticated, logger, clock };
  const observed = serverCalls(metrics);
  const refusals = new Refusals(logger, clock, refusedConnections(metrics));
  let listener: Listener | undefined;

  const healthService = health.implementation();
  const all = [...services, healthService, reflectionOf([...services, healthService].map(({ service }) => service))];
  for (const implementation of all) addService(server, implementation, observed, surroundings, running);

  return {
    name: `rpc ${options.address}`,
    start: async () => {
      listener = await listen(wanted, { tls: options.tls, clock, refusals, accept: injectConnection });
      for (const { service } of services) health.set(service.typeName, true);
      health.set('', true);
      logger.debug({ address: formatAddress(listener.address) }, 'rpc server listens');
    },
    drain: async () => {
      health.close();
      // grpc-js says goodbye to each client, and with this Node no longer waits until their connections are closed.
      const closed = listener?.close();
      server.tryShutdown(() => {});
      running.drainStreams();
      const finished = Promise.all([closed, running.idle()]).then(() => true);
      const waiting = new AbortController();
      const inTime = await Promise.race([finished, clock.sleep(drainTimeoutMs, waiting.signal).then(() => false)]);
      waiting.abort();
      if (!inTime) {
        logger.warn({ calls: running.count, drainTimeoutMs }, 'connections were cut off: they did not end within the drain');
        listener?.destroy();
      }
    },
    stop: async () => {
      health.close();
      listener?.destroy();
      server.forceShutdown();
      const waiting = new AbortController();
      await Promise.race([running.idle(), clock.sleep(stopGraceMs, waiting.signal)]);
      waiting.abort();
      listener = undefined;
    },
    address: () => {
      if (listener === undefined) throw new BurgageError('internal', { message: `The server on ${options.address} is not started.` });
      return formatAddress(listener.address);
    },
    setServing: (service, serving) => health.set(service, serving),
  };
}

/** The calls that run now. */
class RunningCalls implements CallRegister {
  readonly #calls = new Set<OpenCall>();
  #draining = false;
  #idle: PromiseWithResolvers<void> | undefined;

  get count(): number {
    return this.#calls.size;
  }

  begun(call: OpenCall): void {
    this.#calls.add(call);
    if (this.#draining && call.streams) call.drain();
  }

  ended(call: OpenCall): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  drainStreams(): void {
    this.#draining = true;
    for (const call of this.#calls) if (call.streams) call.drain();
  }

  /** Resolves when nothing runs, calls that came meanwhile included. */
  async idle(): Promise<void> {
    while (this.#calls.size > 0) {
      this.#idle ??= Promise.withResolvers<void>();
      await this.#idle.promise;
    }
  }
}

function addService(
  server: Server,
  { service, handlers }: RpcImplementation,
  observed: ReturnType<typeof serverCalls>,
  surroundings: CallSurroundings,
  register: CallRegister,
): void {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName];
    const streams = { requestStream: method.methodKind === 'bidi_streaming', responseStream: method.methodKind !== 'unary' };
    definition[method.localName] = {
      path: pathOf(method),
      ...streams,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    const served: ServedMethod = {
      descriptor: method,
      name: pathOf(method).slice(1),
      attributes: { 'rpc.system': 'grpc', 'rpc.service': service.typeName, 'rpc.method': method.name },
      observe: observed(method),
    };
    // `implement` has checked each handler against the kind of its method.
    switch (method.methodKind) {
      case 'unary':
        implementation[method.localName] = handleUnary(served, handler as UnaryHandler, surroundings, register);
        break;
      case 'server_streaming':
        implementation[method.localName] = handleServerStream(served, handler as ServerStreamHandler, surroundings, register);
        break;
      case 'bidi_streaming':
        implementation[method.localName] = handleBidi(served, handler as BidiHandler, surroundings, register);
        break;
      case 'client_streaming':
        throw new TypeError(`${pathOf(method)} streams only requests, which no contract of Burgage does`);
      default:
        method.methodKind satisfies never;
    }
  }
  server.addService(definition, implementation);
}
