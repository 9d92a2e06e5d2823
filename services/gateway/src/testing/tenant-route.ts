// A tenant's route for tests: served from the pool, without limits.
import type { TenantRoute } from '@burgage/tenancy';

export function tenantRoute(fields: Partial<TenantRoute> = {}): TenantRoute {
  return {
    kind: 'tenant',
    tenantId: 'ten_1',
    slug: 'acme',
    plan: 'trial',
    state: 'active',
    holds: [],
    features: [],
    upstream: 'shared',
    isolation: 'pool',
    entitlementVersion: 1,
    branding: { name: 'Acme', color: '#336699' },
    platform: false,
    moving: false,
    ...fields,
  };
}
