// One request from its head to its end, as it is decided, logged and counted.
import type { TenantRoute } from '@burgage/tenancy';
import type { Permit } from './admission.ts';
import type { RefusalCode } from './refusal.ts';
import type { Head, ReadHead } from './request-head.ts';
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
}

/** Filled in as the request moves on; read by the log, the metrics and nobody else. */
export interface Exchange {
  readonly requestId: string;
  readonly head: Head;
  readonly peer: Peer;
  readonly startedMs: number;
  read?: ReadHead;
  tenant?: TenantRoute;
  /** Where its data were when it was let in: what its app was told. */
  isolation?: TenantRoute['isolation'];
  /** The tenant's. */
  meter?: TenantMeter;
  permit?: Permit;
  /** Wakes it, while it waits for the end of its tenant's move. */
  waiting?: AbortController;
  traceparent?: string;
  endpoint?: string;
  attempts: number;
  status: number;
  code?: RefusalCode;
  detail?: string;
  firstByteMs?: number;
  bytesIn: number;
  bytesOut: number;
  cookiesDropped: number;
}
