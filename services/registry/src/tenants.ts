// Tenants: created once for each idempotency key, found, listed, and moved through their life.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import type { Clock, Random } from '@burgage/runtime';
import type { Condition, Page, Stored } from '@burgage/store';
import { type Catalog, got, slugFromCompany, slugWithSuffix, type TenantState, tenantIdFromKey, unwrap } from '@burgage/tenancy';
import { change, type RegistryDocuments } from './adapters/documents.ts';
import { type OutboxSources, tenantChanged, tenantCreated } from './adapters/outbox.ts';
import type { RoutePublisher } from './adapters/publisher.ts';
import type { Fence } from './domain/fence.ts';
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

export interface Tenants {
  /** @throws BurgageError what `parseTenantRequest` refuses with, `slug_taken`, `idempotency_key_reused`. */
  create(request: TenantRequest): Promise<{ tenant: Stored<TenantRecord>; created: boolean }>;
  /** By id or by the slug that it holds. @throws BurgageError `tenant_not_found`. */
  get(idOrSlug: string): Promise<Stored<TenantRecord>>;
  /** @throws BurgageError `invalid_page_token`. */
  list(listing: TenantListing): Promise<Page<TenantRecord>>;
  /** Answers with the tenant as it is where it is in `state` already; the revision is 0 where the routes do not show it. @throws BurgageError `tenant_not_found`, `fenced`, `transition_not_allowed`. */
  move(id: string, state: TenantState, fence: Fence, reason: string): Promise<{ tenant: Stored<TenantRecord>; revision: number }>;
}

export interface TenantsOptions {
  readonly documents: RegistryDocuments;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly publisher: RoutePublisher;
  readonly placement: Pick<Placement, 'hostOf' | 'showHost' | 'releaseHosts'>;
}

export function createTenants({ documents: { tenants, hosts }, catalog, clock, random, publisher, placement }: TenantsOptions): Tenants {
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
      const record = newTenant(wish, { id, fingerprint, slug, host, catalog: catalog.name, nowMs: clock.now().getTime() });
      const tenant = await inserted(id, record);
      if (tenant) return { tenant: await shownSoon(tenant), created: true };
      // The same call may have been faster: it holds the id, or the slug in its name.
      const found = await tenants.get(id);
      if (found) return await again(found, fingerprint);
    }
    throw slugTaken(wish);
  }

  /** Undefined where the id or the slug is taken. */
  async function inserted(id: string, record: TenantRecord): Promise<Stored<TenantRecord> | undefined> {
    try {
      return await tenants.insert(id, record, tenantCreated(record, sources));
    } catch (error) {
      if (!isBurgageError(error, 'already_exists', 'unique_key_taken')) throw error;
      return undefined;
    }
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
    if (!found) throw tenantNotFound(idOrSlug);
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

  async function move(
    id: string,
    state: TenantState,
    fence: Fence,
    reason: string,
  ): Promise<{ tenant: Stored<TenantRecord>; revision: number }> {
    const tenant = await change(tenants, id, {
      decide: ({ value }) => moveTenant(value, state, fence, reason, clock.now().getTime()),
      outbox: (stored, value) => tenantChanged(stored, value, sources),
      missing: () => tenantNotFound(id),
    });
    return { tenant, revision: await shown(tenant) };
  }

  async function shown(tenant: Stored<TenantRecord>): Promise<number> {
    // Also when it had failed before: the first call may have been broken off here.
    if (tenant.value.state === 'failed') return placement.releaseHosts(tenant);
    const [host] = tenant.value.hosts;
    if (host === undefined) {
      publisher.ring([tenants, tenant.id]);
      return 0;
    }
    await placement.showHost(tenant);
    return publisher.publish([hosts, host], [tenants, tenant.id]);
  }

  return { create, get, list, move };
}

function sameBody(found: Stored<TenantRecord>, fingerprint: string): Stored<TenantRecord> {
  if (found.value.fingerprint === fingerprint) return found;
  const description = 'got a key that was used before with another body, expected the first body again or a new key';
  throw new BurgageError('idempotency_key_reused', {
    message: `idempotency_key: ${description}`,
    fields: [{ field: 'idempotency_key', description }],
  });
}

/** Says nothing of who holds it. */
function slugTaken({ slug, company }: TenantWish): BurgageError {
  const description =
    slug === undefined
      ? `is missing, and none made from ${JSON.stringify(company)} is free, expected one to be asked for`
      : `${got(slug)}, which another tenant holds, expected a slug that is free`;
  return new BurgageError('slug_taken', {
    message: `slug: ${description}`,
    fields: [{ field: 'slug', description }],
    metadata: slug === undefined ? {} : { slug },
  });
}
