// A gRPC server for the services of one process: health, reflection, errors of the catalogue, metrics, trace and drain included.
import { BurgageError } from '@burgage/contracts';
import { type Clock, type Component, type Logger, type Metrics, systemClock } from '@burgage/runtime';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedHandleCall } from '@grpc/grpc-js';
import { type Address, claimSocketPath, closeSocketToOthers, formatAddress, parseAddress } from './address.ts';
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
import { asIs, pathOf } from './method.ts';
import { serverCalls } from './metrics.ts';
import { reflectionOf } from './reflection.ts';
import type { CallSurroundings, OpenCall } from './server-call.ts';

export interface RpcServerOptions {
  /** `unix:/path` (mode 600; a socket file of a dead process is replaced) or `host:port` (port 0 takes a free one). */
  readonly address: string;
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
 */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  const { services, logger, metrics, clock = systemClock, drainTimeoutMs = drainTimeoutMsDefault } = options;
  const wanted = parseAddress(options.address);
  quietGrpc();
  const server = new Server(serverOptions);
  const health = new HealthStatus();
  const running = new RunningCalls();
  const surroundings: CallSurroundings = { logger, clock, observe: serverCalls(metrics) };
  let bound: Address | undefined;

  const healthService = health.implementation();
  const all = [...services, healthService, reflectionOf([...services, healthService].map(({ service }) => service))];
  for (const implementation of all) addService(server, implementation, surroundings, running);

  return {
    name: `rpc ${options.address}`,
    start: async () => {
      if (wanted.kind === 'unix') await claimSocketPath(wanted.path);
      bound = await bind(server, wanted);
      if (bound.kind === 'unix') await closeSocketToOthers(bound.path);
      for (const { service } of services) health.set(service.typeName, true);
      health.set('', true);
      logger.debug({ address: formatAddress(bound) }, 'rpc server listens');
    },
    drain: async () => {
      health.close();
      const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      running.drainStreams();
      const finished = Promise.all([closed, running.idle()]).then(() => true);
      const waiting = new AbortController();
      const inTime = await Promise.race([finished, clock.sleep(drainTimeoutMs, waiting.signal).then(() => false)]);
      waiting.abort();
      if (!inTime) {
        logger.warn({ calls: running.count, drainTimeoutMs }, 'calls were cut off: they did not end within the drain');
        server.forceShutdown();
      }
    },
    stop: async () => {
      health.close();
      server.forceShutdown();
      const waiting = new AbortController();
      await Promise.race([running.idle(), clock.sleep(stopGraceMs, waiting.signal)]);
      waiting.abort();
      bound = undefined;
    },
    address: () => {
      if (bound === undefined) throw new BurgageError('internal', { message: `The server on ${options.address} is not started.` });
      return formatAddress(bound);
    },
    setServing: (service, serving) => health.set(service, serving),
  };
}

/** The calls that run now. */
class RunningCalls implements CallRegister {
  readonly #streams = new Set<OpenCall>();
  readonly #work = new Set<Promise<void>>();
  #draining = false;

  get count(): number {
    return this.#work.size;
  }

  track(work: Promise<void>, call?: OpenCall): void {
    if (call !== undefined) {
      this.#streams.add(call);
      if (this.#draining) call.drain();
    }
    const tracked: Promise<void> = work.finally(() => {
      this.#work.delete(tracked);
      if (call !== undefined) this.#streams.delete(call);
    });
    this.#work.add(tracked);
  }

  drainStreams(): void {
    this.#draining = true;
    for (const call of this.#streams) call.drain();
  }

  /** Resolves when nothing runs, calls that came meanwhile included. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}

function addService(
  server: Server,
  { service, handlers }: RpcImplementation,
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
    // `implement` has checked each handler against the kind of its method.
    switch (method.methodKind) {
      case 'unary':
        implementation[method.localName] = handleUnary(method, handler as UnaryHandler, surroundings, register);
        break;
      case 'server_streaming':
        implementation[method.localName] = handleServerStream(method, handler as ServerStreamHandler, surroundings, register);
        break;
      case 'bidi_streaming':
        implementation[method.localName] = handleBidi(method, handler as BidiHandler, surroundings, register);
        break;
      case 'client_streaming':
        throw new TypeError(`${pathOf(method)} streams only requests, which no contract of Burgage does`);
      default:
        method.methodKind satisfies never;
    }
  }
  server.addService(definition, implementation);
}

function bind(server: Server, wanted: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.bindAsync(formatAddress(wanted), ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) {
        resolve(wanted.kind === 'unix' ? wanted : { ...wanted, port });
        return;
      }
      const taken = /EADDRINUSE/.test(error.message);
      const message = taken
        ? `${formatAddress(wanted)} is in use by another program.`
        : `The server cannot listen on ${formatAddress(wanted)}: ${error.message}`;
      reject(new BurgageError(taken ? 'port_taken' : 'config_invalid', { message, cause: error }));
    });
  });
}
