// The three route entities that the registry writes and gateways follow, as plain values.
import type { Hold } from './holds.ts';
import type { Isolation } from './isolation.ts';
import type { TenantState } from './tenant-state.ts';

/** What the gateway lets one tenant do; 0 means the gateway's own bound. */
export interface TenantLimits {
  /** Over any second, with a burst of as many. */
  readonly requestsPerSecond: number;
  /** Requests in flight at once. */
  readonly concurrency: number;
  /** The largest request body, in bytes. */
  readonly bodyBytesMax: number;
}

/** How the pages that the gateway answers in a tenant's name look. */
export interface Branding {
  readonly name: string;
  /** `#rrggbb`. */
  readonly color: string;
}

/** One address of an upstream. */
export interface Endpoint {
  /** host:port. */
  readonly address: string;
  /** 1 to 100: its share beside the upstream's other endpoints. */
  readonly weight: number;
  /** Where it runs; empty means anywhere. */
  readonly zone: string;
}

/** Leads a host to a tenant. */
export interface HostRoute {
  readonly kind: 'host';
  /** As `normalizeHostPattern` gives it. */
  readonly host: string;
  readonly tenantId: string;
}

/** Says how a tenant is served. */
export interface TenantRoute {
  readonly kind: 'tenant';
  /** For a part of the platform itself the name of that part. */
  readonly tenantId: string;
  readonly slug: string;
  readonly plan: string;
  readonly state: TenantState;
  readonly holds: readonly Hold[];
  /** Absent: no limits (a part of the platform). */
  readonly limits?: TenantLimits;
  readonly features: readonly string[];
  /** Empty while none serves it, as until a tenant that is being made has been placed. */
  readonly upstream: string;
  /** Empty on a part of the platform. */
  readonly isolation: Isolation | '';
  /** Grows whenever plan, limits, features, isolation or holds change: a token made for a lower one is stale. */
  readonly entitlementVersion: number;
  readonly branding: Branding;
  /** A part of the platform itself: it gets no tenant context. */
  readonly platform: boolean;
  /** It is being moved: gateways hold its new requests back for a moment. */
  readonly moving: boolean;
}

/** A named set of endpoints. */
export interface UpstreamRoute {
  readonly kind: 'upstream';
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
}

export type RouteEntity = HostRoute | TenantRoute | UpstreamRoute;

/** One change of one entity. */
export interface RouteEntry {
  /** Grows with every change of the entity; an entry applies only if it is higher than the version held. */
  readonly version: number;
  readonly removed: boolean;
  readonly kind: RouteEntity['kind'];
  /** The host, the tenant's id or the upstream's name. */
  readonly key: string;
  /** Absent when removed. */
  readonly entity?: RouteEntity;
}

/** What tells an entity from the others of its kind. */
export function routeKey(entity: RouteEntity): string {
  switch (entity.kind) {
    case 'host':
      return entity.host;
    case 'tenant':
      return entity.tenantId;
    case 'upstream':
      return entity.name;
  }
}
