// Explain: why a request for an address is answered as it is, from the live table.
import { errorCatalogue } from '@burgage/contracts';
import { normalizeHost } from '@burgage/tenancy';
import type { Admission } from './admission.ts';
import { wholePart } from './limit-shares.ts';
import { type Refusal, refuse } from './refusal.ts';
import { isReserved } from './reserved-paths.ts';
import type { Position } from './route-follower.ts';
import type { RouteTable, ServedTenant } from './route-table.ts';
import type { Upstreams } from './upstreams.ts';

/** Where the routes came from. `disk`: the registry has not been reached since the start. */
export type RouteSource = 'registry' | 'disk' | 'file' | 'none';

/** The answer of `GET /explain?url=`; plain JSON, passed through by the API and shown by the CLI. */
export interface Explanation {
  /** As it was asked. */
  readonly url: string;
  /** The host in it, as written. */
  readonly host: string;
  /** The name that was looked up; empty where the host is not valid. */
  readonly normalizedHost: string;
  readonly epoch: string;
  readonly revision: number;
  /** Everything that the registry last spoke of is applied: a miss is final. */
  readonly inSync: boolean;
  readonly source: RouteSource;
  readonly match: {
    readonly kind: 'exact' | 'wildcard' | 'none';
    /** The entry that matched. */
    readonly pattern?: string;
    /** Every name that was looked up, in order; the last one matched, where any did. */
    readonly tried: readonly string[];
  };
  readonly tenant?: {
    readonly id: string;
    readonly slug: string;
    readonly name: string;
    readonly plan: string;
    readonly isolation: string;
    readonly state: string;
    readonly holds: readonly string[];
    readonly limits: { readonly requestsPerSecond: number; readonly concurrency: number; readonly bodyBytesMax: number };
    /** What of these limits is this gateway's, where several share them. */
    readonly share?: { readonly requestsPerSecond: number; readonly concurrency: number };
    readonly features: readonly string[];
    readonly entitlementVersion: number;
    readonly platform: boolean;
    readonly moving: boolean;
    readonly inflight: number;
    /** What the gateway refuses of its requests because it is overloaded, 0 to 1; absent where it refuses none. */
    readonly shedShare?: number;
  };
  readonly upstream?: {
    readonly name: string;
    readonly endpoints: readonly {
      readonly address: string;
      readonly healthy: boolean;
      readonly inflight: number;
      readonly weight: number;
      readonly zone: string;
    }[];
  };
  /** The one that a request would be sent to now; with several, the next may go to another. */
  readonly endpoint?: string;
  /** What a plain GET would get now. Without a code it goes to the app, whose status is not foretold: 200 stands for it. */
  readonly answer: { readonly status: number; readonly code?: string; readonly sentence: string };
}

export interface ExplainFacts {
  readonly table: RouteTable;
  readonly position: Position;
  readonly inSync: boolean;
  readonly source: RouteSource;
  readonly admission: Admission;
  readonly upstreams: Upstreams;
  readonly nowMs: number;
  readonly draw: () => number;
}

/** Follows one address through the same decisions that a request goes through, changing nothing. */
export function explain(url: string, facts: ExplainFacts): Explanation {
  const { table, position, inSync, source, admission, upstreams, nowMs } = facts;
  const host = hostIn(url);
  const known = { url, host, epoch: position.epoch, revision: position.revision, inSync, source };
  const normalized = normalizeHost(host);
  if (!normalized.ok) {
    return {
      ...known,
      normalizedHost: '',
      match: { kind: 'none', tried: [] },
      answer: answerOf({ code: 'bad_request', detail: normalized.error.message }),
    };
  }
  const { tried, match } = table.trace(normalized.value);
  const looked = { ...known, normalizedHost: normalized.value };
  if (match === undefined) {
    const code = source === 'none' ? 'routes_unavailable' : 'host_unknown';
    return { ...looked, match: { kind: 'none', tried }, answer: answerOf({ code }) };
  }
  const matched = { ...looked, match: { kind: match.kind, pattern: match.pattern, tried } };
  const { tenant } = match;
  if (tenant === undefined) {
    return { ...matched, answer: answerOf({ code: 'host_unknown', detail: `the host leads to ${match.tenantId}, which has no route` }) };
  }
  const endpoints = table.endpoints(tenant.upstream);
  const set = upstreams.set(tenant.upstream, endpoints ?? []);
  const chosen = set.choose({ monotonicMs: () => nowMs }, facts.draw);
  const refusal = isReserved(pathIn(url))
    ? refuse('not_found')
    : (admission.preview(tenant, nowMs) ?? (chosen === undefined ? noEndpoint(tenant, endpoints === undefined) : undefined));
  return {
    ...matched,
    tenant: tenantOf(tenant, admission),
    upstream: {
      name: tenant.upstream,
      endpoints: set.endpoints.map((endpoint) => ({
        address: endpoint.address,
        healthy: !set.isEjected(endpoint, nowMs),
        inflight: endpoint.inflight,
        weight: endpoint.weight,
        zone: endpoint.zone,
      })),
    },
    ...(refusal === undefined && chosen !== undefined && { endpoint: chosen.address }),
    answer:
      refusal === undefined ? { status: 200, sentence: `It goes to the application at ${chosen?.address ?? ''}.` } : answerOf(refusal),
  };
}

function tenantOf(tenant: ServedTenant, admission: Admission): NonNullable<Explanation['tenant']> {
  const { tenantId, slug, branding, plan, isolation, state, holds, limits, features, entitlementVersion, platform, moving } = tenant;
  const shares = admission.shares(tenant);
  const isShared = shares.rate < 1 || shares.concurrency < 1;
  const share = {
    requestsPerSecond: Math.round(limits.requestsPerSecond * shares.rate * 1000) / 1000,
    concurrency: limits.concurrency === 0 ? 0 : wholePart(limits.concurrency, shares.concurrency),
  };
  const shedShare = platform ? 0 : admission.shedShare(tenant);
  return {
    id: tenantId,
    slug,
    name: branding.name,
    plan,
    isolation,
    state,
    holds,
    limits,
    ...(isShared && !platform && { share }),
    features,
    entitlementVersion,
    platform,
    moving,
    inflight: admission.inflight(tenant),
    ...(shedShare > 0 && { shedShare }),
  };
}

function noEndpoint({ upstream }: ServedTenant, isUnknown: boolean): Refusal {
  return { code: 'no_endpoint', detail: isUnknown ? `the upstream ${upstream} is not known` : `the upstream ${upstream} has no endpoint` };
}

function answerOf({ code, detail }: Refusal): Explanation['answer'] {
  const { http, sentence } = errorCatalogue[code];
  return { status: http, code, sentence: detail === undefined ? sentence : `${sentence} (${detail})` };
}

function pathIn(url: string): string {
  return url.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/^[^/?#]*/, '');
}

/** What stands between the scheme and the path, without user information being taken for a host. */
function hostIn(url: string): string {
  return url.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/[/?#].*$/s, '');
}
