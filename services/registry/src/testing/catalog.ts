// A catalog for the registry's tests: plans of every isolation, two in the pool, of which one has a trial.
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
