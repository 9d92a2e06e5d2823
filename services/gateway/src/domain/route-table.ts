// The route table: what a host leads to, in memory, changed by one map write at a time.
import {
  type Branding,
  type Endpoint,
  type Hold,
  type HostRoute,
  type Isolation,
  type RouteEntry,
  type TenantLimits,
  type TenantRoute,
  type TenantState,
  type UpstreamRoute,
  wildcardCandidates,
} from '@burgage/tenancy';

/** What tenants on one plan have in common; one object for all of them, so that a tenant more costs little memory. */
interface Terms {
  readonly state: TenantState;
  readonly plan: string;
  readonly limits?: TenantLimits;
  readonly features: readonly string[];
  readonly isolation: Isolation | '';
  readonly platform: boolean;
  readonly moving: boolean;
  readonly color: string;
  readonly holds: readonly Hold[];
}

/** Terms that are remembered for sharing; beyond it the memory starts anew, and tenants keep what they have. */
const sharedTermsMax = 4096;

/** An upstream as it is kept; without endpoints it is removed, or only named by a tenant so far. */
interface UpstreamRow {
  readonly name: string;
  version: number;
  endpoints: readonly Endpoint[] | undefined;
}

/** A tenant as it is kept: its own fields, and the shared rest behind getters. */
class TenantRow implements TenantRoute {
  readonly tenantId: string;
  /** 0: only named by a host so far. */
  version = 0;
  slug = '';
  entitlementVersion = 0;
  name = '';
  terms: Terms = noTerms;
  upstreamRow: UpstreamRow = noUpstream;

  constructor(tenantId: string) {
    this.tenantId = tenantId;
  }

  get kind(): 'tenant' {
    return 'tenant';
  }
  /** Removed, or only named by a host so far. */
  get removed(): boolean {
    return this.terms === noTerms;
  }
  get state(): TenantState {
    return this.terms.state;
  }
  get plan(): string {
    return this.terms.plan;
  }
  get holds(): readonly Hold[] {
    return this.terms.holds;
  }
  get limits(): TenantLimits {
    return this.terms.limits ?? noLimits;
  }
  get features(): readonly string[] {
    return this.terms.features;
  }
  get upstream(): string {
    return this.upstreamRow.name;
  }
  get isolation(): Isolation | '' {
    return this.terms.isolation;
  }
  get platform(): boolean {
    return this.terms.platform;
  }
  get moving(): boolean {
    return this.terms.moving;
  }
  get branding(): Branding {
    return { name: this.name, color: this.terms.color };
  }

  /** The entity as it came: without limits where none were given. */
  entity(): TenantRoute {
    const { tenantId, slug, entitlementVersion, name, upstream } = this;
    const { state, plan, limits, features, isolation, platform, moving, color, holds } = this.terms;
    return {
      kind: 'tenant',
      tenantId,
      slug,
      plan,
      state,
      holds,
      ...(limits && { limits }),
      features,
      upstream,
      isolation,
      entitlementVersion,
      branding: { name, color },
      platform,
      moving,
    };
  }
}

const noLimits: TenantLimits = { requestsPerSecond: 0, concurrency: 0, bodyBytesMax: 0 };
const noTerms: Terms = { state: 'requested', plan: '', features: [], isolation: '', platform: false, moving: false, color: '', holds: [] };
const noUpstream: UpstreamRow = { name: '', version: 0, endpoints: undefined };

/** A host as it is kept; without a tenant it is the memory of a removal. */
interface HostRow {
  version: number;
  tenant: TenantRow | undefined;
}

/** What a host leads to. */
export interface Match {
  readonly kind: 'exact' | 'wildcard';
  /** The entry that matched. */
  readonly pattern: string;
  readonly tenantId: string;
  /** Absent while the host is known before its tenant is. */
  readonly tenant?: TenantRoute;
}

/** How a look-up went: each name that was tried, in order, and what it found. */
export interface Trail {
  readonly tried: readonly string[];
  readonly match?: Match;
}

/**
 * Hosts, tenants and upstreams by name. An entry applies only if its version is higher than the one held; a removal is
 * remembered with its version, so that an older entry that comes late cannot bring the entity back.
 */
export class RouteTable {
  readonly #hosts = new Map<string, HostRow>();
  readonly #tenants = new Map<string, TenantRow>();
  readonly #upstreams = new Map<string, UpstreamRow>();
  readonly #terms = new Map<string, Terms>();
  /** Those of the tenant before: in a snapshot mostly those of the next one too. */
  #lastTerms: Terms = noTerms;
  #hostCount = 0;
  #tenantCount = 0;
  #upstreamCount = 0;
  #wildcardCount = 0;

  get hostCount(): number {
    return this.#hostCount;
  }
  get tenantCount(): number {
    return this.#tenantCount;
  }
  get upstreamCount(): number {
    return this.#upstreamCount;
  }

  /** Applies one entry; false where what is held is as new or newer. */
  apply(entry: RouteEntry): boolean {
    switch (entry.kind) {
      case 'host':
        return this.#applyHost(entry);
      case 'tenant':
        return this.#applyTenant(entry);
      case 'upstream':
        return this.#applyUpstream(entry);
      default:
        throw new TypeError(`unknown kind of route ${String(entry.kind satisfies never)}`);
    }
  }

  /** Hot path. What `host`, already normalised, leads to: exact, then `*.`, then the longest `**.`. */
  find(host: string): Match | undefined {
    const exact = this.#matchOf(host, 'exact');
    if (exact !== undefined || this.#wildcardCount === 0) return exact;
    for (const candidate of wildcardCandidates(host)) {
      const match = this.#matchOf(candidate, 'wildcard');
      if (match !== undefined) return match;
    }
    return undefined;
  }

  /** Hot path. The tenant that `host`, already normalised, leads to. */
  tenantAt(host: string): TenantRoute | undefined {
    const row = this.#hosts.get(host)?.tenant;
    if (row !== undefined) return row.removed ? undefined : row;
    return this.#wildcardCount === 0 ? undefined : this.find(host)?.tenant;
  }

  /** The same look-up as `find` with every name that it tried. */
  trace(host: string): Trail {
    const tried: string[] = [];
    for (const candidate of [host, ...wildcardCandidates(host)]) {
      tried.push(candidate);
      const match = this.#matchOf(candidate, tried.length === 1 ? 'exact' : 'wildcard');
      if (match !== undefined) return { tried, match };
    }
    return { tried };
  }

  tenant(tenantId: string): TenantRoute | undefined {
    const row = this.#tenants.get(tenantId);
    return row === undefined || row.removed ? undefined : row;
  }

  /** The endpoints of an upstream; the same array as long as they do not change. */
  endpoints(upstream: string): readonly Endpoint[] | undefined {
    return this.#upstreams.get(upstream)?.endpoints;
  }

  /** True where exactly this name, not a wildcard above it, leads to a tenant with endpoints. */
  leadsOn(host: string): boolean {
    return hasEndpoints(this.#hosts.get(host));
  }

  /** Every host that leads to a tenant with endpoints. */
  *hostsThatLeadOn(): Generator<string> {
    for (const [host, row] of this.#hosts) if (hasEndpoints(row)) yield host;
  }

  /** Every entry, removals included, upstreams and tenants before the hosts that need them. */
  *entries(): Generator<RouteEntry> {
    for (const row of this.#upstreams.values()) if (row.version > 0) yield upstreamEntry(row);
    for (const row of this.#tenants.values()) if (row.version > 0) yield tenantEntry(row);
    for (const [host, row] of this.#hosts) yield hostEntry(host, row);
  }

  #matchOf(name: string, kind: Match['kind']): Match | undefined {
    const tenant = this.#hosts.get(name)?.tenant;
    if (tenant === undefined) return undefined;
    return { kind, pattern: name, tenantId: tenant.tenantId, ...(!tenant.removed && { tenant }) };
  }

  #applyHost({ key, version, entity }: RouteEntry): boolean {
    const row = this.#hosts.get(key);
    if (row !== undefined && row.version >= version) return false;
    const route = entity?.kind === 'host' ? (entity satisfies HostRoute) : undefined;
    const tenant = route && this.#tenantRow(route.tenantId);
    const change = (tenant === undefined ? 0 : 1) - (row?.tenant === undefined ? 0 : 1);
    this.#hostCount += change;
    if (key.startsWith('*')) this.#wildcardCount += change;
    if (row === undefined) {
      this.#hosts.set(key, { version, tenant });
    } else {
      row.version = version;
      row.tenant = tenant;
    }
    return true;
  }

  #applyTenant({ key, version, entity }: RouteEntry): boolean {
    const row = this.#tenantRow(key);
    if (row.version >= version) return false;
    const route = entity?.kind === 'tenant' ? entity : undefined;
    this.#tenantCount += (route === undefined ? 0 : 1) - (row.removed ? 0 : 1);
    row.version = version;
    row.slug = route?.slug ?? '';
    row.entitlementVersion = route?.entitlementVersion ?? 0;
    row.name = route?.branding.name ?? '';
    row.terms = route === undefined ? noTerms : this.#termsOf(route);
    row.upstreamRow = route === undefined ? noUpstream : this.#upstreamRow(route.upstream);
    return true;
  }

  #applyUpstream({ key, version, entity }: RouteEntry): boolean {
    const row = this.#upstreamRow(key);
    if (row.version >= version) return false;
    const endpoints = entity?.kind === 'upstream' ? (entity satisfies UpstreamRoute).endpoints : undefined;
    this.#upstreamCount += (endpoints === undefined ? 0 : 1) - (row.endpoints === undefined ? 0 : 1);
    row.version = version;
    row.endpoints = endpoints;
    return true;
  }

  #tenantRow(tenantId: string): TenantRow {
    let row = this.#tenants.get(tenantId);
    if (row === undefined) {
      row = new TenantRow(tenantId);
      this.#tenants.set(tenantId, row);
    }
    return row;
  }

  #upstreamRow(name: string): UpstreamRow {
    let row = this.#upstreams.get(name);
    if (row === undefined) {
      row = { name, version: 0, endpoints: undefined };
      this.#upstreams.set(name, row);
    }
    return row;
  }

  #termsOf(route: TenantRoute): Terms {
    if (!areTerms(this.#lastTerms, route)) this.#lastTerms = this.#sharedTerms(route);
    return this.#lastTerms;
  }

  #sharedTerms({ state, plan, limits, features, isolation, platform, moving, branding, holds }: TenantRoute): Terms {
    const key = JSON.stringify([state, plan, limits, features, isolation, platform, moving, branding.color, holds]);
    let terms = this.#terms.get(key);
    if (terms === undefined) {
      if (this.#terms.size >= sharedTermsMax) this.#terms.clear();
      terms = { state, plan, ...(limits && { limits }), features, isolation, platform, moving, color: branding.color, holds };
      this.#terms.set(key, terms);
    }
    return terms;
  }
}

function areTerms(terms: Terms, { state, plan, limits, features, isolation, platform, moving, branding, holds }: TenantRoute): boolean {
  return (
    // A removed tenant is told from one whose terms are empty.
    terms !== noTerms &&
    terms.state === state &&
    terms.plan === plan &&
    terms.isolation === isolation &&
    terms.platform === platform &&
    terms.moving === moving &&
    terms.color === branding.color &&
    terms.limits?.requestsPerSecond === limits?.requestsPerSecond &&
    terms.limits?.concurrency === limits?.concurrency &&
    terms.limits?.bodyBytesMax === limits?.bodyBytesMax &&
    areSame(terms.features, features) &&
    areSame(terms.holds, holds)
  );
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((item, index) => item === others[index]);
}

function hasEndpoints(row: HostRow | undefined): boolean {
  return (row?.tenant?.upstreamRow.endpoints?.length ?? 0) > 0;
}

function upstreamEntry({ name, version, endpoints }: UpstreamRow): RouteEntry {
  if (endpoints === undefined) return { kind: 'upstream', key: name, version, removed: true };
  return { kind: 'upstream', key: name, version, removed: false, entity: { kind: 'upstream', name, endpoints } };
}

function tenantEntry(row: TenantRow): RouteEntry {
  const { tenantId: key, version } = row;
  return row.removed
    ? { kind: 'tenant', key, version, removed: true }
    : { kind: 'tenant', key, version, removed: false, entity: row.entity() };
}

function hostEntry(host: string, { version, tenant }: HostRow): RouteEntry {
  if (tenant === undefined) return { kind: 'host', key: host, version, removed: true };
  return { kind: 'host', key: host, version, removed: false, entity: { kind: 'host', host, tenantId: tenant.tenantId } };
}
