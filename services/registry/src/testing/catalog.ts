// A catalog for the registry's tests: one plan in the pool with a trial, one without, and two that cannot be provisioned yet.
import type { Catalog, Plan } from '@burgage/tenancy';

const plan = (isolation: Plan['isolation'], more: Partial<Plan> = {}): Plan => ({
  title: 'A plan',
  priceMinor: 0,
  isolation,
  limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 1_048_576 },
  features: ['contacts'],
  ...more,
});

export const testCatalog: Catalog = {
  name: 'test',
  title: 'Test',
  currency: 'USD',
  app: { name: 'desk', entry: '/nowhere', readyPath: '/readyz' },
  plans: { trial: plan('pool', { trialDays: 15 }), free: plan('pool'), starter: plan('bridge'), professional: plan('silo') },
};
