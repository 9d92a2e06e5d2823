// The plans that a tenant can be signed up to.
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { planListView } from '../domain/plan-view.ts';
import type { ApiEnv, ApiPorts } from '../http/env.ts';
import { PlanListSchema, planListExample } from '../schemas/plans.ts';
import { json, problems } from '../schemas/responses.ts';

const listPlans = createRoute({
  method: 'get',
  path: '/v1/plans',
  operationId: 'listPlans',
  tags: ['tenants'],
  summary: 'List the plans of the catalog',
  description: 'What a tenant can be signed up to, in the order of the catalog.',
  responses: { 200: json('The plans.', PlanListSchema, planListExample), ...problems() },
});

/** Mounts them on `app`. */
export function mountPlans(app: OpenAPIHono<ApiEnv>, { catalog }: ApiPorts): void {
  app.openapi(listPlans, (c) => c.json(planListView(catalog), 200));
}
