// One request from its head to its end, as it is decided, logged and counted.
import type { TenantRoute } from '@burgage/tenancy';
import type { Permit } from './admission.ts';
import type { RefusalCode } from './refusal.ts';
import type { Head, ReadHead } from './request-head.ts';

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

/** One line of the access log. Never a query, a cookie or a token: the path alone. */
export interface AccessRecord {
  readonly time: string;
  readonly requestId: string;
  readonly client: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly tenant?: string;
  readonly upstream?: string;
  readonly endpoint?: string;
  readonly attempts?: number;
  readonly status: number;
  readonly code?: string;
  readonly detail?: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly firstByteMs?: number;
  readonly durationMs: number;
  readonly termination: Termination;
  readonly trace?: string;
}

export function accessRecord(exchange: Exchange, termination: Termination, now: Date, nowMs: number): AccessRecord {
  const { requestId, head, peer, read, tenant, endpoint, attempts, code, detail, firstByteMs, traceparent } = exchange;
  return {
    time: now.toISOString(),
    requestId,
    client: peer.address,
    method: head.method,
    host: read?.host ?? '',
    path: withoutQuery(read?.path ?? ''),
    ...(tenant && { tenant: tenant.tenantId, upstream: tenant.upstream }),
    ...(endpoint !== undefined && { endpoint, attempts }),
    status: exchange.status,
    ...(code !== undefined && { code }),
    ...(detail !== undefined && { detail }),
    bytesIn: exchange.bytesIn,
    bytesOut: exchange.bytesOut,
    ...(firstByteMs !== undefined && { firstByteMs: rounded(firstByteMs - exchange.startedMs) }),
    durationMs: rounded(nowMs - exchange.startedMs),
    termination,
    ...(traceparent !== undefined && { trace: traceparent.slice(3, 35) }),
  };
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

/** Microseconds are as exact as anybody needs. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
