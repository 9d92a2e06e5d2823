// What a token between Burgage and a tenant's app says: the claims, and the context that an app makes of them.

export const issuerName = 'burgage';
export const platformSubject = 'platform';
export const lifecycleScope = 'lifecycle';
/** The header in which the gateway hands the app the tenant's token. */
export const contextHeader = 'Burgage-Context';
/** The one signature algorithm: Ed25519 (RFC 8037). */
export const algorithm = 'EdDSA';

export const tenantLifetimeSeconds = 5 * 60;
export const tenantLifetimeMaxSeconds = 15 * 60;
export const platformLifetimeSeconds = 60;
/** How far the clocks of gateway and app may be apart. */
export const clockToleranceSeconds = 5;

/** Zero means that the tenant has no bound of its own. */
export interface ContextLimits {
  readonly requestsPerSecond: number;
  readonly concurrency: number;
  readonly bodyBytesMax: number;
}

/** The claims of a tenant context that describe the tenant, as they stand in the token; iss, aud, iat and exp are the issuer's. */
export interface TenantClaims {
  /** The tenant's id. */
  readonly sub: string;
  readonly slug: string;
  /** The name that the tenant's pages show. */
  readonly name: string;
  /** `#rrggbb`. */
  readonly color: string;
  readonly plan: string;
  readonly isolation: string;
  readonly limits: ContextLimits;
  readonly features: readonly string[];
  /** Entitlement version: grows when plan, limits or features change. */
  readonly ev: number;
}

/** Whom a request is for, verified. */
export interface TenantContext {
  readonly tenantId: string;
  readonly slug: string;
  readonly name: string;
  readonly color: string;
  readonly plan: string;
  readonly isolation: string;
  readonly limits: ContextLimits;
  readonly features: readonly string[];
  readonly entitlementVersion: number;
}

/** Tenant ids are opaque, but only so wide: ASCII letters, digits, `_`, `-` and `.`, at most 128, and never the platform's own name. */
export function isTenantId(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(value) && value !== platformSubject;
}

/** The context that a payload states, or the first claim that is not what it should be. */
export function contextOfClaims(payload: Readonly<Record<string, unknown>>): TenantContext | { readonly invalidClaim: string } {
  const { sub, slug, name, color, plan, isolation, limits, features, ev, scope } = payload;
  if (!isTenantId(sub)) return { invalidClaim: 'sub' };
  if (scope !== undefined) return { invalidClaim: 'scope' };
  if (typeof slug !== 'string') return { invalidClaim: 'slug' };
  if (typeof name !== 'string') return { invalidClaim: 'name' };
  if (typeof color !== 'string') return { invalidClaim: 'color' };
  if (typeof plan !== 'string') return { invalidClaim: 'plan' };
  if (typeof isolation !== 'string') return { invalidClaim: 'isolation' };
  if (!isLimits(limits)) return { invalidClaim: 'limits' };
  if (!Array.isArray(features) || !features.every((feature) => typeof feature === 'string')) return { invalidClaim: 'features' };
  if (!isCount(ev)) return { invalidClaim: 'ev' };
  const { requestsPerSecond, concurrency, bodyBytesMax } = limits;
  return Object.freeze({
    tenantId: sub,
    slug,
    name,
    color,
    plan,
    isolation,
    limits: Object.freeze({ requestsPerSecond, concurrency, bodyBytesMax }),
    features: Object.freeze([...features]),
    entitlementVersion: ev,
  });
}

function isLimits(value: unknown): value is ContextLimits {
  if (typeof value !== 'object' || value === null) return false;
  const { requestsPerSecond, concurrency, bodyBytesMax } = value as Record<string, unknown>;
  return [requestsPerSecond, concurrency, bodyBytesMax].every((limit) => typeof limit === 'number' && Number.isFinite(limit) && limit >= 0);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
