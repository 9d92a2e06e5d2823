// A refusal: why the gateway answers a request itself instead of the tenant's app.
import type { ErrorCode } from '@burgage/contracts';

/** The codes of the catalogue that the gateway answers end users with. */
export type RefusalCode = Extract<
  ErrorCode,
  | 'bad_request'
  | 'head_too_large'
  | 'target_too_long'
  | 'transfer_coding_unknown'
  | 'request_timeout'
  | 'body_too_large'
  | 'host_unknown'
  | 'misdirected'
  | 'not_found'
  | 'routes_unavailable'
  | 'tenant_provisioning'
  | 'tenant_failed'
  | 'tenant_suspended'
  | 'tenant_unpaid'
  | 'tenant_trial_ended'
  | 'tenant_closing'
  | 'tenant_gone'
  | 'tenant_moving'
  | 'rate_limited'
  | 'concurrency_limited'
  | 'overloaded'
  | 'no_endpoint'
  | 'app_busy'
  | 'upstream_unreachable'
  | 'upstream_failed'
  | 'upstream_timeout'
  | 'draining'
  | 'internal'
>;

export interface Refusal {
  readonly code: RefusalCode;
  /** More exact than the catalogue's sentence; for the log and `explain`, and for the caller's own mistakes on the page. */
  readonly detail?: string;
  readonly retryAfterMs?: number;
  /** The connection cannot be trusted to carry another request. */
  readonly close?: boolean;
}

export function refuse(code: RefusalCode, more: Omit<Refusal, 'code'> = {}): Refusal {
  return { code, ...more };
}
