// How many clients may be connected at once: whoever asks for nothing makes room, and whoever finds none is closed at once.
import type { Socket } from 'node:net';
import type { Clock, Logger } from '@burgage/runtime';
import type { Timeouts } from '../../defaults.ts';
import type { GatewayMetrics } from '../../metrics.ts';

/** A connection that may have to make room. */
export interface Leaver {
  /** When it is closed unless its client asks for something; infinite while something is under way. */
  readonly expiresMs: number;
  /** Lower than that of whoever came later. */
  readonly joined: number;
  /** Ends it at once. */
  cut(): void;
}

export interface ClientBoundOptions {
  readonly connectionsMax: number;
  readonly leavers: () => Iterable<Leaver>;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Of the bound, the part above which room is made, and how much at a time: a look at all connections is paid by that many new ones. */
const roomShare = 1 / 16;
/** What happened at the bound is told this often at most. */
const tellMs = 60_000;

/** A client that has said nothing yet, or not all of it, for less than this is about to. */
const aboutToMs = 1_000;

/**
 * When whoever began to ask at `beganMs` makes room: after others whose time is over at `headMs`, and in one row with those that
 * were answered just then, as long as its bytes may be on their way.
 */
export function askingExpiresMs(beganMs: number, nowMs: number, { headMs, keepAliveMs }: Timeouts): number {
  return beganMs + (nowMs - beganMs < aboutToMs ? keepAliveMs : headMs);
}

export class ClientBound {
  readonly #options: ClientBoundOptions;
  readonly #roomyMax: number;
  readonly #room: number;
  /** One function for all connections. */
  readonly #closed = (): void => {
    this.#options.metrics.connections.dec();
    if (this.#leaving > 0) this.#leaving -= 1;
    else this.#open -= 1;
  };
  #open = 0;
  /** Cut to make room; they are open until they say that they have closed. */
  #leaving = 0;
  /** There was nobody left at the last look who could leave. */
  #isExhausted = false;
  #cut = 0;
  #refused = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(options: ClientBoundOptions) {
    this.#options = options;
    const { connectionsMax, metrics } = options;
    this.#room = Math.max(1, Math.floor(connectionsMax * roomShare));
    this.#roomyMax = connectionsMax - this.#room;
    metrics.connectionsMax.inc(connectionsMax);
  }

  /** Whether the connection may stay; else it has been closed. */
  admit(socket: Socket): boolean {
    const { connectionsMax, metrics } = this.#options;
    if (this.#open >= this.#roomyMax && !this.#isExhausted) this.#makeRoom();
    if (this.#open >= connectionsMax) {
      this.#refused += 1;
      metrics.connectionsShed.of('refused').inc();
      socket.destroy();
      return false;
    }
    this.#open += 1;
    metrics.connections.inc();
    socket.on('close', this.#closed);
    return true;
  }

  /** Called now and then. */
  check(nowMs: number): void {
    this.#isExhausted = false;
    if (this.#cut + this.#refused === 0 || nowMs - this.#toldMs < tellMs) return;
    this.#toldMs = nowMs;
    const { connectionsMax, logger } = this.#options;
    logger.warn(
      { connectionsMax, open: this.#open, idleClosed: this.#cut, refused: this.#refused },
      'client connections at their bound: idle ones are closed for new ones, and what finds no room is closed at once',
    );
    this.#cut = 0;
    this.#refused = 0;
  }

  /** Cuts those whose time would be over first, and of several with the same time those that came first. */
  #makeRoom(): void {
    const leavers: Leaver[] = [];
    for (const leaver of this.#options.leavers()) if (leaver.expiresMs < Number.POSITIVE_INFINITY) leavers.push(leaver);
    const cut = Math.min(this.#room, leavers.length);
    const lastMs = Float64Array.from(leavers, ({ expiresMs }) => expiresMs).sort()[cut - 1] ?? 0;
    const last = leavers.filter(({ expiresMs }) => expiresMs === lastMs).sort((one, other) => one.joined - other.joined);
    const before = leavers.filter(({ expiresMs }) => expiresMs < lastMs);
    for (const leaver of [...before, ...last].slice(0, cut)) leaver.cut();
    this.#isExhausted = cut < this.#room;
    this.#open -= cut;
    this.#leaving += cut;
    this.#cut += cut;
    this.#options.metrics.connectionsShed.of('idle').inc(cut);
  }
}
