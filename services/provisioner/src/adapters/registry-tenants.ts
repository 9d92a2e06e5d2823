// The registry behind the port that operations use.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { FenceSchema } from '@burgage/contracts';
import { BurgageError, type RegistryService, type Tenant, TenantState } from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import type { Fence, TenantSummary, Tenants } from '../domain/ports.ts';

type FenceInit = MessageInitShape<typeof FenceSchema>;

function summaryOf(tenant: Tenant): TenantSummary {
  return {
    id: tenant.id,
    slug: tenant.slug,
    company: tenant.company,
    plan: tenant.plan,
    isolation: tenant.isolation,
    state: TenantState[tenant.state].toLowerCase(),
    ownerEmail: tenant.ownerEmail,
    color: tenant.branding?.color ?? '',
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
  return {
    async get(tenantId, signal) {
      const { tenant } = await registry.getTenant({ tenant: tenantId }, signal ? { signal } : {});
      return summaryOf(present(tenant, 'GetTenant'));
    },
    async *requested(signal) {
      let pageToken = '';
      do {
        const page = await registry.listTenants({ state: TenantState.REQUESTED, oldestFirst: true, pageToken }, { signal });
        for (const tenant of page.tenants) yield tenant.id;
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
    async putRoute(tenantId, upstream, fence, signal) {
      const { tenant } = await registry.putTenantRoute({ tenantId, upstream, isolation: 'pool', fence: fenceInit(fence) }, { signal });
      return present(tenant, 'PutTenantRoute').hosts;
    },
    async removeRoute(tenantId, fence, signal) {
      await registry.removeTenantRoute({ tenantId, fence: fenceInit(fence) }, { signal });
    },
    async activate(tenantId, fence, signal) {
      const { revision } = await registry.transitionTenant({ tenantId, state: TenantState.ACTIVE, fence: fenceInit(fence) }, { signal });
      return Number(revision);
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
