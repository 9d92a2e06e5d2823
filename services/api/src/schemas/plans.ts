// The plans of the catalog, as the API shows them.

import { isolations } from '@burgage/tenancy';
import { z } from '@hono/zod-openapi';
import { LimitsSchema } from './tenants.ts';

export const PlanSchema = z
  .object({
    name: z.string().openapi({ example: 'trial' }),
    title: z.string().openapi({ example: 'Trial' }),
    priceMinor: z.int().nonnegative().openapi({ description: 'A month, in minor units of the currency.', example: 0 }),
    isolation: z.enum(isolations).openapi({ example: 'pool' }),
    trialDays: z.int().positive().optional().openapi({ example: 15 }),
    limits: LimitsSchema,
    features: z.array(z.string()),
  })
  .openapi('Plan');

export const PlanListSchema = z
  .object({
    catalog: z.string().openapi({ example: 'litedesk' }),
    title: z.string().openapi({ example: 'Litedesk' }),
    currency: z.string().openapi({ example: 'USD' }),
    items: z.array(PlanSchema),
  })
  .openapi('PlanList');

export type PlanList = z.infer<typeof PlanListSchema>;

export const planListExample: PlanList = {
  catalog: 'litedesk',
  title: 'Litedesk',
  currency: 'USD',
  items: [
    {
      name: 'trial',
      title: 'Trial',
      priceMinor: 0,
      isolation: 'pool',
      trialDays: 15,
      limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 10485760 },
      features: ['contacts', 'deals'],
    },
  ],
};
