// The route table: what a host leads to, in memory, changed by one write at a time.
import type { Random } from '@burgage/runtime';
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
import { drawHashKey } from './name-hash.ts';
import { grown, Names } from './names.ts';
import { SharedTerms, type Terms } from './shared-terms.ts';
import { Texts } from './texts.ts';

/** An upstream as it is kept; without endpoints it is removed, or only named by a tenant so far. */
interface UpstreamRow {
  readonly name: string;
  version: number;
  endpoints: readonly Endpoint[] | undefined;
}

const noLimits: TenantLimits = { requestsPerSecond: 0, concurrency: 0, bodyBytesMax: 0 };

/** A tenant as a table had it when it was looked up; what only pages and tokens say of it is read when it is asked for. */
export class ServedTenant implements TenantRoute {
  /** The tenant's, in all tables of the same names. */
  readonly number: number;
  readonly upstream: string;
  readonly #table: RouteTable;
  readonly #terms: Terms;
  /** Of the id, among the names of tenants. */
  readonly #idPlace: number;
  #tenantId: string | undefined;

  constructor(table: RouteTable, number: number, terms: Terms, upstream: string, idPlace: number) {
    this.#table = table;
    this.number = number;
    this.#terms = terms;
    this.upstream = upstream;
    this.#idPlace = idPlace;
  }

  get kind(): 'tenant' {
    return 'tenant';
  }
  get tenantId(): string {
    this.#tenantId ??= this.#table.names.tenants.nameOf(this.number);
    return this.#tenantId;
  }
  get tenantIdLength(): number {
    return this.#table.names.tenants.lengthAt(this.#idPlace);
  }
  /** Hot path. The id, without a text of it; as `putPlain` of names.ts. */
  putTenantId(to: Buffer, at: number): number {
    return this.#table.names.tenants.putPlain(this.#idPlace, to, at);
  }
  get state(): TenantState {
    return this.#terms.state;
  }
  get plan(): string {
    return this.#terms.plan;
  }
  get holds(): readonly Hold[] {
    return this.#terms.holds;
  }
  get limits(): TenantLimits {
    return this.#terms.limits ?? noLimits;
  }
  get features(): readonly string[] {
    return this.#terms.features;
  }
  get isolation(): Isolation | '' {
    return this.#terms.isolation;
  }
  get platform(): boolean {
    return this.#terms.platform;
  }
  get moving(): boolean {
    return this.#terms.moving;
  }
  get slug(): string {
    return this.#table.slugOf(this.number);
  }
  get entitlementVersion(): number {
    return this.#table.entitlementVersionOf(this.number);
  }
  get branding(): Branding {
    return this.#table.brandingOf(this.number);
  }
}

/** The names that tables have in common: a snapshot is taken into a table beside the served one without a second copy of them. */
export class RouteNames {
  readonly hosts: Names;
  readonly tenants: Names;

  constructor(random: Random) {
    const key = drawHashKey(random);
    this.hosts = new Names(key);
    this.tenants = new Names(key);
  }
}

const rowsAtFirst = 64;
/** Numbers of a tenant's route; the first is that of its terms. */
const routeWidth = 3;
const upstreamAt = 1;
const idAt = 2;

/** What a host leads to. */
export interface Match {
  readonly kind: 'exact' | 'wildcard';
  /** The entry that matched. */
  readonly pattern: string;
  readonly tenantId: string;
  /** Absent while the host is known before its tenant is. */
  readonly tenant?: ServedTenant;
}

/** What is known of one host that the served table does not have. */
export interface ResolvedHost {
  /** Whom it leads to; undefined: nobody. */
  readonly tenant: ServedTenant | undefined;
  /** Knows the endpoints of that tenant. */
  readonly table: RouteTable;
}

/** How a look-up went: each name that was tried, in order, and what it found. */
export interface Trail {
  readonly tried: readonly string[];
  readonly match?: Match;
}

/**
 * Hosts, tenants and upstreams by name. An entry applies only if its version is higher than the one held; a removal is
 * remembered with its version, so that an older entry that comes late cannot bring the entity back.
 *
 * Hosts and tenants are rows of numbers, by the number of their name; a version of 0 says that the table has not heard of one.
 */
export class RouteTable {
  readonly names: RouteNames;
  #hostVersions: Float64Array;
  /** The tenant's number plus 1; 0: the memory of a removal. */
  #hostTenants: Int32Array;
  #tenantVersions: Float64Array;
  /**
   * Three for each tenant: its place in `#terms` plus 1 (0: removed, or only named by a host so far), that in `#upstreams`, and that
   * of its id. Side by side: with a million tenants each number that a request needs is a way to the memory.
   */
  #tenantRoutes: Uint32Array;
  #entitlementVersions: Float64Array;
  /** Three for each tenant: its slug, name and colour. */
  #labels: Uint32Array;
  #texts = new Texts();
  readonly #terms = new SharedTerms();
  readonly #upstreams: UpstreamRow[] = [];
  readonly #upstreamPlaces = new Map<string, number>();
  #hostCount = 0;
  #tenantCount = 0;
  #upstreamCount = 0;
  #wildcardCount = 0;

  constructor(names: RouteNames) {
    this.names = names;
    // A snapshot of what is known already grows nowhere.
    const [hosts, tenants] = [Math.max(names.hosts.count, rowsAtFirst), Math.max(names.tenants.count, rowsAtFirst)];
    this.#hostVersions = new Float64Array(hosts);
    this.#hostTenants = new Int32Array(hosts);
    this.#tenantVersions = new Float64Array(tenants);
    this.#tenantRoutes = new Uint32Array(routeWidth * tenants);
    this.#entitlementVersions = new Float64Array(tenants);
    this.#labels = new Uint32Array(3 * tenants);
  }

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

  /** What `host`, already normalised, leads to: exact, then `*.`, then the longest `**.`. */
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
  tenantAt(host: string): ServedTenant | undefined {
    const tenant = this.#tenantOf(this.names.hosts.find(host));
    if (tenant >= 0) return this.#served(tenant);
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

  tenant(tenantId: string): ServedTenant | undefined {
    const number = this.names.tenants.find(tenantId);
    return number < 0 ? undefined : this.#served(number);
  }

  /** The endpoints of an upstream; the same array as long as they do not change. */
  endpoints(upstream: string): readonly Endpoint[] | undefined {
    const place = this.#upstreamPlaces.get(upstream);
    return place === undefined ? undefined : this.#upstreams[place]?.endpoints;
  }

  /** Hosts that lead to a tenant with endpoints, and how many of them would not in `after`, a table of the same names. */
  lossTo(after: RouteTable): { readonly hosts: number; readonly lost: number } {
    let [hosts, lost] = [0, 0];
    for (let host = 0; host < this.names.hosts.count; host++) {
      if (!this.#leadsOn(host)) continue;
      hosts += 1;
      if (!after.#leadsOn(host)) lost += 1;
    }
    return { hosts, lost };
  }

  /** Every entry, removals included, upstreams and tenants before the hosts that need them. */
  *entries(): Generator<RouteEntry> {
    for (const row of this.#upstreams) if (row.version > 0) yield upstreamEntry(row);
    for (let number = 0; number < this.names.tenants.count; number++) {
      const version = this.#tenantVersions[number] ?? 0;
      if (version > 0) yield this.#tenantEntry(number, version);
    }
    for (let number = 0; number < this.names.hosts.count; number++) {
      const version = this.#hostVersions[number] ?? 0;
      if (version > 0) yield this.#hostEntry(number, version);
    }
  }

  /** The entries of a tenant and of its upstream, as far as they are known. */
  entriesOf(tenantId: string): RouteEntry[] {
    const number = this.names.tenants.find(tenantId);
    const version = this.#tenantVersions[number] ?? 0;
    if (number < 0 || version === 0) return [];
    const upstream = this.#termsOf(number) === undefined ? undefined : this.#upstreamOf(number);
    return [...(upstream === undefined || upstream.version === 0 ? [] : [upstreamEntry(upstream)]), this.#tenantEntry(number, version)];
  }

  /** Whether the tenant of this number is a part of the platform. */
  isPlatform(tenant: number): boolean {
    return this.#termsOf(tenant)?.platform ?? false;
  }

  slugOf(tenant: number): string {
    return this.#texts.at(this.#labels[3 * tenant] ?? 0);
  }

  brandingOf(tenant: number): Branding {
    return { name: this.#texts.at(this.#labels[3 * tenant + 1] ?? 0), color: this.#texts.at(this.#labels[3 * tenant + 2] ?? 0) };
  }

  entitlementVersionOf(tenant: number): number {
    return this.#entitlementVersions[tenant] ?? 0;
  }

  /** The number of the tenant that a host leads to; -1 where the host is not known. */
  #tenantOf(host: number): number {
    return host < 0 || host >= this.#hostTenants.length ? -1 : (this.#hostTenants[host] as number) - 1;
  }

  #served(tenant: number): ServedTenant | undefined {
    const terms = this.#termsOf(tenant);
    if (terms === undefined) return undefined;
    const idPlace = this.#tenantRoutes[routeWidth * tenant + idAt] as number;
    return new ServedTenant(this, tenant, terms, this.#upstreamOf(tenant)?.name ?? '', idPlace);
  }

  #termsOf(tenant: number): Terms | undefined {
    if (routeWidth * tenant >= this.#tenantRoutes.length) return undefined;
    const place = this.#tenantRoutes[routeWidth * tenant] as number;
    return place === 0 ? undefined : this.#terms.at(place - 1);
  }

  #upstreamOf(tenant: number): UpstreamRow | undefined {
    return this.#upstreams[this.#tenantRoutes[routeWidth * tenant + upstreamAt] as number];
  }

  #leadsOn(host: number): boolean {
    const tenant = this.#tenantOf(host);
    if (tenant < 0 || this.#termsOf(tenant) === undefined) return false;
    return (this.#upstreamOf(tenant)?.endpoints?.length ?? 0) > 0;
  }

  #matchOf(name: string, kind: Match['kind']): Match | undefined {
    const number = this.#tenantOf(this.names.hosts.find(name));
    if (number < 0) return undefined;
    const tenant = this.#served(number);
    return { kind, pattern: name, tenantId: this.names.tenants.nameOf(number), ...(tenant && { tenant }) };
  }

  #applyHost({ key, version, entity }: RouteEntry): boolean {
    const number = this.names.hosts.add(key);
    if (number >= this.#hostVersions.length) {
      const length = rowsFor(number);
      this.#hostVersions = grown(this.#hostVersions, length);
      this.#hostTenants = grown(this.#hostTenants, length);
    }
    if ((this.#hostVersions[number] as number) >= version) return false;
    const route = entity?.kind === 'host' ? (entity satisfies HostRoute) : undefined;
    const change = (route === undefined ? 0 : 1) - (this.#hostTenants[number] === 0 ? 0 : 1);
    this.#hostCount += change;
    if (key.startsWith('*')) this.#wildcardCount += change;
    this.#hostVersions[number] = version;
    this.#hostTenants[number] = route === undefined ? 0 : this.#tenantRow(route.tenantId) + 1;
    return true;
  }

  #applyTenant({ key, version, entity }: RouteEntry): boolean {
    const number = this.#tenantRow(key);
    if ((this.#tenantVersions[number] as number) >= version) return false;
    const route = entity?.kind === 'tenant' ? entity : undefined;
    const at = routeWidth * number;
    const before = this.#tenantRoutes[at] as number;
    this.#tenantCount += (route === undefined ? 0 : 1) - (before === 0 ? 0 : 1);
    this.#tenantVersions[number] = version;
    this.#tenantRoutes[at] = route === undefined ? 0 : this.#terms.take(route) + 1;
    if (before !== 0) this.#terms.release(before - 1);
    if (route !== undefined) this.#tenantRoutes[at + upstreamAt] = this.#upstreamPlace(route.upstream);
    this.#tenantRoutes[at + idAt] = this.names.tenants.placeOf(number);
    this.#entitlementVersions[number] = route?.entitlementVersion ?? 0;
    const { name = '', color = '' } = route?.branding ?? {};
    this.#label(3 * number, route?.slug ?? '');
    this.#label(3 * number + 1, name);
    this.#label(3 * number + 2, color);
    if (this.#texts.isWasteful) this.#gatherTexts();
    return true;
  }

  #applyUpstream({ key, version, entity }: RouteEntry): boolean {
    const row = this.#upstreams[this.#upstreamPlace(key)];
    if (row === undefined || row.version >= version) return false;
    const endpoints = entity?.kind === 'upstream' ? (entity satisfies UpstreamRoute).endpoints : undefined;
    this.#upstreamCount += (endpoints === undefined ? 0 : 1) - (row.endpoints === undefined ? 0 : 1);
    row.version = version;
    row.endpoints = endpoints;
    return true;
  }

  #tenantRow(tenantId: string): number {
    const number = this.names.tenants.add(tenantId);
    if (number >= this.#tenantVersions.length) {
      const length = rowsFor(number);
      this.#tenantVersions = grown(this.#tenantVersions, length);
      this.#tenantRoutes = grown(this.#tenantRoutes, routeWidth * length);
      this.#entitlementVersions = grown(this.#entitlementVersions, length);
      this.#labels = grown(this.#labels, 3 * length);
    }
    return number;
  }

  #upstreamPlace(name: string): number {
    const known = this.#upstreamPlaces.get(name);
    if (known !== undefined) return known;
    const place = this.#upstreams.push({ name, version: 0, endpoints: undefined }) - 1;
    this.#upstreamPlaces.set(name, place);
    return place;
  }

  #label(at: number, text: string): void {
    this.#labels[at] = this.#texts.replace(this.#labels[at] as number, text);
  }

  #gatherTexts(): void {
    const texts = new Texts();
    for (let at = 0; at < this.#labels.length; at++) this.#labels[at] = texts.add(this.#texts.at(this.#labels[at] as number));
    this.#texts = texts;
  }

  #tenantEntry(number: number, version: number): RouteEntry {
    const key = this.names.tenants.nameOf(number);
    const terms = this.#termsOf(number);
    if (terms === undefined) return { kind: 'tenant', key, version, removed: true };
    const entity: TenantRoute = {
      kind: 'tenant',
      tenantId: key,
      slug: this.slugOf(number),
      ...terms,
      upstream: this.#upstreamOf(number)?.name ?? '',
      entitlementVersion: this.entitlementVersionOf(number),
      branding: this.brandingOf(number),
    };
    return { kind: 'tenant', key, version, removed: false, entity };
  }

  #hostEntry(number: number, version: number): RouteEntry {
    const key = this.names.hosts.nameOf(number);
    const tenant = this.#tenantOf(number);
    if (tenant < 0) return { kind: 'host', key, version, removed: true };
    return { kind: 'host', key, version, removed: false, entity: { kind: 'host', host: key, tenantId: this.names.tenants.nameOf(tenant) } };
  }
}

/** Rows to have where the one of that number is needed: half as many again, so that a million are not copied often. */
function rowsFor(number: number): number {
  return Math.max(number + 1, Math.ceil(1.5 * number));
}

function upstreamEntry({ name, version, endpoints }: UpstreamRow): RouteEntry {
  if (endpoints === undefined) return { kind: 'upstream', key: name, version, removed: true };
  return { kind: 'upstream', key: name, version, removed: false, entity: { kind: 'upstream', name, endpoints } };
}
