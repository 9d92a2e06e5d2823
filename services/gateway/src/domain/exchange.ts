// One request from its head to its end, as it is decided, logged and counted.
import type { Permit } from './admission.ts';
import type { EndpointState } from './endpoint-set.ts';
import type { Piece } from './put.ts';
import type { RefusalCode } from './refusal.ts';
import type { Head, ReadHead } from './request-head.ts';
import type { ServedTenant } from './route-table.ts';
import type { TenantMeter } from './tenant-meters.ts';

/** How a request ended. */
export type Termination =
  /** The whole answer went out. */
  | 'completed'
  /** The gateway answered itself. */
  | 'refused'
  /** The client went away before the end. */
  | 'client_gone'
  /** The client was too slow, in either direction. */
  | 'client_timeout'
  /** The endpoint broke off within its answer. */
  | 'upstream_failed'
  /** The endpoint stopped within its answer. */
  | 'upstream_timeout'
  /** A tunnel was closed by either side. */
  | 'tunnel_closed'
  /** A tunnel carried nothing for too long. */
  | 'tunnel_idle'
  /** The gateway stopped, or a tunnel's tenant is no longer served. */
  | 'cut';

/** Who is at the other end of a connection. */
export interface Peer {
  readonly address: string;
  readonly scheme: 'http' | 'https';
  /** The server that the client named when it began TLS, normalised; absent: it named none; `unheard`: the one that it asks first. */
  serverName?: string | undefined;
}

/** In the place of a server's name: there is one, and nobody could hear it. */
export const unheard = '';

/**
 * Filled in as the request moves on; read by the log, the metrics and nobody else. Everything is there from the beginning, so that
 * all exchanges have one shape.
 */
export class Exchange {
  /** Its id, 32 hex digits. */
  readonly id: Piece;
  readonly head: Head;
  readonly peer: Peer;
  readonly startedMs: number;
  read: ReadHead | undefined = undefined;
  tenant: ServedTenant | undefined = undefined;
  /** Where its data were when it was let in: what its app was told. */
  isolation: ServedTenant['isolation'] | undefined = undefined;
  /** The tenant's. */
  meter: TenantMeter | undefined = undefined;
  permit: Permit | undefined = undefined;
  /** Wakes it, while it waits for the end of its tenant's move. */
  waiting: AbortController | undefined = undefined;
  /** Of the trace that the app was told. */
  traceId: Piece | undefined = undefined;
  /** The one of the last attempt. */
  endpoint: EndpointState | undefined = undefined;
  attempts = 0;
  status = 0;
  code: RefusalCode | undefined = undefined;
  detail: string | undefined = undefined;
  firstByteMs: number | undefined = undefined;
  bytesIn = 0;
  bytesOut = 0;
  cookiesDropped = 0;

  constructor(id: Piece, head: Head, peer: Peer, startedMs: number) {
    this.id = id;
    this.head = head;
    this.peer = peer;
    this.startedMs = startedMs;
  }

  /** The same as a string, made with each call. */
  get requestId(): string {
    return this.id.toString();
  }
}
