// The connections to endpoints: kept while they are good, one pool for each address, with a bound on connections and on who waits for one.
import type { Limits, Timeouts } from '../../defaults.ts';
import type { Backlog } from './backlog.ts';
import type { LoopTurns } from './loop-turns.ts';
import { UpstreamConnection } from './upstream-connection.ts';

/** Who wants a connection. One of the first four is called, once. */
export interface Taker {
  /** The number of the tenant that it is for; undefined where that one has its endpoints for itself. */
  readonly tenant: number | undefined;
  connected(connection: UpstreamConnection): void;
  unreachable(error: Error): void;
  /** The endpoint is busy, and so many wait for it already that it would be for too long. */
  queueFull(waiting: number): void;
  /** Its tenant has so many already that others would be left without. */
  crowding(held: number): void;
  /** One of these has failed. */
  fault(error: unknown): void;
}

interface Pool {
  readonly address: string;
  /** The one that was used last is used first: what is too many grows old. */
  readonly idle: UpstreamConnection[];
  /** All that are open or being opened, but for tunnels: these have bounds and an end of their own. */
  readonly all: Set<UpstreamConnection>;
  /** Oldest first. */
  readonly waiting: Set<Taker>;
  connecting: number;
  /** When a connection came about last. */
  connectedMs: number;
}

export interface PoolOptions {
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly nowMs: () => number;
  readonly turns: LoopTurns;
  readonly backlog: Backlog;
  readonly onFault: (error: unknown) => void;
}

/**
 * A tenant may have three times as many connections as are left, a dynamic threshold as of Choudhury and Hahne (1998): one tenant
 * three quarters of all, two three sevenths each, and however many there are, they leave some. As many as this part it may always have.
 */
const shareOfFree = 3;
const shareAlways = 1 / 16;

export class UpstreamPools {
  readonly #options: PoolOptions;
  /** While fewer are in use nobody can have too many. */
  readonly #crowdedFrom: number;
  readonly #pools = new Map<string, Pool>();

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#crowdedFrom = (options.limits.upstreamConnectionsMax * shareOfFree) / (shareOfFree + 1);
  }

  /** Gives `taker` a connection to `address`, at once where one is idle; `isFresh`: one that has carried nothing. */
  take(address: string, taker: Taker, isFresh = false): void {
    let pool = this.#pools.get(address);
    if (pool === undefined) {
      pool = { address, idle: [], all: new Set(), waiting: new Set(), connecting: 0, connectedMs: Number.NEGATIVE_INFINITY };
      this.#pools.set(address, pool);
    }
    // Where one has died of old age, so have others of its age.
    if (isFresh) for (const old of pool.idle.splice(0)) old.destroy();
    if (taker.tenant !== undefined && pool.all.size - pool.idle.length >= this.#crowdedFrom) {
      const held = heldBy(pool, taker.tenant);
      if (held >= this.#mostFor(pool)) {
        taker.crowding(held);
        return;
      }
    }
    const connection = pool.idle.pop();
    if (connection !== undefined) {
      this.#give(taker, connection);
      return;
    }
    if (pool.waiting.size >= this.#options.limits.upstreamWaitingMax) {
      if (this.#isBusy(pool)) taker.queueFull(pool.waiting.size);
      else taker.unreachable(new Error(`${pool.waiting.size} requests wait for a connection, and none comes about`));
      return;
    }
    pool.waiting.add(taker);
    this.#open(pool);
  }

  /** It does not want one any more. */
  withdraw(address: string, taker: Taker): void {
    this.#pools.get(address)?.waiting.delete(taker);
  }

  /** Whoever waits for a connection waits for other requests, and not for the endpoint to accept one. */
  isBusy(address: string): boolean {
    const pool = this.#pools.get(address);
    return pool !== undefined && this.#isBusy(pool);
  }

  /** An endpoint is gone: its idle connections are closed. Others are of another upstream with the same address. */
  forget(address: string): void {
    for (const connection of this.#pools.get(address)?.idle.splice(0) ?? []) connection.destroy();
  }

  /** Closes what has been idle for too long. */
  sweep(nowMs: number): void {
    for (const pool of this.#pools.values()) {
      for (const connection of [...pool.idle]) if (connection.expiresMs <= nowMs) connection.destroy();
    }
  }

  close(): void {
    for (const pool of this.#pools.values()) for (const connection of pool.all) connection.destroy();
    this.#pools.clear();
  }

  /**
   * There are as many connections as there may be, and the endpoint accepts: within the time that anybody waits it has, or
   * nothing is asked of it.
   */
  #isBusy({ all, connecting, connectedMs }: Pool): boolean {
    const { limits, timeouts, nowMs } = this.#options;
    if (all.size < limits.upstreamConnectionsMax) return false;
    return connecting === 0 || nowMs() - connectedMs <= timeouts.connectMs;
  }

  /** Connections of one tenant. */
  #mostFor({ all, idle }: Pool): number {
    const { upstreamConnectionsMax } = this.#options.limits;
    const free = upstreamConnectionsMax - (all.size - idle.length);
    return Math.max(upstreamConnectionsMax * shareAlways, shareOfFree * free);
  }

  #open(pool: Pool): void {
    const { limits } = this.#options;
    if (pool.connecting >= pool.waiting.size || pool.all.size >= limits.upstreamConnectionsMax) return;
    pool.connecting += 1;
    const connection = new UpstreamConnection(pool.address, {
      ...this.#options,
      onConnected: () => {
        pool.connecting -= 1;
        pool.connectedMs = this.#options.nowMs();
        this.#offer(pool, connection);
      },
      onFree: () => this.#offer(pool, connection),
      onTunnel: () => {
        pool.all.delete(connection);
        this.#afterLoss(pool);
      },
      onClosed: (error, wasConnected) => {
        pool.all.delete(connection);
        if (!wasConnected) pool.connecting -= 1;
        const place = pool.idle.indexOf(connection);
        if (place >= 0) pool.idle.splice(place, 1);
        const [first] = pool.waiting;
        // Whoever waits may get another one, unless this is the one that was opened for them.
        if (first !== undefined && !wasConnected && pool.connecting < pool.waiting.size) {
          pool.waiting.delete(first);
          first.unreachable(error ?? new Error('the connection was closed'));
        }
        this.#afterLoss(pool);
      },
    });
    pool.all.add(connection);
  }

  /** It has one connection less. */
  #afterLoss(pool: Pool): void {
    if (pool.all.size === 0 && pool.waiting.size === 0 && this.#pools.get(pool.address) === pool) this.#pools.delete(pool.address);
    else this.#open(pool);
  }

  #give(taker: Taker, connection: UpstreamConnection): void {
    connection.tenant = taker.tenant;
    try {
      taker.connected(connection);
    } catch (error) {
      connection.destroy();
      taker.fault(error);
    }
  }

  #offer(pool: Pool, connection: UpstreamConnection): void {
    const [first] = pool.waiting;
    if (first !== undefined) {
      pool.waiting.delete(first);
      this.#give(first, connection);
    } else if (this.#pools.get(pool.address) === pool) pool.idle.push(connection);
    else connection.destroy();
  }
}

/** Connections that carry a request of that tenant, and requests of it that wait for one. */
function heldBy({ all, idle, waiting }: Pool, tenant: number): number {
  let held = 0;
  for (const connection of all) if (connection.tenant === tenant) held += 1;
  for (const connection of idle) if (connection.tenant === tenant) held -= 1;
  for (const taker of waiting) if (taker.tenant === tenant) held += 1;
  return held;
}
