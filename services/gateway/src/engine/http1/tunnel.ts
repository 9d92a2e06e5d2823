// A tunnel: the bytes of a client and of an endpoint that have changed protocols, each sent what comes from the other.
import type { Socket } from 'node:net';
import type { Termination } from '../../domain/exchange.ts';

export interface TunnelEnd {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly reason: Extract<Termination, 'tunnel_closed' | 'tunnel_idle' | 'cut'>;
}

/**
 * An end from one side is passed on, and the other direction goes on; an error or a close on one side closes the other once
 * what was sent is written. Nothing in either direction for `idleMs` ends it. Whoever owns the sockets hands their events over.
 */
export class Tunnel {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #idleMs: number;
  readonly #nowMs: () => number;
  readonly #onEnd: (end: TunnelEnd) => void;
  #bytesIn = 0;
  #bytesOut = 0;
  #reason: TunnelEnd['reason'] = 'tunnel_closed';
  #open = 2;
  #lastMs: number;

  constructor(client: Socket, upstream: Socket, options: { idleMs: number; nowMs: () => number; onEnd: (end: TunnelEnd) => void }) {
    this.#client = client;
    this.#upstream = upstream;
    this.#idleMs = options.idleMs;
    this.#nowMs = options.nowMs;
    this.#onEnd = options.onEnd;
    this.#lastMs = options.nowMs();
  }

  /** Bytes of the client, which are not used again by whoever hands them over. */
  fromClient(bytes: Buffer): void {
    this.#lastMs = this.#nowMs();
    this.#bytesIn += bytes.length;
    if (!this.#upstream.write(bytes)) this.#client.pause();
  }

  /** The same of the endpoint. False: it should not be read from for now. */
  fromUpstream(bytes: Buffer): boolean {
    this.#lastMs = this.#nowMs();
    this.#bytesOut += bytes.length;
    return this.#client.write(bytes);
  }

  /** The client takes more. */
  clientRoom(): void {
    this.#upstream.resume();
  }

  upstreamRoom(): void {
    this.#client.resume();
  }

  /** The client says nothing more. */
  clientEnded(): void {
    this.#upstream.end();
  }

  upstreamEnded(): void {
    this.#client.end();
  }

  clientClosed(): void {
    this.#closed(this.#upstream);
  }

  upstreamClosed(): void {
    this.#closed(this.#client);
  }

  cut(): void {
    this.#drop('cut');
  }

  /** Called now and then. */
  check(nowMs: number): void {
    if (nowMs - this.#lastMs >= this.#idleMs) this.#drop('tunnel_idle');
  }

  #drop(reason: TunnelEnd['reason']): void {
    this.#reason = reason;
    this.#client.destroy();
    this.#upstream.destroy();
  }

  #closed(other: Socket): void {
    other.destroySoon();
    this.#open -= 1;
    if (this.#open === 0) this.#onEnd({ bytesIn: this.#bytesIn, bytesOut: this.#bytesOut, reason: this.#reason });
  }
}
