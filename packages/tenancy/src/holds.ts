// Holds: the reasons why a tenant is not served, each lifted on its own.

/**
 * `operator`: a person stopped it · `unpaid`: an invoice is open · `trial_ended`: the trial is over and no plan was chosen.
 *
 * A tenant is suspended while it has any. They stand beside its state, can be added and lifted while it is provisioning or
 * active, and stay with one that is being closed. With several, gateways say the first of this list: `tenant_suspended`,
 * `tenant_unpaid`, `tenant_trial_ended`.
 */
export const holds = ['operator', 'unpaid', 'trial_ended'] as const;

export type Hold = (typeof holds)[number];

export function isHold(text: string): text is Hold {
  return (holds as readonly string[]).includes(text);
}
