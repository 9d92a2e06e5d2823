// A tunnel: the bytes of a client and of an endpoint that have changed protocols, each sent what comes from the other.
import type { Socket } from 'node:net';
import type { Termination } from '../../domain/exchange.ts';
import type { Backlog } from './backlog.ts';
import type { Gatherer, WriteBuffer } from './write-buffer.ts';

export interface TunnelEnd {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly reason: Extract<Termination, 'tunnel_closed' | 'tunnel_idle' | 'cut'>;
}

export interface TunnelOptions {
  readonly idleMs: number;
  readonly nowMs: () => number;
  /** What goes out on either side leaves with all else of the turn. */
  readonly toClient: WriteBuffer;
  readonly toUpstream: WriteBuffer;
  readonly backlog: Backlog;
  readonly onEnd: (end: TunnelEnd) => void;
}

/**
 * An end from one side is passed on, and the other direction goes on; an error or a close on one side closes the other once
 * what was sent is written. Nothing in either direction for `idleMs` ends it. Whoever owns the sockets hands their events over.
 */
export class Tunnel implements Gatherer {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #options: TunnelOptions;
  #bytesIn = 0;
  #bytesOut = 0;
  #reason: TunnelEnd['reason'] = 'tunnel_closed';
  #open = 2;
  #lastMs: number;

  constructor(client: Socket, upstream: Socket, options: TunnelOptions) {
    this.#client = client;
    this.#upstream = upstream;
    this.#options = options;
    this.#lastMs = options.nowMs();
  }

  /** Bytes of the client. They are another's afterwards. */
  fromClient(bytes: Buffer, start: number, end: number): void {
    const { nowMs, toUpstream } = this.#options;
    this.#lastMs = nowMs();
    this.#bytesIn += end - start;
    toUpstream.of(this).add(bytes, start, end);
    if (!toUpstream.flush(this.#upstream)) this.#client.pause();
  }

  /** The same of the endpoint. False: it should not be read from for now. */
  fromUpstream(bytes: Buffer, start: number, end: number): boolean {
    const { nowMs, toClient } = this.#options;
    this.#lastMs = nowMs();
    this.#bytesOut += end - start;
    toClient.of(this).add(bytes, start, end);
    const hasRoom = toClient.flush(this.#client);
    if (!hasRoom) this.#options.backlog.hold(this, end - start);
    return hasRoom;
  }

  /** Whatever it gathers it flushes. */
  sendGathered(): void {}

  /** The client takes more. */
  clientRoom(): void {
    this.#options.backlog.release(this);
    this.#upstream.resume();
  }

  upstreamRoom(): void {
    this.#client.resume();
  }

  /** The client says nothing more. */
  clientEnded(): void {
    this.#options.toUpstream.settle();
    this.#upstream.end();
  }

  upstreamEnded(): void {
    this.#options.toClient.settle();
    this.#client.end();
  }

  clientClosed(): void {
    this.#options.toUpstream.settle();
    this.#closed(this.#upstream);
  }

  upstreamClosed(): void {
    this.#options.toClient.settle();
    this.#closed(this.#client);
  }

  cut(): void {
    this.#drop('cut');
  }

  /** Called now and then. */
  check(nowMs: number): void {
    if (nowMs - this.#lastMs >= this.#options.idleMs) this.#drop('tunnel_idle');
  }

  #drop(reason: TunnelEnd['reason']): void {
    this.#reason = reason;
    this.#options.toClient.settle();
    this.#options.toUpstream.settle();
    this.#client.destroy();
    this.#upstream.destroy();
  }

  #closed(other: Socket): void {
    other.destroySoon();
    this.#options.backlog.release(this);
    this.#open -= 1;
    if (this.#open === 0) this.#options.onEnd({ bytesIn: this.#bytesIn, bytesOut: this.#bytesOut, reason: this.#reason });
  }
}
