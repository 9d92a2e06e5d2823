// The waiting room: new requests of a tenant that is being moved, until its route says that it no longer is.
import type { Clock } from '@burgage/runtime';
import { beingMoved } from '../domain/admission.ts';
import type { Exchange } from '../domain/exchange.ts';
import type { Refusal } from '../domain/refusal.ts';
import type { GatewayMetrics } from '../metrics.ts';

/** Longer than the move of a small tenant, shorter than people wait without doubt and than clients' own time-outs. */
export const waitMsMax = 2_000;
/** Of one tenant: what its app can be given all at once when they are let go, and little memory for those of many. */
export const waitingMax = 256;

export interface WaitingRoomOptions {
  /** By the table of this moment. What is not known any more is as it was. */
  readonly isMoving: (tenantId: string) => boolean;
  readonly clock: Clock;
  readonly metrics: Pick<GatewayMetrics, 'waited' | 'waiting'>;
}

export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  /** By tenant; each is woken by its own. */
  readonly #rooms = new Map<string, Set<AbortController>>();

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
  }

  /** Resolves once the tenant no longer moves, with a refusal where that takes too long or too many wait. `leave` ends it early. */
  async wait(tenantId: string, exchange: Exchange): Promise<Refusal | undefined> {
    const { clock, metrics, isMoving } = this.#options;
    const room = this.#rooms.get(tenantId) ?? new Set();
    if (room.size >= waitingMax) {
      metrics.waited.inc({ outcome: 'full' });
      return beingMoved();
    }
    const woken = new AbortController();
    exchange.waiting = woken;
    this.#rooms.set(tenantId, room.add(woken));
    metrics.waiting.inc();
    await clock.sleep(waitMsMax, woken.signal);
    metrics.waiting.dec();
    room.delete(woken);
    if (room.size === 0) this.#rooms.delete(tenantId);
    const hasLeft = exchange.waiting === undefined;
    exchange.waiting = undefined;
    const refusal = hasLeft || isMoving(tenantId) ? beingMoved() : undefined;
    metrics.waited.inc({ outcome: hasLeft ? 'left' : refusal === undefined ? 'served' : 'timed_out' });
    return refusal;
  }

  /** The client went away. */
  leave(exchange: Exchange): void {
    const { waiting } = exchange;
    exchange.waiting = undefined;
    waiting?.abort();
  }

  /** The routes are others than a moment ago: lets those go whose tenant no longer moves. */
  look(): void {
    for (const [tenantId, room] of this.#rooms) {
      if (!this.#options.isMoving(tenantId)) for (const woken of room) woken.abort();
    }
  }
}
