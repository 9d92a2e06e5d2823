// The seam between the gateway and its engines: an engine is a whole listener over the shared life of a request.
import type { BlockList } from 'node:net';
import type { Clock, Component, Logger, Random } from '@burgage/runtime';
import type { Limits, Timeouts } from '../defaults.ts';
import type { Exchange } from '../domain/exchange.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { CertificateStore } from './certificate-store.ts';
import type { TicketKeySource } from './front/ticket-keys.ts';
import type { Traffic } from './traffic.ts';

export interface EngineOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** A second port, for TLS; absent: there is none. */
  readonly https?: { readonly port: number; readonly certificates: CertificateStore } | undefined;
  /** Peers whose connections begin with whom they are for (PROXY protocol); absent: there are none. */
  readonly proxyProtocolFrom?: BlockList | undefined;
  /** Others listen on the same ports. */
  readonly reusePort?: boolean;
  /** Of session tickets, where others have the same ones; absent: the engine makes its own. */
  readonly ticketKeys?: TicketKeySource;
  readonly clock: Clock;
  /** For secrets. */
  readonly random: Random;
  readonly traffic: Traffic;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
}

/** A listener: accepts, parses, and moves every request through `Traffic`. */
export interface Engine extends Component {
  /** host:port, once started. */
  address(): string;
  /** The same of the port for TLS, where there is one. */
  httpsAddress(): string | undefined;
  /**
   * Stops accepting, as another process does so on the same sockets. What is connected is served on: each connection up to its
   * next answer, tunnels too. Resolves when the last one has ended, or at the drain timeout; `drain` then ends the rest.
   */
  handOver(): Promise<void>;
  /** Stops accepting and resolves when the last request in flight has ended, or at the drain timeout. */
  drain(): Promise<void>;
  /** An endpoint that is gone has nothing in flight: its idle connections are closed. */
  forget(endpoint: string): void;
  /** Cuts the open tunnels of requests that would not be served now. */
  cutTunnels(isServed: (exchange: Exchange) => boolean): void;
}

export type CreateEngine = (options: EngineOptions) => Engine;
