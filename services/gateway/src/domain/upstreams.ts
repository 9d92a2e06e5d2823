// The endpoint sets of all upstreams, made when first needed and forgotten when their upstream is gone.
import type { Endpoint } from '@burgage/tenancy';
import { type EjectionRules, EndpointSet, type EndpointState, ejectionRules } from './endpoint-set.ts';

export class Upstreams {
  readonly #rules: EjectionRules;
  readonly #onIdle: (address: string) => void;
  readonly #sets = new Map<string, EndpointSet>();
  /** Where the sweep is among them. */
  #swept = this.#sets.entries();

  /** `onIdle` hears of each address that is no longer an endpoint and has nothing in flight. */
  constructor(onIdle: (address: string) => void, rules: EjectionRules = ejectionRules) {
    this.#onIdle = onIdle;
    this.#rules = rules;
  }

  /** The set of `upstream` with these endpoints. */
  set(upstream: string, endpoints: readonly Endpoint[]): EndpointSet {
    let set = this.#sets.get(upstream);
    if (set === undefined) {
      set = new EndpointSet(this.#rules);
      this.#sets.set(upstream, set);
    }
    for (const address of set.update(endpoints)) this.#onIdle(address);
    return set;
  }

  /** A request at `endpoint` came to its end. */
  ended(set: EndpointSet, endpoint: EndpointState, isRetry: boolean): void {
    const idle = set.end(endpoint, isRetry);
    if (idle !== undefined) this.#onIdle(idle);
  }

  /**
   * Takes over what changed without a request having come since; `endpointsOf` is the table's. Of all upstreams it looks at one of
   * `parts`: called so often it has looked at all of them.
   */
  sweep(endpointsOf: (upstream: string) => readonly Endpoint[] | undefined, parts = 1): void {
    for (let left = Math.ceil(this.#sets.size / parts); left > 0; left--) {
      let next = this.#swept.next();
      if (next.done) {
        this.#swept = this.#sets.entries();
        next = this.#swept.next();
        if (next.done) return;
      }
      const [upstream, set] = next.value;
      const endpoints = endpointsOf(upstream);
      for (const address of set.update(endpoints ?? [])) this.#onIdle(address);
      if (endpoints === undefined && set.inflight === 0) this.#sets.delete(upstream);
    }
  }
}
