// GCRA, the rate limit (ITU-T I.371): exact in integers, one pair of numbers per tenant.

/**
 * When the next request is due, as whole milliseconds and a rest in units of 1/limit ms. Kept apart so that the arithmetic
 * stays exact for any clock and any limit.
 */
export interface RateState {
  dueMs: number;
  dueUnits: number;
  /** The limit that the units belong to. */
  limit: number;
}

/** A request costs this many units: 1000/limit milliseconds. */
const unitsPerRequest = 1000;

export function freshRate(): RateState {
  return { dueMs: 0, dueUnits: 0, limit: 1 };
}

/**
 * Hot path. Takes one request at `nowMs` (whole milliseconds) under `limit` requests a second with a burst of as many, and
 * says 0; or leaves the state alone and says how many milliseconds to wait for the next.
 *
 * Guarantee: in any window of W ms at most limit + limit × W / 1000 requests are let through.
 */
export function takeRate(state: RateState, limit: number, nowMs: number): number {
  if (state.limit !== limit) {
    // Rounded up to the next millisecond: a change of limit never lets an extra request through.
    if (state.dueUnits > 0) state.dueMs += 1;
    state.dueUnits = 0;
    state.limit = limit;
  }
  const aheadUnits = state.dueMs < nowMs ? 0 : (state.dueMs - nowMs) * limit + state.dueUnits;
  const excessUnits = aheadUnits - (limit - 1) * unitsPerRequest;
  if (excessUnits > 0) return Math.ceil(excessUnits / limit);
  const nextUnits = aheadUnits + unitsPerRequest;
  state.dueMs = nowMs + Math.floor(nextUnits / limit);
  state.dueUnits = nextUnits % limit;
  return 0;
}

/** True when the state says no more than a fresh one would. */
export function isRateIdle(state: RateState, nowMs: number): boolean {
  return state.dueMs < nowMs;
}
