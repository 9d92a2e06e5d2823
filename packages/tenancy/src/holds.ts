// Holds: the reasons why a tenant is not served, each lifted on its own.

/** `operator`: a person stopped it · `unpaid`: an invoice is open · `trial_ended`: the trial is over and no plan was chosen. */
export const holds = ['operator', 'unpaid', 'trial_ended'] as const;

export type Hold = (typeof holds)[number];

export function isHold(text: string): text is Hold {
  return (holds as readonly string[]).includes(text);
}
