// The engine: HTTP/1.1 on node:net, strict about what comes from either side (RFC 9110, RFC 9112).
import { createServer, type Server } from 'node:net';
import { BurgageError } from '@burgage/contracts';
import type { Exchange } from '../../domain/exchange.ts';
import type { CreateEngine, Engine, EngineOptions } from '../engine.ts';
import { formatAddress, listen } from '../listen.ts';
import { ClientConnection, type ClientParts } from './client-connection.ts';
import { LoopTurns } from './loop-turns.ts';
import { UpstreamPools } from './upstream-pools.ts';
import { WriteBuffer } from './write-buffer.ts';

/** What is due is looked for this often at most, and this many times within the shortest time that anything may take. */
const sweepMsMax = 500;
const sweepShare = 4;
const sweepMsMin = 5;

export const createHttp1Engine: CreateEngine = (options) => new Http1Engine(options);

/** The Date of answers: made anew once a second. */
function createDateText(now: () => Date): () => string {
  let second = 0;
  let text = '';
  return () => {
    const date = now();
    const thisSecond = Math.floor(date.getTime() / 1_000);
    if (thisSecond !== second) {
      second = thisSecond;
      text = date.toUTCString();
    }
    return text;
  };
}

class Http1Engine implements Engine {
  readonly name = 'engine';
  readonly #options: EngineOptions;
  readonly #pools: UpstreamPools;
  readonly #clients = new Set<ClientConnection>();
  readonly #parts: ClientParts;
  #server: Server | undefined;
  #sweeping: NodeJS.Timeout | undefined;
  /** Of the last look at what is due. */
  #coarseMs = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: EngineOptions) {
    const { traffic, timeouts, limits, logger, metrics } = options;
    this.#options = options;
    const turns = new LoopTurns();
    const onFault = (error: unknown): void => logger.error({ err: error }, 'connection to an endpoint dropped: an event failed');
    this.#pools = new UpstreamPools({ timeouts, limits, nowMs: () => this.#coarseMs, turns, onFault });
    this.#parts = {
      traffic,
      timeouts,
      limits,
      logger,
      metrics,
      pools: this.#pools,
      toClient: new WriteBuffer(),
      toUpstream: new WriteBuffer(),
      turns,
      heads: [],
      coarseMs: () => this.#coarseMs,
      date: createDateText(() => traffic.now()),
      onIdle: () => this.#onIdle?.(),
      onClosed: (client) => {
        this.#clients.delete(client);
        metrics.connections.dec();
      },
    };
  }

  async start(): Promise<void> {
    const { traffic, timeouts, host, port, metrics, logger } = this.#options;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      try {
        metrics.connections.inc();
        this.#clients.add(new ClientConnection(this.#parts, socket));
      } catch (error) {
        logger.error({ err: error }, 'connection dropped: it could not be taken');
        socket.destroy();
      }
    });
    await listen(server, host, port);
    server.on('error', (error) => logger.error({ err: error }, 'connection not accepted'));
    this.#server = server;
    this.#coarseMs = traffic.nowMs();
    const shortestMs = Math.min(...Object.values(timeouts));
    this.#sweeping = setInterval(() => this.#sweep(), Math.max(sweepMsMin, Math.min(sweepMsMax, shortestMs / sweepShare)));
  }

  address(): string {
    const bound = this.#server?.address();
    if (bound === null || bound === undefined || typeof bound === 'string') {
      throw new BurgageError('internal', { message: 'The engine is not started.' });
    }
    return formatAddress(bound);
  }

  async drain(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#options.traffic.startDraining();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const client of this.#clients) client.closeIfIdle();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.timeouts.drainMs);
      this.#onIdle = () => {
        for (const client of this.#clients) if (!client.idle) return;
        clearTimeout(timer);
        resolve();
      };
      this.#onIdle();
    });
    for (const client of this.#clients) client.leave();
    await closed;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    clearInterval(this.#sweeping);
    for (const client of this.#clients) client.cut();
    if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
    this.#pools.close();
  }

  forget(endpoint: string): void {
    this.#pools.forget(endpoint);
  }

  cutTunnels(isServed: (exchange: Exchange) => boolean): void {
    for (const client of this.#clients) {
      const exchange = client.tunnelled;
      if (exchange !== undefined && !isServed(exchange)) client.cut();
    }
  }

  #sweep(): void {
    const nowMs = this.#options.traffic.nowMs();
    this.#coarseMs = nowMs;
    for (const client of this.#clients) client.check(nowMs);
    this.#pools.sweep(nowMs);
  }
}
