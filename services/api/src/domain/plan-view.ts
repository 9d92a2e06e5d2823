// Translates the catalog's plans into what the API shows.
import type { Catalog } from '@burgage/tenancy';
import type { PlanList } from '../schemas/plans.ts';

/** The catalog's plans, in its order. */
export function planListView(catalog: Catalog): PlanList {
  return {
    catalog: catalog.name,
    title: catalog.title,
    currency: catalog.currency,
    items: Object.entries(catalog.plans).map(([name, plan]) => {
      const trialDays = plan.trialDays;
      return {
        name,
        title: plan.title,
        priceMinor: plan.priceMinor,
        isolation: plan.isolation,
        ...(trialDays === undefined ? {} : { trialDays }),
        limits: plan.limits,
        features: [...plan.features],
      };
    }),
  };
}
