// The change-plan operation: price, limits and features at once; where the tenant lives stays as it is.
import { done, type OperationDefinition } from '../definition.ts';
import type { Infrastructure, TenantStanding } from '../ports.ts';
import { hourMs, type Kit, notAllowed, platformCall } from './kit.ts';

export type ChangePlanInput = { readonly tenantId: string; readonly plan: string };

/** @throws BurgageError `transition_not_allowed` where the tenant is on the plan. */
export function checkChangePlan(tenant: TenantStanding, plan: string): void {
  if (tenant.plan === plan) throw notAllowed(`The tenant is on the plan ${plan} already.`, { plan });
}

export function changePlanDefinition({ tenants }: Infrastructure, kit: Kit): OperationDefinition<ChangePlanInput> {
  return {
    kind: 'change_plan',
    version: 1,
    pointOfNoReturn: 'plan',
    deadlineMs: 2 * hourMs,
    steps: [
      {
        name: 'check',
        ...platformCall,
        async run({ input, signal }) {
          const tenant = await kit.active(input.tenantId, 'put on another plan', signal);
          checkChangePlan(tenant, input.plan);
          await tenants.checkPlan(tenant.id, input.plan, signal);
          return done(`${tenant.plan} → ${input.plan}`);
        },
      },
      {
        name: 'plan',
        ...platformCall,
        async run({ input, fence, signal }) {
          return done(await kit.shown(await tenants.changePlan(input.tenantId, input.plan, fence, signal), signal));
        },
      },
    ],
  };
}
