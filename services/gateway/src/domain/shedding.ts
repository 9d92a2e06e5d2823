// Shedding: what part of its requests an overloaded gateway refuses, and whose.

/** How hard it is for the process to keep up. */
export interface Strain {
  /** How late its event loop usually is, in milliseconds: what every request waits for nothing. */
  readonly loopDelayMs: number;
  /** Of the heap that it may have, the part that is in use, 0 to 1. */
  readonly heapShare: number;
}

/**
 * `calm`: all are served; `strained` says at how many looks in a row the gateway was overloaded · `shedding`: this share of
 * all requests is to be refused.
 */
export type Shedding = { readonly kind: 'calm'; readonly strained: number } | { readonly kind: 'shedding'; readonly share: number };

export const calm: Shedding = { kind: 'calm', strained: 0 };

/** Overloaded from `begin` on in either, relieved below `end` in both: between them nothing changes, so that nothing flaps. */
export const strainBounds = {
  begin: { loopDelayMs: 100, heapShare: 0.9 },
  end: { loopDelayMs: 30, heapShare: 0.8 },
} as const;

/** One late look or two are a collection of garbage, a large table, or a neighbour on the same cores. */
const looksToBegin = 3;
const shareFirst = 0.3;
/** Refused more in steps that are larger than those back: what gave way has its reason, and what comes back is tried out. */
const stepUp = 0.15;
const stepDown = 0.05;
/** Something always gets through, or nobody would see that the load has gone. */
export const shedShareMax = 0.95;

/** The state after a look; call it about once a second. */
export function nextShedding(state: Shedding, strain: Strain): Shedding {
  const { begin, end } = strainBounds;
  const isOverloaded = strain.loopDelayMs >= begin.loopDelayMs || strain.heapShare >= begin.heapShare;
  const isRelieved = strain.loopDelayMs < end.loopDelayMs && strain.heapShare < end.heapShare;
  switch (state.kind) {
    case 'calm':
      if (!isOverloaded) return calm;
      return state.strained + 1 < looksToBegin ? { kind: 'calm', strained: state.strained + 1 } : { kind: 'shedding', share: shareFirst };
    case 'shedding': {
      if (isOverloaded) return { kind: 'shedding', share: Math.min(state.share + stepUp, shedShareMax) };
      if (!isRelieved) return state;
      // Steps of a twentieth do not add up to nothing exactly.
      return state.share - stepDown < stepDown / 2 ? calm : { kind: 'shedding', share: state.share - stepDown };
    }
    default:
      throw new TypeError(`unknown state ${String(state satisfies never)}`);
  }
}

/** Weights are told apart where one is this much heavier than another: 2 to the power of 1/16. */
const bucketsPerDoubling = 16;
/** 2 to the power of these: below and above, weights are not told apart. */
const doublingsMin = -8;
const doublingsMax = 40;
const bucketCount = bucketsPerDoubling * (doublingsMax - doublingsMin);

/** How much tenants use, as far as one bound for all of them needs it: as large for a million as for one. */
export class WeightSpread {
  readonly #counts = new Float64Array(bucketCount);
  readonly #sums = new Float64Array(bucketCount);

  /** `weight` is above 0. */
  add(weight: number): void {
    const bucket = Math.floor(bucketsPerDoubling * (Math.log2(weight) - doublingsMin));
    const index = Math.min(Math.max(bucket, 0), bucketCount - 1);
    (this.#counts[index] as number) += 1;
    (this.#sums[index] as number) += weight;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#sums.fill(0);
  }

  /**
   * The most that any tenant may use where `share` of all weights is refused: who uses more is cut down to it, and who uses
   * less is not touched. So the heaviest lose first and most, and the lightest last. Infinity where nobody uses anything.
   */
  cap(share: number): number {
    let count = this.#counts.reduce((sum, some) => sum + some, 0);
    let left = (1 - share) * this.#sums.reduce((sum, some) => sum + some, 0);
    for (const [index, some] of this.#counts.entries()) {
      if (some === 0) continue;
      const sum = this.#sums[index] as number;
      const cap = left / count;
      // Those in one bucket are taken for alike.
      if (sum / some >= cap) return cap;
      left -= sum;
      count -= some;
    }
    return Number.POSITIVE_INFINITY;
  }
}

/** What is refused of one tenant's requests. */
export interface Shed {
  /** 0 to 1. */
  shedShare: number;
  /** What has added up since the last one was refused. */
  shedDue: number;
}

/** Hot path while shedding. Whether this request is one of those that are refused: every so many, without chance. */
export function takeShed(shed: Shed): boolean {
  shed.shedDue += shed.shedShare;
  if (shed.shedDue < 1) return false;
  shed.shedDue -= 1;
  return true;
}

/** What `takeShed` would say. */
export function wouldShed({ shedShare, shedDue }: Shed): boolean {
  return shedShare > 0 && shedDue + shedShare >= 1;
}
