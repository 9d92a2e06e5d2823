// What a tenant is entitled to and whether it is served: its plan, its holds, the isolation due to it, its move.
import { isDeepStrictEqual } from 'node:util';
import { BurgageError, invalidField } from '@burgage/contracts';
import { type Catalog, entitledIsolation, err, got, type Hold, holds, type Isolation, isHold, ok, type Result } from '@burgage/tenancy';
import type { Fence } from './fence.ts';
import { enter, type TenantRecord } from './tenant.ts';
import { parsePlan } from './tenant-request.ts';

/** `invalid_argument` unless it is one of the holds. */
export function parseHold(text: string): Result<Hold> {
  return isHold(text) ? ok(text) : err(invalidField('hold', `${got(text)}, expected one of ${holds.join(', ')}`));
}

/** The tenant with what `changed` makes of it; the same object where that is nothing. @returns `fenced`, or `transition_not_allowed` where its state is none of `states`. */
function changedIn(
  record: TenantRecord,
  fence: Fence,
  { what, states }: { readonly what: string; readonly states: readonly TenantRecord['state'][] },
  changed: (record: TenantRecord) => TenantRecord,
): Result<TenantRecord> {
  const entered = enter(record, fence);
  if (!entered.ok) return entered;
  const next = changed(entered.value);
  if (next === entered.value || states.includes(record.state)) return ok(next);
  return err(
    new BurgageError('transition_not_allowed', {
      message: `The tenant is ${record.state} and ${what}: that needs one that is ${states.join(' or ')}.`,
      metadata: { state: record.state, allowed: states.join(',') },
    }),
  );
}

/** While there is something to be held back, or to pay for. */
const living = ['provisioning', 'active'] as const;

/** Adds a hold, in `provisioning` and `active`; one that is there already stays in any state. @returns `fenced`, `transition_not_allowed`. */
export function addHold(record: TenantRecord, hold: Hold, fence: Fence): Result<TenantRecord> {
  return changedIn(record, fence, { what: 'cannot be held', states: living }, (before) =>
    before.holds.includes(hold) ? before : entitled(before, { holds: holds.filter((one) => one === hold || before.holds.includes(one)) }),
  );
}

/** Lifts a hold, in `provisioning` and `active`; where there is none nothing is done in any state. @returns `fenced`, `transition_not_allowed`. */
export function liftHold(record: TenantRecord, hold: Hold, fence: Fence): Result<TenantRecord> {
  return changedIn(record, fence, { what: 'its holds stay', states: living }, (before) =>
    before.holds.includes(hold) ? entitled(before, { holds: before.holds.filter((one) => one !== hold) }) : before,
  );
}

/** Says that it moves, in `active`; that it no longer does can be said in any state. @returns `fenced`, `transition_not_allowed`. */
export function setMoving(record: TenantRecord, moving: boolean, fence: Fence): Result<TenantRecord> {
  return changedIn(record, fence, { what: 'cannot move', states: moving ? ['active'] : [record.state] }, (before) => {
    if (moving === (before.moving ?? false)) return before;
    const { moving: _, ...still } = before;
    return moving ? { ...still, moving } : still;
  });
}

const dayMs = 24 * 60 * 60 * 1000;

/**
 * Puts a tenant on another plan of its catalog, in `provisioning` and `active`: limits and features follow, its isolation
 * stays. On the plan that it has, limits and features become what the catalog says today. A trial that runs goes on on
 * another plan with a trial, and is over on one without.
 * @returns `fenced`, `transition_not_allowed`, or `unknown_plan` naming those there are.
 */
export function changePlan(record: TenantRecord, name: string, catalog: Catalog, fence: Fence, nowMs: number): Result<TenantRecord> {
  const plan = record.catalog === catalog.name ? parsePlan(name, catalog) : err(catalogNotHere(record, name));
  if (!plan.ok) return plan;
  const { limits, features, trialDays } = plan.value;
  return changedIn(record, fence, { what: 'its plan stays', states: living }, (before) => {
    if (before.plan === name && isDeepStrictEqual([before.limits, before.features], [limits, features])) return before;
    const { trialEndTimeMs, ...rest } = entitled(before, { plan: name, limits, features });
    if (trialDays === undefined) return rest;
    // As for a new tenant: until it is first served, a trial is counted from its request on.
    const beginMs = before.state === 'active' ? nowMs : before.createTimeMs;
    return { ...rest, trialEndTimeMs: trialEndTimeMs ?? beginMs + trialDays * dayMs };
  });
}

function entitled(record: TenantRecord, change: Partial<TenantRecord>): TenantRecord {
  return { ...record, ...change, entitlementVersion: record.entitlementVersion + 1 };
}

function catalogNotHere({ catalog }: TenantRecord, name: string): BurgageError {
  const description = `${got(name)}, expected a plan of the catalog ${catalog}, which is not the one that is served here`;
  return new BurgageError('unknown_plan', { message: `plan: ${description}`, fields: [{ field: 'plan', description }] });
}

/** What is due to a tenant; each empty where there is nothing to say. */
export interface Due {
  /** The isolation that a move would give it. */
  readonly pendingIsolation: Isolation | '';
  /** Why it is not the isolation of its plan, for a person. */
  readonly isolationNote: string;
  /** Days that its plan gives it between the request to close it and the removal of its data. */
  readonly gracePeriodDays: number;
}

const nothingDue: Due = { pendingIsolation: '', isolationNote: '', gracePeriodDays: 0 };

/** What is due by the catalog as it is today: no isolation to one that is going or gone, and nothing where its plan is not known here. */
export function dueTo(record: TenantRecord, catalog: Catalog, dedicated: boolean): Due {
  const plan = record.catalog === catalog.name ? parsePlan(record.plan, catalog) : undefined;
  if (!plan?.ok) return nothingDue;
  const { isolation, gracePeriodDays = 0 } = plan.value;
  if (!['requested', ...living].includes(record.state)) return { ...nothingDue, gracePeriodDays };
  const entitledTo = entitledIsolation(isolation, dedicated);
  return {
    gracePeriodDays,
    pendingIsolation: entitledTo === record.isolation ? '' : entitledTo,
    isolationNote:
      entitledTo === isolation
        ? ''
        : `The plan ${record.plan} gives ${isolation}, but dedicated instances are switched off on this platform: every tenant gets ${entitledTo}.`,
  };
}
