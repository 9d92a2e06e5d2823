// The life of a tenant: its states, and the one door between them.
import { BurgageError } from '@burgage/contracts';
import { err, ok, type Result } from './result.ts';

/**
 * Every state with those that may follow. Holds stand beside the state and are not in here.
 *
 * A tenant fails only out of `provisioning`: whatever is wrong with it, it is the provision operation that finds out,
 * and that operation moves the tenant to `provisioning` first. One thing leads back: a termination that is cancelled. A
 * company that tries again after a failure is another tenant.
 */
const followers = {
  requested: ['provisioning'],
  provisioning: ['active', 'failed'],
  active: ['terminating'],
  failed: ['terminating'],
  terminating: ['terminated', 'active'],
  terminated: [],
} as const satisfies Record<string, readonly string[]>;

export type TenantState = keyof typeof followers;

export const tenantStates = Object.keys(followers) as readonly TenantState[];

export function isTenantState(text: string): text is TenantState {
  return Object.hasOwn(followers, text);
}

/**
 * The only way from one state to another: `to`, or `transition_not_allowed` with a message that names the state and
 * what it allows. Staying is no transition: who repeats a move compares first.
 */
export function transition(from: TenantState, to: TenantState): Result<TenantState> {
  const allowed: readonly TenantState[] = followers[from];
  if (allowed.includes(to)) return ok(to);
  const rest = allowed.length === 0 ? 'nothing follows that state' : `only ${allowed.join(' or ')} may follow`;
  return err(
    new BurgageError('transition_not_allowed', {
      message: `The tenant is ${from} and cannot become ${to}: ${rest}.`,
      metadata: { from, to, allowed: allowed.join(',') },
    }),
  );
}
