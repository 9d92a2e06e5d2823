// The registry behind the port that operations use.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { FenceSchema } from '@burgage/contracts';
import { BurgageError, type RegistryService, type Tenant, TenantState } from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import type { Fence, TenantStanding, Tenants } from '../domain/ports.ts';

type FenceInit = MessageInitShape<typeof FenceSchema>;

function standingOf(tenant: Tenant): TenantStanding {
  return {
    id: tenant.id,
    slug: tenant.slug,
    company: tenant.company,
    plan: tenant.plan,
    isolation: tenant.isolation,
    state: TenantState[tenant.state].toLowerCase(),
    ownerEmail: tenant.ownerEmail,
    color: tenant.branding?.color ?? '',
    holds: tenant.holds,
    upstream: tenant.upstream,
    hosts: tenant.hosts,
    moving: tenant.moving,
    operationId: tenant.operationId,
    graceDays: tenant.gracePeriodDays,
  };
}

function fenceInit(fence: Fence): FenceInit {
  return { operationId: fence.operationId, token: BigInt(fence.token) };
}

function present<T>(value: T | undefined, call: string): T {
  if (value === undefined)
    throw new BurgageError('internal', { cause: new Error(`the registry answered ${call} without what it promises`) });
  return value;
}

/** Every call carries the ambient deadline; `signal` ends it early. */
export function createRegistryTenants(registry: RpcClient<typeof RegistryService>): Tenants {
  async function moved(tenantId: string, state: TenantState, fence: Fence, signal: AbortSignal): Promise<number> {
    return Number((await registry.transitionTenant({ tenantId, state, fence: fenceInit(fence) }, { signal })).revision);
  }

  return {
    async get(tenantId, signal) {
      const { tenant } = await registry.getTenant({ tenant: tenantId }, signal ? { signal } : {});
      return standingOf(present(tenant, 'GetTenant'));
    },
    async *requested(signal) {
      let pageToken = '';
      do {
        const page = await registry.listTenants({ state: TenantState.REQUESTED, oldestFirst: true, pageToken }, { signal });
        for (const tenant of page.tenants) yield tenant.id;
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
    },
    async *all(signal) {
      let pageToken = '';
      do {
        const page = await registry.listTenants({ oldestFirst: true, pageSize: 500, pageToken }, { signal });
        for (const tenant of page.tenants) yield standingOf(tenant);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
    },
    async beginProvisioning(tenantId, fence, signal) {
      await registry.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fenceInit(fence) }, { signal });
    },
    async fail(tenantId, reason, fence, signal) {
      // A tenant fails from provisioning only, and its operation may have failed before it came to that.
      const { tenant } = await registry.getTenant({ tenant: tenantId }, { signal });
      if (tenant?.state === TenantState.REQUESTED) {
        await registry.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fenceInit(fence) }, { signal });
      }
      await registry.transitionTenant({ tenantId, state: TenantState.FAILED, reason, fence: fenceInit(fence) }, { signal });
    },
    async putRoute(tenantId, { upstream, isolation }, fence, signal) {
      const { tenant, revision } = await registry.putTenantRoute({ tenantId, upstream, isolation, fence: fenceInit(fence) }, { signal });
      return { hosts: present(tenant, 'PutTenantRoute').hosts, revision: Number(revision) };
    },
    async removeRoute(tenantId, fence, signal) {
      return Number((await registry.removeTenantRoute({ tenantId, fence: fenceInit(fence) }, { signal })).revision);
    },
    activate: (tenantId, fence, signal) => moved(tenantId, TenantState.ACTIVE, fence, signal),
    beginTerminating: (tenantId, fence, signal) => moved(tenantId, TenantState.TERMINATING, fence, signal),
    terminated: (tenantId, fence, signal) => moved(tenantId, TenantState.TERMINATED, fence, signal),
    async addHold(tenantId, hold, fence, signal) {
      return Number((await registry.addTenantHold({ tenantId, hold, fence: fenceInit(fence) }, { signal })).revision);
    },
    async liftHold(tenantId, hold, fence, signal) {
      return Number((await registry.liftTenantHold({ tenantId, hold, fence: fenceInit(fence) }, { signal })).revision);
    },
    async checkPlan(tenantId, plan, signal) {
      await registry.setTenantPlan({ tenantId, plan, validateOnly: true }, signal ? { signal } : {});
    },
    async changePlan(tenantId, plan, fence, signal) {
      return Number((await registry.setTenantPlan({ tenantId, plan, fence: fenceInit(fence) }, { signal })).revision);
    },
    async setMoving(tenantId, moving, fence, signal) {
      return Number((await registry.setTenantMoving({ tenantId, moving, fence: fenceInit(fence) }, { signal })).revision);
    },
    async putUpstream(name, address, fence, signal) {
      return Number((await registry.putUpstream({ name, endpoints: [{ address }], fence: fenceInit(fence) }, { signal })).revision);
    },
    async removeUpstream(name, fence, signal) {
      return Number((await registry.removeUpstream({ name, fence: fenceInit(fence) }, { signal })).revision);
    },
    async *upstreams(signal) {
      let pageToken = '';
      do {
        const page = await registry.listUpstreams({ pageSize: 500, pageToken }, { signal });
        for (const { name, endpoints } of page.upstreams) yield { name, addresses: endpoints.map(({ address }) => address) };
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
    },
    async endpoints(upstream, signal) {
      const answer = await registry.getUpstream({ name: upstream }, { signal });
      return present(answer.upstream, 'GetUpstream').endpoints.map((endpoint) => endpoint.address);
    },
    async gatewaysAt(revision, signal) {
      const { gateways, epoch } = await registry.listGateways({}, { signal });
      const applied = gateways.filter((gateway) => gateway.epoch === epoch && Number(gateway.appliedRevision) >= revision).length;
      return { applied, behind: gateways.length - applied };
    },
  };
}
