// The engine: HTTP/1.1 on node:net, strict about what comes from either side (RFC 9110, RFC 9112).
import { TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import type { Exchange } from '../../domain/exchange.ts';
import type { Connection } from '../connection.ts';
import type { CreateEngine, Engine, EngineOptions } from '../engine.ts';
import { Front } from '../front/front.ts';
import { Http2Connection } from '../http2/http2-connection.ts';
import { Members } from '../members.ts';
import { Backlog } from './backlog.ts';
import { ClientConnection, type ClientParts } from './client-connection.ts';
import { LoopTurns } from './loop-turns.ts';
import { UpstreamPools } from './upstream-pools.ts';
import { WriteBuffer } from './write-buffer.ts';

/** What is due is looked for this often at most, and this many times within the shortest time that anything may take. */
const sweepMsMax = 500;
const sweepShare = 4;
const sweepMsMin = 5;
/** So long a drain goes on accepting and answering, each answer with a goodbye: what is on its way meets nobody that has gone. */
const drainPauseMs = 500;

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

/**
 * For the whole process. Where most objects that a place in the code makes have lived long, V8 makes those to come among the old
 * at once, and there they keep all that they can reach. In the first seconds, before its code is optimized, that is so of the
 * parts of Node's sockets, and it would stay so: every connection would be copied twice before it could go.
 */
function keepYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}

class Http1Engine implements Engine {
  readonly name = 'engine';
  readonly #options: EngineOptions;
  readonly #pools: UpstreamPools;
  readonly #clients = new Members<Connection>();
  readonly #parts: ClientParts;
  readonly #front: Front;
  #sweeping: NodeJS.Timeout | undefined;
  /** Of the last look at what is due. */
  #coarseMs = 0;
  #onIdle: (() => void) | undefined;
  #isHandingOver = false;
  #drainMs: number;

  constructor(options: EngineOptions) {
    const { traffic, timeouts, limits, logger, metrics, clock } = options;
    this.#options = options;
    this.#drainMs = timeouts.drainMs;
    const turns = new LoopTurns(clock);
    const backlog = new Backlog(metrics.backlog);
    const onFault = (error: unknown): void => logger.error({ err: error }, 'connection to an endpoint dropped: an event failed');
    this.#pools = new UpstreamPools({ timeouts, limits, nowMs: () => this.#coarseMs, turns, backlog, onFault });
    this.#parts = {
      traffic,
      timeouts,
      limits,
      logger,
      metrics,
      pools: this.#pools,
      toClient: new WriteBuffer(turns),
      toUpstream: new WriteBuffer(turns),
      turns,
      backlog,
      heads: [],
      coarseMs: () => this.#coarseMs,
      readMs: () => turns.readMs,
      date: createDateText(() => traffic.now()),
      onIdle: () => this.#onIdle?.(),
      onClosed: (client) => this.#clients.delete(client),
    };
    this.#front = new Front({
      ...options,
      protocols: ['h2', 'http/1.1'],
      taken: () => this.#clients,
      take: (socket, peer) => {
        const isHttp2 = socket instanceof TLSSocket && socket.alpnProtocol === 'h2';
        this.#clients.add(isHttp2 ? new Http2Connection(this.#parts, socket, peer) : new ClientConnection(this.#parts, socket, peer));
      },
    });
  }

  async start(): Promise<void> {
    const { traffic, timeouts } = this.#options;
    keepYoung();
    this.#coarseMs = traffic.nowMs();
    await this.#front.start();
    const shortestMs = Math.min(...Object.values(timeouts));
    this.#sweeping = setInterval(() => this.#lookAtTime(), Math.max(sweepMsMin, Math.min(sweepMsMax, shortestMs / sweepShare)));
  }

  address(): string {
    return this.#front.address();
  }

  httpsAddress(): string | undefined {
    return this.#front.httpsAddress();
  }

  async handOver(): Promise<void> {
    if (this.#sweeping === undefined) return;
    this.#options.traffic.startDraining('taken');
    this.#isHandingOver = true;
    const late = new AbortController();
    await Promise.race([this.#front.close(), this.#options.clock.sleep(this.#drainMs, late.signal)]);
    late.abort();
    // It has had its time.
    this.#drainMs = 0;
  }

  async drain(): Promise<void> {
    if (this.#sweeping === undefined) return;
    const { traffic, clock, reusePort = false } = this.#options;
    traffic.startDraining();
    // Others that share the port may have clients where this one has none.
    const isBusy = reusePort || this.#clients.size > 0 || this.#front.greeting > 0;
    if (isBusy) await clock.sleep(Math.min(drainPauseMs, this.#drainMs));
    const closed = this.#front.close();
    for (const client of this.#clients) client.closeIfIdle();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#drainMs);
      this.#onIdle = () => {
        if (this.#front.greeting > 0) return;
        for (const client of this.#clients) if (!client.idle) return;
        clearTimeout(timer);
        resolve();
      };
      this.#front.onGreeted(this.#onIdle);
      this.#onIdle();
    });
    this.#front.cut();
    for (const client of this.#clients) client.leave();
    await closed;
  }

  async stop(): Promise<void> {
    const closed = this.#front.close();
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
    this.#front.cut();
    for (const client of this.#clients) client.cut();
    await closed;
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

  /**
   * What is overdue is looked for when everything that is there has been read: a process that stood still for a while would else
   * blame others for it.
   */
  #lookAtTime(): void {
    this.#coarseMs = this.#options.traffic.nowMs();
    setImmediate(this.#sweep, this.#coarseMs);
  }

  readonly #sweep = (nowMs: number): void => {
    if (this.#sweeping === undefined) return;
    this.#front.check(nowMs);
    for (const client of this.#clients) {
      if (this.#isHandingOver) client.handOver();
      client.check(nowMs);
    }
    this.#pools.sweep(nowMs);
  };
}
