// Translates the registry's tenants into what the API shows.
import { BurgageError, type Tenant as RegistryTenant, TenantState } from '@burgage/contracts';
import { holds, isolations } from '@burgage/tenancy';
import type { Tenant, tenantStates } from '../schemas/tenants.ts';
import { isoTime } from './time.ts';

type TenantStateName = (typeof tenantStates)[number];

const stateNames: Readonly<Partial<Record<TenantState, TenantStateName>>> = {
  [TenantState.REQUESTED]: 'requested',
  [TenantState.PROVISIONING]: 'provisioning',
  [TenantState.ACTIVE]: 'active',
  [TenantState.FAILED]: 'failed',
  [TenantState.TERMINATING]: 'terminating',
  [TenantState.TERMINATED]: 'terminated',
};

/** The registry's number for the name of a state. */
export function tenantStateFromName(name: TenantStateName): TenantState {
  const found = Object.entries(stateNames).find(([, known]) => known === name);
  return found === undefined ? TenantState.UNSPECIFIED : Number(found[0]);
}

/** The tenant as the API shows it, without its instance; `publicUrlOf` says where a slug is reached. */
export function tenantView(tenant: RegistryTenant, publicUrlOf: (slug: string) => string): Tenant {
  const state = stateNames[tenant.state];
  const createdAt = isoTime(tenant.createTime);
  if (state === undefined || createdAt === undefined) {
    throw new BurgageError('internal', {
      cause: new Error(`the registry sent tenant ${tenant.id} in state ${tenant.state}, created ${createdAt}`),
    });
  }
  const isolation = isolations.find((known) => known === tenant.isolation);
  const pendingIsolation = isolations.find((known) => known === tenant.pendingIsolation);
  const trialEndsAt = isoTime(tenant.trialEndTime);
  const slugQuarantineEndsAt = isoTime(tenant.slugQuarantineEndTime);
  return {
    id: tenant.id,
    ...(tenant.slug === '' ? {} : { slug: tenant.slug, url: publicUrlOf(tenant.slug) }),
    ...(tenant.slug === '' && tenant.formerSlug !== '' ? { formerSlug: tenant.formerSlug } : {}),
    company: tenant.company,
    plan: tenant.plan,
    catalog: tenant.catalog,
    ...(isolation === undefined ? {} : { isolation }),
    ...(pendingIsolation === undefined ? {} : { pendingIsolation }),
    ...(tenant.isolationNote === '' ? {} : { isolationNote: tenant.isolationNote }),
    moving: tenant.moving,
    state,
    holds: holds.filter((hold) => tenant.holds.includes(hold)),
    owner: tenant.ownerEmail,
    ...(tenant.limits === undefined
      ? {}
      : {
          limits: {
            requestsPerSecond: tenant.limits.requestsPerSecond,
            concurrency: tenant.limits.concurrency,
            bodyBytesMax: Number(tenant.limits.bodyBytesMax),
          },
        }),
    features: tenant.features,
    hosts: tenant.hosts,
    ...(tenant.upstream === '' ? {} : { upstream: tenant.upstream }),
    createdAt,
    ...(trialEndsAt === undefined ? {} : { trialEndsAt }),
    gracePeriodDays: tenant.gracePeriodDays,
    ...(slugQuarantineEndsAt === undefined ? {} : { slugQuarantineEndsAt }),
    version: Number(tenant.version),
    ...(tenant.failure === '' ? {} : { failure: tenant.failure }),
    ...(tenant.operationId === '' ? {} : { operationId: tenant.operationId }),
  };
}
