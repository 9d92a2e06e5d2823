// The suspend and resume operations: a hold is added, or lifted.
import type { Hold } from '@burgage/tenancy';
import { done, type OperationDefinition } from '../definition.ts';
import type { Infrastructure, TenantStanding } from '../ports.ts';
import { hourMs, type Kit, notAllowed, platformCall } from './kit.ts';

export type HoldInput = { readonly tenantId: string; readonly hold: Hold };

/** @throws BurgageError `transition_not_allowed` where the tenant has the hold. */
export function checkSuspend({ holds }: TenantStanding, hold: Hold): void {
  if (holds.includes(hold)) throw notAllowed(`The tenant has the hold ${hold} already.`, { holds: holds.join(',') });
}

/** @throws BurgageError `transition_not_allowed` where the tenant has not got the hold. */
export function checkResume({ holds }: TenantStanding, hold: Hold): void {
  if (holds.includes(hold)) return;
  const had = holds.length === 0 ? 'it has none' : `it has ${holds.join(' and ')}`;
  throw notAllowed(`The tenant has no hold ${hold}: ${had}.`, { holds: holds.join(',') });
}

export function holdDefinitions({ tenants }: Infrastructure, kit: Kit): readonly OperationDefinition<HoldInput>[] {
  return [
    {
      kind: 'suspend',
      version: 1,
      pointOfNoReturn: 'hold',
      deadlineMs: 2 * hourMs,
      steps: [
        {
          name: 'check',
          ...platformCall,
          async run({ input, signal }) {
            checkSuspend(await kit.active(input.tenantId, 'suspended', signal), input.hold);
            return done('active');
          },
        },
        {
          name: 'hold',
          ...platformCall,
          async run({ input, fence, signal }) {
            return done(`${input.hold}; ${await kit.shown(await tenants.addHold(input.tenantId, input.hold, fence, signal), signal)}`);
          },
        },
      ],
    },
    {
      kind: 'resume',
      version: 1,
      pointOfNoReturn: 'release',
      deadlineMs: 2 * hourMs,
      steps: [
        {
          name: 'check',
          ...platformCall,
          async run({ input, signal }) {
            checkResume(await kit.active(input.tenantId, 'resumed', signal), input.hold);
            return done(input.hold);
          },
        },
        {
          name: 'release',
          ...platformCall,
          async run({ input, fence, signal }) {
            return done(await kit.shown(await tenants.liftHold(input.tenantId, input.hold, fence, signal), signal));
          },
        },
      ],
    },
  ];
}
