// Where tenants and parts of the platform are reached: their hosts, their upstreams, and what a host leads to.

import { isDeepStrictEqual } from 'node:util';
import { BurgageError, isBurgageError } from '@burgage/contracts';
import type { Clock, Random } from '@burgage/runtime';
import type { Page, Stored } from '@burgage/store';
import { type Endpoint, type Isolation, ok, unwrap } from '@burgage/tenancy';
import { change, put, type RegistryDocuments } from './adapters/documents.ts';
import { routeItem, tenantChanged } from './adapters/outbox.ts';
import type { RoutePublisher } from './adapters/publisher.ts';
import { checkFence, type Fence } from './domain/fence.ts';
import { type HostRecord, hostEntry } from './domain/host.ts';
import {
  isPlatformRouteId,
  type PlatformRouteRecord,
  parsePlatformLabel,
  platformEntry,
  platformRouteId,
} from './domain/platform-route.ts';
import { abandoned, placeTenant, routableSlug, type TenantRecord, tenantNotFound, unplaceTenant } from './domain/tenant.ts';
import { changeUpstream, parseUpstream, type UpstreamRecord, upstreamEntry } from './domain/upstream.ts';

/** What was written, and a revision of the routes that shows it. */
export interface Shown<T> {
  readonly written: Stored<T>;
  readonly revision: number;
}

export interface Placement {
  /** The name of a tenant with this slug, or of a part of the platform with this label. */
  hostOf(label: string): string;
  /**
   * Leads its host to a tenant that has one, so that its address says from the request on that it is being made. Where
   * the host leads elsewhere nothing is done: `putTenantRoute` refuses that. Broken off, a repeat carries on.
   */
  showHost(tenant: Stored<TenantRecord>): Promise<void>;
  /**
   * Claims the tenant's host where it has not got it, then places the tenant: broken off in between, a repeat carries on.
   * Where the upstream is removed meanwhile, `upstream_not_found` leaves the tenant placed on nothing.
   * @throws BurgageError `tenant_not_found`, `upstream_not_found`, `fenced`, `transition_not_allowed`, `already_exists` where another tenant has the host.
   */
  putTenantRoute(tenantId: string, place: { upstream: string; isolation: Isolation }, fence: Fence): Promise<Shown<TenantRecord>>;
  /** Takes the tenant off the routes, then releases its hosts. @throws BurgageError `tenant_not_found`, `fenced`. */
  removeTenantRoute(tenantId: string, fence: Fence): Promise<Shown<TenantRecord>>;
  /** Releases every host of a tenant that was taken off the routes, and answers with a revision that shows it. */
  releaseHosts(tenant: Stored<TenantRecord>): Promise<number>;
  /** @throws BurgageError `invalid_argument`, `fenced`. */
  putUpstream(name: string, endpoints: readonly Endpoint[], fence: Fence | undefined): Promise<Shown<UpstreamRecord>>;
  /** @throws BurgageError `upstream_not_found`. */
  getUpstream(name: string): Promise<Stored<UpstreamRecord>>;
  /** A page of the upstreams there are, by name. @throws BurgageError `invalid_page_token`. */
  listUpstreams(pageSize: number, pageToken: string): Promise<Page<UpstreamRecord>>;
  /**
   * Removes an upstream; where there is none nothing is done, but that a fence keeps earlier ones from bringing it back.
   * Answers with a revision that does not show it.
   * @throws BurgageError `invalid_argument`, `fenced`, `transition_not_allowed` naming a tenant or a part of the platform that it serves.
   */
  removeUpstream(name: string, fence: Fence | undefined): Promise<number>;
  /** Answers with the host. @throws BurgageError `invalid_argument`, `upstream_not_found`, `already_exists` where a tenant has the host. */
  putPlatformRoute(label: string, upstream: string): Promise<{ host: string; revision: number }>;
}

export interface PlacementOptions {
  readonly documents: RegistryDocuments;
  /** What subdomains hang below: `example.com`. */
  readonly baseDomain: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly publisher: RoutePublisher;
}

/** Two claimants of one host who each win in turn have to stop somewhere. */
const claimAttemptsMax = 20;

export function createPlacement({
  documents: { tenants, hosts, upstreams, platformRoutes },
  baseDomain,
  clock,
  random,
  publisher,
}: PlacementOptions): Placement {
  const hostOf = (label: string): string => `${label}.${baseDomain}`;
  const changed = (stored: Stored<TenantRecord>, value: TenantRecord) => tenantChanged(stored, value, { clock, random });
  /** Gateways hear of what they can see. */
  const upstreamChanged = (stored: Stored<UpstreamRecord>, value: UpstreamRecord) => {
    const entry = upstreamEntry(value, stored.version + 1);
    return isDeepStrictEqual(entry, upstreamEntry(stored.value, stored.version + 1)) ? [] : [routeItem(entry)];
  };
  const hostChanged = (stored: Stored<HostRecord>, value: HostRecord) => [routeItem(hostEntry(value, stored.version + 1))];

  async function putTenantRoute(
    tenantId: string,
    { upstream, isolation }: { upstream: string; isolation: Isolation },
    fence: Fence,
  ): Promise<Shown<TenantRecord>> {
    const tenant = await tenantOf(tenantId);
    unwrap(checkFence(tenant.value.fenceToken, fence));
    const host = hostOf(unwrap(routableSlug(tenant.value)));
    await getUpstream(upstream);
    await claim(host, tenantId);
    const written = await change(tenants, tenantId, {
      decide: ({ value }) => placeTenant(value, { host, upstream, isolation }, fence),
      outbox: changed,
      missing: () => tenantNotFound(tenantId),
    });
    const revision = await publisher.publish([upstreams, upstream], [hosts, host], [tenants, tenantId]);
    // Whoever removed it meanwhile may have looked too early to find this tenant.
    await getUpstream(upstream);
    return { written, revision };
  }

  async function removeTenantRoute(tenantId: string, fence: Fence): Promise<Shown<TenantRecord>> {
    const written = await change(tenants, tenantId, {
      decide: ({ value }) => unplaceTenant(value, fence),
      outbox: changed,
      missing: () => tenantNotFound(tenantId),
    });
    return { written, revision: await releaseHosts(written) };
  }

  async function showHost({ id, value }: Stored<TenantRecord>): Promise<void> {
    const [host] = value.hosts;
    if (host === undefined) return;
    try {
      await claim(host, id);
    } catch (error) {
      if (!isBurgageError(error, 'already_exists')) throw error;
    }
  }

  async function tenantOf(tenantId: string): Promise<Stored<TenantRecord>> {
    const tenant = await tenants.get(tenantId);
    if (!tenant) throw tenantNotFound(tenantId);
    return tenant;
  }

  /** Leads `host` to `owner`. What a tenant left behind that has given the name up is taken over. */
  async function claim(host: string, owner: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const stored = await hosts.get(host);
      const holder = stored?.value.tenantId ?? null;
      if (holder === owner) return;
      if (holder !== null && !(await hasGivenUp(holder, host))) {
        throw new BurgageError('already_exists', { message: `The host ${host} leads to another tenant.`, metadata: { host } });
      }
      const value = { host, tenantId: owner };
      try {
        if (stored) await hosts.replace(host, stored.version, value, hostChanged(stored, value));
        else await hosts.insert(host, value, [routeItem(hostEntry(value, 1))]);
        break;
      } catch (error) {
        if (!isBurgageError(error, 'version_conflict', 'already_exists') || attempt === claimAttemptsMax) throw error;
      }
    }
    // Whoever failed the tenant meanwhile may have looked for its hosts too early to find this one.
    if (await hasGivenUp(owner, host)) await release(host, owner);
  }

  async function release(host: string, owner: string): Promise<void> {
    await change(hosts, host, {
      decide: ({ value }) => ok(value.tenantId === owner ? { ...value, tenantId: null } : value),
      outbox: hostChanged,
      missing: () => new BurgageError('document_not_found'),
    });
  }

  async function hasGivenUp(holder: string, host: string): Promise<boolean> {
    if (isPlatformRouteId(holder)) return false;
    const tenant = await tenants.get(holder);
    return tenant === undefined || abandoned(tenant.value, host, host.slice(0, -baseDomain.length - 1));
  }

  async function releaseHosts({ id, value }: Stored<TenantRecord>): Promise<number> {
    // Named beside what is found: a call before this one may have released it and been broken off.
    const released = new Set([hostOf(value.slug || value.formerSlug)]);
    const { items } = await hosts.list({ where: [{ field: 'tenant', op: 'eq', value: id }], pageSize: 1_000 });
    for (const held of items) {
      // Whoever has taken the tenant over since may have placed it again.
      unwrap(checkFence((await tenantOf(id)).value.fenceToken, { operationId: value.operationId, token: value.fenceToken }));
      await release(held.id, id);
      released.add(held.id);
    }
    return publisher.publish([tenants, id], ...[...released].map((host) => [hosts, host] as const));
  }

  async function putUpstream(name: string, endpoints: readonly Endpoint[], fence: Fence | undefined): Promise<Shown<UpstreamRecord>> {
    const checked = unwrap(parseUpstream(name, endpoints));
    const written = await writeUpstream(name, { endpoints: checked.endpoints, removed: false }, fence);
    return { written, revision: await publisher.publish([upstreams, name]) };
  }

  /** As `wanted`, whether there was one of the name or not. */
  async function writeUpstream(
    name: string,
    wanted: Parameters<typeof changeUpstream>[1],
    fence: Fence | undefined,
  ): Promise<Stored<UpstreamRecord>> {
    const first = unwrap(changeUpstream({ name, endpoints: [] }, wanted, fence));
    return await put(upstreams, name, first, {
      begin: (value) => [routeItem(upstreamEntry(value, 1))],
      decide: ({ value }) => changeUpstream(value, wanted, fence),
      outbox: upstreamChanged,
    });
  }

  async function getUpstream(name: string): Promise<Stored<UpstreamRecord>> {
    const upstream = name === '' ? undefined : await upstreams.get(name);
    if (!upstream || upstream.value.removed)
      throw new BurgageError('upstream_not_found', { message: `No upstream has the name ${JSON.stringify(name.slice(0, 80))}.` });
    return upstream;
  }

  async function listUpstreams(pageSize: number, pageToken: string): Promise<Page<UpstreamRecord>> {
    const items: Stored<UpstreamRecord>[] = [];
    let cursor: string | undefined = pageToken || undefined;
    do {
      const page: Page<UpstreamRecord> = await upstreams.list({
        tooNew: 'omit',
        pageSize: pageSize - items.length,
        ...(cursor === undefined ? {} : { cursor }),
      });
      items.push(...page.items.filter(({ value }) => !value.removed));
      cursor = page.nextCursor;
    } while (cursor !== undefined && items.length < pageSize);
    return cursor === undefined ? { items } : { items, nextCursor: cursor };
  }

  async function removeUpstream(name: string, fence: Fence | undefined): Promise<number> {
    const before = name === '' ? undefined : await upstreams.get(name);
    if (before === undefined) {
      if (fence !== undefined) await writeUpstream(unwrap(parseUpstream(name, [])).name, { removed: true }, fence);
    } else {
      if (!before.value.removed) await refuseWhileServing(name);
      await writeUpstream(name, { removed: true }, fence);
      try {
        await refuseWhileServing(name);
      } catch (error) {
        // Somebody was placed on it in between.
        await writeUpstream(name, { removed: false }, fence);
        throw error;
      }
    }
    return publisher.publish([upstreams, name]);
  }

  async function refuseWhileServing(name: string): Promise<void> {
    const { items } = await tenants.list({ where: [{ field: 'upstream', op: 'eq', value: name }], pageSize: 1 });
    const parts = await platformRoutes.list({ pageSize: 1_000 });
    const served = items[0]?.id ?? parts.items.find(({ value }) => value.upstream === name)?.id;
    if (served === undefined) return;
    throw new BurgageError('transition_not_allowed', {
      message: `The upstream ${name} serves ${served} and cannot be removed: expected one that serves nobody.`,
      metadata: { upstream: name, serves: served },
    });
  }

  async function putPlatformRoute(label: string, upstream: string): Promise<{ host: string; revision: number }> {
    const host = hostOf(unwrap(parsePlatformLabel(label)));
    await getUpstream(upstream);
    const id = platformRouteId(label);
    const wanted: PlatformRouteRecord = { label, upstream };
    await claim(host, id);
    await put(platformRoutes, id, wanted, {
      begin: (value) => [routeItem(platformEntry(value, 1))],
      decide: ({ value }) => ok(value.upstream === upstream ? value : wanted),
      outbox: ({ version }, value) => [routeItem(platformEntry(value, version + 1))],
    });
    const revision = await publisher.publish([upstreams, upstream], [hosts, host], [platformRoutes, id]);
    await getUpstream(upstream);
    return { host, revision };
  }

  return {
    hostOf,
    showHost,
    putTenantRoute,
    removeTenantRoute,
    releaseHosts,
    putUpstream,
    getUpstream,
    listUpstreams,
    removeUpstream,
    putPlatformRoute,
  };
}
