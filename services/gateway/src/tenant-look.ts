// The look at every tenant once a second: whose requests are refused, who gets a label, what each uses, and who is forgotten.
import type { TenantLimits } from '@burgage/tenancy';
import type { LimitShares } from './domain/limit-shares.ts';
import type { TenantMeters } from './domain/tenant-meters.ts';
import type { Overload } from './overload.ts';

export interface TenantLookParts {
  readonly meters: TenantMeters;
  readonly overload: Overload;
  readonly shares: LimitShares;
  readonly limitsOf: (tenantId: string) => TenantLimits | undefined;
  /** A tenant is not counted by itself any more. */
  readonly onLabelEnded: (label: string) => void;
}

/** Every so many looks the metric labels go to the tenants that are busiest now. */
export const looksPerLabels = 60;

/** Each look takes the slices in their order, and is ended when it had them all. */
export class TenantLook {
  readonly #parts: TenantLookParts;
  #looks = 0;

  constructor(parts: TenantLookParts) {
    this.#parts = parts;
  }

  get #givesLabels(): boolean {
    return (this.#looks + 1) % looksPerLabels === 0;
  }

  /** What is refused goes by what was used as of the last look, as its bound does. Labels go before the sweep, which forgets who asked once. */
  see(slice: number, nowMs: number): void {
    const { meters, overload, shares, limitsOf } = this.#parts;
    if (slice === 0) overload.look();
    if (overload.isSeeing) meters.each(slice, overload.shed);
    if (this.#givesLabels) meters.roll(slice);
    meters.sweep(slice, nowMs, (meter) => {
      const isToBeShared = shares.see(meter, nowMs, limitsOf);
      const isToBeShed = overload.isSeeing && overload.weigh(meter);
      return isToBeShared || isToBeShed;
    });
  }

  end(): void {
    const { meters, overload, shares, onLabelEnded } = this.#parts;
    overload.say();
    shares.seenAll();
    if (this.#givesLabels) for (const label of meters.relabel()) onLabelEnded(label);
    this.#looks += 1;
  }
}
