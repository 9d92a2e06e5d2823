// Tenants: created once for each idempotency key, found, listed, and moved through their life.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import type { Clock, Random } from '@burgage/runtime';
import type { Condition, Page, Stored } from '@burgage/store';
import {
  type Catalog,
  entitledIsolation,
  got,
  type Hold,
  ok,
  type Result,
  slugFromCompany,
  slugWithSuffix,
  type TenantState,
  tenantIdFromKey,
  unwrap,
} from '@burgage/tenancy';
import { change, type RegistryDocuments } from './adapters/documents.ts';
import { type OutboxSources, tenantChanged, tenantCreated } from './adapters/outbox.ts';
import type { RoutePublisher } from './adapters/publisher.ts';
import { addHold, changePlan, type Due, dueTo, liftHold, setMoving } from './domain/entitlement.ts';
import type { Fence } from './domain/fence.ts';
import { afterQuarantine, slugKept } from './domain/slug-quarantine.ts';
import { moveTenant, newTenant, type TenantRecord, tenantNotFound } from './domain/tenant.ts';
import { fingerprintOf, parseIdempotencyKey, parseTenantRequest, type TenantRequest, type TenantWish } from './domain/tenant-request.ts';
import type { Placement } from './placement.ts';

/** A company whose first twenty names are all taken is not unlucky: something is wrong. */
const slugAttemptsMax = 20;

export interface TenantListing {
  readonly pageSize: number;
  readonly pageToken: string;
  readonly state?: TenantState;
  /** Empty: all. */
  readonly plan: string;
  readonly oldestFirst: boolean;
}

/** A tenant as it is now, and a revision of the routes that shows it so. */
export interface ShownTenant {
  readonly tenant: Stored<TenantRecord>;
  readonly revision: number;
}

export interface Tenants {
  /** @throws BurgageError what `parseTenantRequest` refuses with, `slug_taken`, `idempotency_key_reused`. */
  create(request: TenantRequest): Promise<{ tenant: Stored<TenantRecord>; created: boolean }>;
  /** By id, or by the slug that it holds or that is in quarantine because of it. @throws BurgageError `tenant_not_found`. */
  get(idOrSlug: string): Promise<Stored<TenantRecord>>;
  /** @throws BurgageError `invalid_page_token`. */
  list(listing: TenantListing): Promise<Page<TenantRecord>>;
  /** Answers with the tenant as it is where it is in `state` already; the revision is 0 where the routes do not show it. @throws BurgageError `tenant_not_found`, `fenced`, `transition_not_allowed`. */
  move(id: string, state: TenantState, fence: Fence, reason: string): Promise<ShownTenant>;
  /** What can be done to a tenant in its state is said with `addHold` and the others. @throws BurgageError `tenant_not_found`, `fenced`, `transition_not_allowed`. */
  addHold(id: string, hold: Hold, fence: Fence): Promise<ShownTenant>;
  liftHold(id: string, hold: Hold, fence: Fence): Promise<ShownTenant>;
  /** @throws BurgageError also `unknown_plan`. */
  changePlan(id: string, plan: string, fence: Fence): Promise<ShownTenant>;
  /** Throws what `changePlan` would throw now, and changes nothing. Answers with the tenant as it is. */
  checkPlan(id: string, plan: string): Promise<Stored<TenantRecord>>;
  setMoving(id: string, moving: boolean, fence: Fence): Promise<ShownTenant>;
  /** What is due to it by its plan. */
  dueTo(tenant: TenantRecord): Due;
}

export interface TenantsOptions {
  readonly documents: RegistryDocuments;
  readonly catalog: Catalog;
  /** Off: every plan gives the isolation `pool`. */
  readonly dedicated: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly publisher: RoutePublisher;
  readonly placement: Pick<Placement, 'hostOf' | 'showHost' | 'releaseHosts'>;
}

export function createTenants({
  documents: { tenants, hosts },
  catalog,
  dedicated,
  clock,
  random,
  publisher,
  placement,
}: TenantsOptions): Tenants {
  const nowMs = (): number => clock.now().getTime();
  const sources: OutboxSources = { clock, random };

  async function create(request: TenantRequest): Promise<{ tenant: Stored<TenantRecord>; created: boolean }> {
    const fingerprint = fingerprintOf(request);
    const key = parseIdempotencyKey(request.idempotencyKey);
    if (key.ok) {
      const found = await tenants.get(tenantIdFromKey(key.value));
      if (found) return await again(found, fingerprint);
    }
    const wish = unwrap(parseTenantRequest(request, catalog));
    const id = tenantIdFromKey(request.idempotencyKey);
    for (const slug of slugs(wish)) {
      const host = placement.hostOf(slug);
      const isolation = entitledIsolation(wish.plan.isolation, dedicated);
      const record = newTenant(wish, { id, fingerprint, slug, host, catalog: catalog.name, isolation, nowMs: nowMs() });
      const tenant = await inserted(id, record);
      if (tenant) return { tenant: await shownSoon(tenant), created: true };
      // The same call may have been faster: it holds the id, or the slug in its name.
      const found = await tenants.get(id);
      if (found) return await again(found, fingerprint);
    }
    const holder = wish.slug === undefined ? undefined : await tenants.findByKey('slug', wish.slug);
    throw slugTaken(wish, holder?.value.slugQuarantineEndTimeMs);
  }

  /** Undefined where the id or the slug is taken. */
  async function inserted(id: string, record: TenantRecord): Promise<Stored<TenantRecord> | undefined> {
    for (;;) {
      try {
        return await tenants.insert(id, record, tenantCreated(record, sources));
      } catch (error) {
        if (!isBurgageError(error, 'already_exists', 'unique_key_taken')) throw error;
        if (error.code === 'already_exists' || !(await freed(record.slug))) return undefined;
      }
    }
  }

  /** Ends the quarantine of a slug where its time has come: nobody needs to look for it before. True where it is free now. */
  async function freed(slug: string): Promise<boolean> {
    const holder = await tenants.findByKey('slug', slug);
    if (holder === undefined) return true;
    const { value } = await change(tenants, holder.id, {
      decide: ({ value }) => ok(afterQuarantine(value, nowMs())),
      outbox: (stored, value) => tenantChanged(stored, value, sources),
      missing: () => tenantNotFound(holder.id),
    });
    return slugKept(value) !== slug;
  }

  async function again(found: Stored<TenantRecord>, fingerprint: string): Promise<{ tenant: Stored<TenantRecord>; created: boolean }> {
    // The first call may have been broken off before the host led anywhere.
    return { tenant: await shownSoon(sameBody(found, fingerprint)), created: false };
  }

  /** Has gateways told without waiting for it: who signs up waits for what is durable, and the relay sees to the rest. */
  async function shownSoon(tenant: Stored<TenantRecord>): Promise<Stored<TenantRecord>> {
    await placement.showHost(tenant);
    publisher.ring(...tenant.value.hosts.map((host) => [hosts, host] as const), [tenants, tenant.id]);
    return tenant;
  }

  /** The slug that was asked for, or what the company's name gives, with a suffix from the second on. */
  function* slugs(wish: TenantWish): Generator<string, void> {
    if (wish.slug !== undefined) {
      yield wish.slug;
      return;
    }
    const slug = slugFromCompany(wish.company);
    yield slug;
    for (let attempt = 2; attempt <= slugAttemptsMax; attempt++) yield slugWithSuffix(slug, random);
  }

  async function get(idOrSlug: string): Promise<Stored<TenantRecord>> {
    if (idOrSlug === '') throw tenantNotFound(idOrSlug);
    const found = (await tenants.get(idOrSlug)) ?? (await tenants.findByKey('slug', idOrSlug));
    // What nobody has asked for since may be kept beyond its time.
    if (!found || (found.id !== idOrSlug && afterQuarantine(found.value, nowMs()) !== found.value)) throw tenantNotFound(idOrSlug);
    return found;
  }

  function list({ pageSize, pageToken, state, plan, oldestFirst }: TenantListing): Promise<Page<TenantRecord>> {
    const where: Condition[] = [];
    if (state !== undefined) where.push({ field: 'state', op: 'eq', value: state });
    if (plan !== '') where.push({ field: 'plan', op: 'eq', value: plan });
    return tenants.list({
      where,
      // Those of newer code are refused one by one, where they are asked for.
      tooNew: 'omit',
      sort: { field: 'create_time', descending: !oldestFirst },
      pageSize,
      ...(pageToken === '' ? {} : { cursor: pageToken }),
    });
  }

  function decided(id: string, decide: (record: TenantRecord) => Result<TenantRecord>): Promise<Stored<TenantRecord>> {
    return change(tenants, id, {
      decide: ({ value }) => decide(value),
      outbox: (stored, value) => tenantChanged(stored, value, sources),
      missing: () => tenantNotFound(id),
    });
  }

  async function move(id: string, state: TenantState, fence: Fence, reason: string): Promise<ShownTenant> {
    const tenant = await decided(id, (record) => moveTenant(record, state, fence, reason, nowMs()));
    return { tenant, revision: await shown(tenant) };
  }

  /** A change of what gateways see of the tenant; its hosts stay. */
  async function changed(id: string, decide: (record: TenantRecord) => Result<TenantRecord>): Promise<ShownTenant> {
    const tenant = await decided(id, decide);
    return { tenant, revision: await publisher.publish([tenants, id]) };
  }

  async function shown(tenant: Stored<TenantRecord>): Promise<number> {
    // Also when it was so before: the first call may have been broken off here.
    if (tenant.value.state === 'failed' || tenant.value.state === 'terminated') return placement.releaseHosts(tenant);
    const [host] = tenant.value.hosts;
    if (host === undefined) {
      publisher.ring([tenants, tenant.id]);
      return 0;
    }
    await placement.showHost(tenant);
    return publisher.publish([hosts, host], [tenants, tenant.id]);
  }

  return {
    create,
    get,
    list,
    move,
    addHold: (id, hold, fence) => changed(id, (record) => addHold(record, hold, fence)),
    liftHold: (id, hold, fence) => changed(id, (record) => liftHold(record, hold, fence)),
    changePlan: (id, plan, fence) => changed(id, (record) => changePlan(record, plan, catalog, fence, nowMs())),
    async checkPlan(id, plan) {
      const tenant = await tenants.get(id);
      if (!tenant) throw tenantNotFound(id);
      const { operationId, fenceToken: token } = tenant.value;
      unwrap(changePlan(tenant.value, plan, catalog, { operationId, token }, nowMs()));
      return tenant;
    },
    setMoving: (id, moving, fence) => changed(id, (record) => setMoving(record, moving, fence)),
    dueTo: (record) => dueTo(record, catalog, dedicated),
  };
}

function sameBody(found: Stored<TenantRecord>, fingerprint: string): Stored<TenantRecord> {
  if (found.value.fingerprint === fingerprint) return found;
  const description = 'got a key that was used before with another body, expected the first body again or a new key';
  throw new BurgageError('idempotency_key_reused', {
    message: `idempotency_key: ${description}`,
    fields: [{ field: 'idempotency_key', description }],
  });
}

/** Says nothing of who holds it. `quarantineEndMs`: until when it is kept from others, where it is. */
function slugTaken({ slug, company }: TenantWish, quarantineEndMs: number | undefined): BurgageError {
  const until = quarantineEndMs === undefined ? undefined : new Date(quarantineEndMs).toISOString();
  const why = until === undefined ? 'another tenant holds' : `belonged to a tenant that is gone and is given to nobody before ${until}`;
  const description =
    slug === undefined
      ? `is missing, and none made from ${JSON.stringify(company)} is free, expected one to be asked for`
      : `${got(slug)}, which ${why}, expected a slug that is free`;
  return new BurgageError('slug_taken', {
    message: `slug: ${description}`,
    fields: [{ field: 'slug', description }],
    metadata: { ...(slug !== undefined && { slug }), ...(until !== undefined && { until }) },
  });
}
