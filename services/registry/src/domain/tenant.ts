// A tenant: its record, and every decision about it.
import { BurgageError } from '@burgage/contracts';
import {
  type Branding,
  err,
  type Hold,
  type Isolation,
  ok,
  type Result,
  type RouteEntry,
  type TenantLimits,
  type TenantRoute,
  type TenantState,
  transition,
} from '@burgage/tenancy';
import { brandingOf } from './branding.ts';
import { checkFence, type Fence } from './fence.ts';
import { inQuarantine } from './slug-quarantine.ts';
import type { TenantWish } from './tenant-request.ts';

/** What the store keeps of a tenant. Times are milliseconds since 1970. */
export interface TenantRecord {
  readonly id: string;
  /** Of the body that it was created with. */
  readonly fingerprint: string;
  /** Empty once it is free again. */
  readonly slug: string;
  /** The slug that it held; empty while it holds one. */
  readonly formerSlug: string;
  /** Until then nobody else gets that; absent where it is free. */
  readonly slugQuarantineEndTimeMs?: number;
  readonly company: string;
  readonly plan: string;
  readonly catalog: string;
  readonly isolation: Isolation;
  readonly state: TenantState;
  readonly holds: readonly Hold[];
  readonly ownerEmail: string;
  readonly createTimeMs: number;
  /** Absent on plans without a trial. */
  readonly trialEndTimeMs?: number;
  /** The hosts that lead to it, its subdomain first, from the beginning; empty once it is off the routes. */
  readonly hosts: readonly string[];
  /** Empty while nothing serves it. */
  readonly upstream: string;
  readonly limits: TenantLimits;
  readonly features: readonly string[];
  readonly entitlementVersion: number;
  readonly branding: Branding;
  /** Absent: it does not move. */
  readonly moving?: true;
  /** Why it failed; empty unless failed. */
  readonly failure: string;
  /** The operation that moved it last. */
  readonly operationId: string;
  /** The highest that was seen; 0 before the first operation. */
  readonly fenceToken: number;
}

export function tenantNotFound(idOrSlug: string): BurgageError {
  return new BurgageError('tenant_not_found', { message: `No tenant has the id or slug ${JSON.stringify(idOrSlug.slice(0, 80))}.` });
}

/** Of the reason that is kept: it is a sentence for a person, whatever a step put into it. */
const failureCharactersMax = 1_000;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * A tenant as it begins: requested, holding `slug`, shown at `host` as not ready yet, with what its plan allows today.
 * `isolation` is the one that its plan gives here.
 */
export function newTenant(
  wish: TenantWish,
  made: { id: string; fingerprint: string; slug: string; host: string; catalog: string; isolation: Isolation; nowMs: number },
): TenantRecord {
  const { plan } = wish;
  return {
    id: made.id,
    fingerprint: made.fingerprint,
    slug: made.slug,
    formerSlug: '',
    company: wish.company,
    plan: wish.planName,
    catalog: made.catalog,
    isolation: made.isolation,
    state: 'requested',
    holds: [],
    ownerEmail: wish.ownerEmail,
    createTimeMs: made.nowMs,
    ...(plan.trialDays === undefined ? {} : { trialEndTimeMs: made.nowMs + plan.trialDays * dayMs }),
    hosts: [made.host],
    upstream: '',
    limits: plan.limits,
    features: plan.features,
    entitlementVersion: 1,
    branding: brandingOf(wish.company),
    failure: '',
    operationId: '',
    fenceToken: 0,
  };
}

/** The record with `fence` taken over, or `fenced`. The same object where it says nothing new. */
export function enter(record: TenantRecord, fence: Fence): Result<TenantRecord> {
  const checked = checkFence(record.fenceToken, fence);
  if (!checked.ok) return checked;
  return ok(record.fenceToken === fence.token ? record : { ...record, fenceToken: fence.token });
}

/**
 * Moves a tenant to `state`; one that is there already stays as it is. A failed tenant gives its slug and its route up at
 * once, because its operation has undone everything. A terminated one does too, and its slug is kept from others for a
 * while. A termination can be taken back as long as the slug is held. A trial counts from the moment the tenant is first
 * served.
 * @returns `fenced` or `transition_not_allowed`.
 */
export function moveTenant(record: TenantRecord, state: TenantState, fence: Fence, reason: string, nowMs: number): Result<TenantRecord> {
  const entered = enter(record, fence);
  if (!entered.ok || record.state === state) return entered;
  const moved = transition(record.state, state);
  if (!moved.ok) return moved;
  const next: TenantRecord = { ...entered.value, state: moved.value, operationId: fence.operationId, failure: '' };
  switch (moved.value) {
    case 'active':
      if (record.state === 'terminating') return record.slug === '' ? err(nothingToOpen(record)) : ok(next);
      return ok(next.trialEndTimeMs === undefined ? next : { ...next, trialEndTimeMs: next.trialEndTimeMs + (nowMs - next.createTimeMs) });
    case 'failed':
      return ok({ ...next, ...unplaced, slug: '', formerSlug: next.slug, failure: reason.slice(0, failureCharactersMax) });
    case 'terminated':
      return ok(inQuarantine(gone(next), nowMs));
    case 'requested':
    case 'provisioning':
    case 'terminating':
      return ok(next);
    default:
      throw new TypeError(`unknown state ${String(moved.value satisfies never)}`);
  }
}

function nothingToOpen({ state }: TenantRecord): BurgageError {
  return new BurgageError('transition_not_allowed', {
    message: 'The tenant failed before it was terminated and cannot become active: only terminated may follow.',
    metadata: { from: state, to: 'active', allowed: 'terminated' },
  });
}

const unplaced = { hosts: [], upstream: '' } as const;

function gone({ moving: _, ...record }: TenantRecord): TenantRecord {
  return { ...record, ...unplaced };
}

const routable: ReadonlySet<TenantState> = new Set(['requested', 'provisioning', 'active']);

/** The label below the base domain that a tenant may have, or `transition_not_allowed` where it can have no route any more. */
export function routableSlug(record: TenantRecord): Result<string> {
  if (routable.has(record.state)) return ok(record.slug);
  return err(
    new BurgageError('transition_not_allowed', {
      message: `The tenant is ${record.state} and cannot be given a route.`,
      metadata: { state: record.state },
    }),
  );
}

/** Places a tenant, on the routes again where it was taken off them: gateways know what serves it from here on. @returns `fenced` or `transition_not_allowed`. */
export function placeTenant(
  record: TenantRecord,
  place: { host: string; upstream: string; isolation: Isolation },
  fence: Fence,
): Result<TenantRecord> {
  const entered = enter(record, fence);
  if (!entered.ok) return entered;
  const slug = routableSlug(record);
  if (!slug.ok) return slug;
  const moves = record.isolation !== place.isolation;
  if (!moves && record.upstream === place.upstream && record.hosts[0] === place.host) return entered;
  return ok({
    ...entered.value,
    hosts: [place.host, ...record.hosts.filter((host) => host !== place.host)],
    upstream: place.upstream,
    isolation: place.isolation,
    entitlementVersion: record.entitlementVersion + (moves ? 1 : 0),
  });
}

/** Takes a tenant off the routes, whether something serves it or not; its slug stays. @returns `fenced`. */
export function unplaceTenant(record: TenantRecord, fence: Fence): Result<TenantRecord> {
  const entered = enter(record, fence);
  if (!entered.ok || record.hosts.length === 0) return entered;
  return ok({ ...entered.value, ...unplaced });
}

/** True when the tenant neither has nor may take back a host that it once claimed: another tenant may claim it. */
export function abandoned(record: TenantRecord, host: string, slugOfHost: string): boolean {
  return record.slug !== slugOfHost && !record.hosts.includes(host);
}

/** What gateways see of a tenant, from its request on: until it is served they answer that it is being made. Undefined once it is off the routes. */
export function tenantRoute(record: TenantRecord): TenantRoute | undefined {
  if (record.hosts.length === 0) return undefined;
  return {
    kind: 'tenant',
    tenantId: record.id,
    slug: record.slug,
    plan: record.plan,
    state: record.state,
    holds: record.holds,
    limits: record.limits,
    features: record.features,
    upstream: record.upstream,
    isolation: record.isolation,
    entitlementVersion: record.entitlementVersion,
    branding: record.branding,
    platform: false,
    moving: record.moving ?? false,
  };
}

/** The route entry of a tenant whose document has `version`. */
export function tenantEntry(record: TenantRecord, version: number): RouteEntry {
  const entity = tenantRoute(record);
  const entry = { version, removed: entity === undefined, kind: 'tenant', key: record.id } as const;
  return entity ? { ...entry, entity } : entry;
}
