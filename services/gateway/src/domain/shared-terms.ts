// The terms that tenants are served on, each kept once however many tenants have the same.
import type { Hold, Isolation, TenantLimits, TenantRoute, TenantState } from '@burgage/tenancy';

/** What tenants on one plan have in common; one object for all of them, so that a tenant more costs little memory. */
export interface Terms {
  readonly state: TenantState;
  readonly plan: string;
  readonly limits?: TenantLimits;
  readonly features: readonly string[];
  readonly isolation: Isolation | '';
  readonly platform: boolean;
  readonly moving: boolean;
  readonly holds: readonly Hold[];
}

/** The terms of all tenants, each once. */
export class SharedTerms {
  readonly #rows: { readonly key: string; readonly terms: Terms; users: number }[] = [];
  readonly #places = new Map<string, number>();
  /** Places of terms that nobody has any more. */
  readonly #free: number[] = [];
  /** Those of the tenant before: in a snapshot mostly those of the next one too. */
  #last = -1;

  at(place: number): Terms | undefined {
    return this.#rows[place]?.terms;
  }

  /** The place of the terms of `route`, until `release`. */
  take(route: TenantRoute): number {
    const last = this.#rows[this.#last];
    if (last !== undefined && areTerms(last.terms, route)) {
      last.users += 1;
      return this.#last;
    }
    const { state, plan, limits, features, isolation, platform, moving, holds } = route;
    const key = JSON.stringify([state, plan, limits, features, isolation, platform, moving, holds]);
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.#free.pop() ?? this.#rows.length;
      this.#rows[place] = {
        key,
        terms: { state, plan, ...(limits && { limits }), features, isolation, platform, moving, holds },
        users: 0,
      };
      this.#places.set(key, place);
    }
    const row = this.#rows[place];
    if (row !== undefined) row.users += 1;
    this.#last = place;
    return place;
  }

  release(place: number): void {
    const row = this.#rows[place];
    if (row === undefined) return;
    row.users -= 1;
    if (row.users > 0) return;
    this.#places.delete(row.key);
    this.#free.push(place);
    if (this.#last === place) this.#last = -1;
  }
}

function areTerms(terms: Terms, { state, plan, limits, features, isolation, platform, moving, holds }: TenantRoute): boolean {
  return (
    terms.state === state &&
    terms.plan === plan &&
    terms.isolation === isolation &&
    terms.platform === platform &&
    terms.moving === moving &&
    terms.limits?.requestsPerSecond === limits?.requestsPerSecond &&
    terms.limits?.concurrency === limits?.concurrency &&
    terms.limits?.bodyBytesMax === limits?.bodyBytesMax &&
    areSame(terms.features, features) &&
    areSame(terms.holds, holds)
  );
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((item, index) => item === others[index]);
}
