// The endpoints of one upstream: which of them gets the next request, and which have failed too often to get one.
import type { Clock } from '@burgage/runtime';
import type { Endpoint } from '@burgage/tenancy';
import type { Piece } from './put.ts';

export interface EjectionRules {
  /** Failures in a row that eject an endpoint. */
  readonly consecutiveFailures: number;
  /** The first ejection's length; the n-th takes n times as long. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** From this share of ejected endpoints on, ejections are ignored: then the failure is elsewhere. */
  readonly panicShare: number;
}

export const ejectionRules: EjectionRules = { consecutiveFailures: 5, baseMs: 30_000, maxMs: 300_000, panicShare: 0.5 };

/** An endpoint with what was seen of it. */
export interface EndpointState {
  readonly address: string;
  weight: number;
  zone: string;
  inflight: number;
  failuresInARow: number;
  ejections: number;
  ejectedUntilMs: number;
  /** No longer part of the upstream; finishes what is in flight. */
  removed: boolean;
  /** What lines of the access log say of it, once one has. */
  logged: Piece | undefined;
}

/** What became of a request at an endpoint. `neutral`: says nothing about it, as when the client went away. */
export type Outcome = 'success' | 'failure' | 'neutral';

/** At most a fifth of the requests in flight may be retries, and three may always be. */
const retryShareMax = 0.2;
const retriesMin = 3;

/** One upstream's endpoints with their state. Addresses that stay keep theirs when the set changes. */
export class EndpointSet {
  readonly #rules: EjectionRules;
  readonly #byAddress = new Map<string, EndpointState>();
  #live: EndpointState[] = [];
  #source: readonly Endpoint[] | undefined;
  #inflight = 0;
  #retries = 0;

  constructor(rules: EjectionRules = ejectionRules) {
    this.#rules = rules;
  }

  /** Takes over the endpoints of the route; gives the addresses that are gone with nothing in flight. */
  update(endpoints: readonly Endpoint[]): string[] {
    if (endpoints === this.#source) return [];
    this.#source = endpoints;
    const kept = new Set<string>();
    this.#live = [];
    for (const { address, weight, zone } of endpoints) {
      if (kept.has(address)) continue;
      kept.add(address);
      const known = this.#byAddress.get(address);
      const state = known ?? unseen(address);
      state.weight = Math.max(1, weight);
      state.zone = zone;
      state.removed = false;
      this.#byAddress.set(address, state);
      this.#live.push(state);
    }
    const idle: string[] = [];
    for (const state of this.#byAddress.values()) {
      if (kept.has(state.address)) continue;
      state.removed = true;
      if (state.inflight === 0) {
        this.#byAddress.delete(state.address);
        idle.push(state.address);
      }
    }
    return idle;
  }

  get endpoints(): readonly EndpointState[] {
    return this.#live;
  }

  get inflight(): number {
    return this.#inflight;
  }

  isEjected(endpoint: EndpointState, nowMs: number): boolean {
    return endpoint.ejectedUntilMs > nowMs;
  }

  /**
   * The less busy, by its weight, of two that are drawn by weight among those in good standing. `except` is the one that just
   * failed. `draw` gives numbers from 0 up to 1. Undefined where there is none.
   */
  choose(clock: Pick<Clock, 'monotonicMs'>, draw: () => number, except?: EndpointState): EndpointState | undefined {
    // The only one is never ejected.
    if (this.#live.length === 1) return this.#live[0] === except ? undefined : this.#live[0];
    const nowMs = clock.monotonicMs();
    const ejected = this.#live.reduce((count, endpoint) => count + (this.isEjected(endpoint, nowMs) ? 1 : 0), 0);
    const isPanic = ejected >= this.#live.length * this.#rules.panicShare;
    let candidates = this.#live;
    if ((ejected > 0 && !isPanic) || except !== undefined) {
      candidates = candidates.filter((endpoint) => endpoint !== except && (isPanic || !this.isEjected(endpoint, nowMs)));
    }
    const first = drawByWeight(candidates, draw);
    if (first === undefined || candidates.length === 1) return first;
    const second =
      drawByWeight(
        candidates.filter((endpoint) => endpoint !== first),
        draw,
      ) ?? first;
    return load(second) < load(first) ? second : first;
  }

  /** A request goes to the endpoint. */
  begin(endpoint: EndpointState, isRetry = false): void {
    endpoint.inflight += 1;
    this.#inflight += 1;
    if (isRetry) this.#retries += 1;
  }

  /** The request came to its end; the address is given where the endpoint is gone and this was its last. */
  end(endpoint: EndpointState, isRetry = false): string | undefined {
    endpoint.inflight -= 1;
    this.#inflight -= 1;
    if (isRetry) this.#retries -= 1;
    if (!endpoint.removed || endpoint.inflight > 0) return undefined;
    this.#byAddress.delete(endpoint.address);
    return endpoint.address;
  }

  /** Notes what was seen of the endpoint; true where that ejects it. The last one in good standing never is. */
  note(endpoint: EndpointState, outcome: Outcome, clock: Pick<Clock, 'monotonicMs'>): boolean {
    if (outcome === 'neutral') return false;
    if (outcome === 'success') {
      endpoint.failuresInARow = 0;
      // Served well for as long as its next ejection would last: the past is forgotten.
      if (endpoint.ejections > 0 && clock.monotonicMs() >= endpoint.ejectedUntilMs + this.#ejectionMs(endpoint.ejections + 1))
        endpoint.ejections = 0;
      return false;
    }
    const nowMs = clock.monotonicMs();
    endpoint.failuresInARow += 1;
    if (endpoint.failuresInARow < this.#rules.consecutiveFailures || this.isEjected(endpoint, nowMs)) return false;
    const others = this.#live.filter((other) => other !== endpoint && !this.isEjected(other, nowMs));
    if (others.length === 0) return false;
    endpoint.ejections += 1;
    endpoint.failuresInARow = 0;
    endpoint.ejectedUntilMs = nowMs + this.#ejectionMs(endpoint.ejections);
    return true;
  }

  /** True while the budget has room for one more retry. */
  mayRetry(): boolean {
    return this.#retries < Math.max(retriesMin, Math.floor(this.#inflight * retryShareMax));
  }

  #ejectionMs(times: number): number {
    return Math.min(this.#rules.baseMs * times, this.#rules.maxMs);
  }
}

function unseen(address: string): EndpointState {
  return {
    address,
    weight: 1,
    zone: '',
    inflight: 0,
    failuresInARow: 0,
    ejections: 0,
    ejectedUntilMs: 0,
    removed: false,
    logged: undefined,
  };
}

function load({ inflight, weight }: EndpointState): number {
  return inflight / weight;
}

function drawByWeight(endpoints: readonly EndpointState[], draw: () => number): EndpointState | undefined {
  let total = 0;
  for (const { weight } of endpoints) total += weight;
  let point = draw() * total;
  for (const endpoint of endpoints) {
    point -= endpoint.weight;
    if (point < 0) return endpoint;
  }
  return endpoints.at(-1);
}
