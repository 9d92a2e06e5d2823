// The oracle's connections to endpoints: an undici pool for each address.
import { Client, type Dispatcher, Pool } from 'undici';
import type { Limits, Timeouts } from '../../defaults.ts';

/** What a connection tells the request that it is about to carry. */
export interface Carried extends Dispatcher.DispatchHandler {
  /** Called before the head is written; `reused`: the connection carried a request before. */
  onConnection(reused: () => boolean): void;
}

/** A client that knows whether its connection is new: only a reused one may die of old age. */
class CountingClient extends Client {
  #requests = 0;

  constructor(origin: string | URL, options: Client.Options) {
    super(origin, options);
    this.on('connect', () => {
      this.#requests = 0;
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (isCarried(handler)) handler.onConnection(() => this.#requests++ > 0);
    return super.dispatch(options, handler);
  }
}

function isCarried(handler: Dispatcher.DispatchHandler): handler is Carried {
  return 'onConnection' in handler;
}

export class Pools {
  readonly #pools = new Map<string, Pool>();
  readonly #options: Pool.Options;

  constructor(timeouts: Timeouts, limits: Limits) {
    this.#options = {
      connect: { timeout: timeouts.connectMs },
      headersTimeout: timeouts.firstByteMs,
      bodyTimeout: timeouts.streamIdleMs,
      keepAliveTimeout: timeouts.upstreamKeepAliveMs,
      keepAliveMaxTimeout: timeouts.streamIdleMs,
      maxHeaderSize: limits.headBytesMax * 2,
      // One request at a time: a client that reads slowly must not hold back the answers of others.
      pipelining: 1,
      allowH2: false,
      factory: (origin, options) => new CountingClient(origin, options),
    };
  }

  get(address: string): Pool {
    let pool = this.#pools.get(address);
    if (pool === undefined) {
      pool = new Pool(`http://${address}`, this.#options);
      this.#pools.set(address, pool);
    }
    return pool;
  }

  /** Closes the idle connections of an address; those in use when they are done. */
  forget(address: string): void {
    const pool = this.#pools.get(address);
    this.#pools.delete(address);
    pool?.close().catch(() => {});
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}
