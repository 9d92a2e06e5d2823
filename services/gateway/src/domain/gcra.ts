// GCRA, the rate limit (ITU-T I.371): exact in integers, one pair of numbers per tenant; a share of a limit need not be whole.

/**
 * When the next request is due, as whole milliseconds and a rest in units of 1/limit ms. Kept apart so that the arithmetic
 * stays exact for any clock and any limit.
 */
export interface RateState {
  dueMs: number;
  dueUnits: number;
  /** The limit that the units belong to; 0: nothing was taken yet. */
  limit: number;
}

/** A request costs this many units: 1000/limit milliseconds. */
const unitsPerRequest = 1000;

export function freshRate(): RateState {
  return { dueMs: 0, dueUnits: 0, limit: 0 };
}

/**
 * Hot path. Takes one request at `nowMs` (whole milliseconds) under `limit` requests a second with a burst of as many, at least
 * of one, and says 0; or leaves the state alone and says how many milliseconds to wait for the next.
 *
 * Guarantee: in any window of W ms at most limit + limit × W / 1000 requests are let through, and one where that is less.
 */
export function takeRate(state: RateState, limit: number, nowMs: number): number {
  if (state.limit !== limit) changeLimit(state, limit, nowMs);
  const aheadUnits = state.dueMs < nowMs ? 0 : (state.dueMs - nowMs) * limit + state.dueUnits;
  const excessUnits = limit < 1 ? aheadUnits : aheadUnits - (limit - 1) * unitsPerRequest;
  if (excessUnits > 0) return Math.ceil(excessUnits / limit);
  const nextUnits = aheadUnits + unitsPerRequest;
  state.dueMs = nowMs + Math.floor(nextUnits / limit);
  state.dueUnits = nextUnits % limit;
  return 0;
}

/**
 * From now on another limit holds. What was left of the burst is left, up to the new one, and no more: a share that goes from
 * one gateway to another and back would otherwise bring a burst each time. Rounded so that no request is let through by it.
 */
function changeLimit(state: RateState, limit: number, nowMs: number): void {
  if (state.limit > 0) {
    const aheadUnits = state.dueMs < nowMs ? 0 : (state.dueMs - nowMs) * state.limit + state.dueUnits;
    const leftUnits = Math.max(state.limit, 1) * unitsPerRequest - aheadUnits;
    const nextAheadUnits = Math.max(0, Math.max(limit, 1) * unitsPerRequest - leftUnits);
    state.dueMs = nextAheadUnits === 0 ? Math.min(state.dueMs, nowMs) : nowMs + Math.ceil(nextAheadUnits / limit);
    state.dueUnits = 0;
  }
  state.limit = limit;
}

/** True when the state says no more than a fresh one would. */
export function isRateIdle(state: Pick<RateState, 'dueMs'>, nowMs: number): boolean {
  return state.dueMs < nowMs;
}
