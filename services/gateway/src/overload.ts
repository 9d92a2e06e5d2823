// Keeps an overloaded gateway answering: looks at its strain and says whose requests it refuses.
import type { Clock, Component, Logger } from '@burgage/runtime';
import { createStrainGauge } from './adapters/strain.ts';
import { calm, nextShedding, type Shedding, type Strain, WeightSpread } from './domain/shedding.ts';
import type { TenantMeter } from './domain/tenant-meters.ts';
import type { GatewayMetrics } from './metrics.ts';

export interface OverloadOptions {
  /** Of a tenant's number. Parts of the platform are never refused. */
  readonly isPlatform: (tenant: number) => boolean;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Of the other threads that serve. */
  readonly othersStrain?: () => readonly Strain[];
}

/** About once a second `look`, then, where it `isSeeing`, `shed` and `weigh` with every tenant, then `say`. */
export interface Overload extends Component {
  /** Mostly it is not: a look at a million tenants is not for nothing. */
  readonly isSeeing: boolean;
  /** How hard it is to keep up, and so what is to be refused, by what tenants used when they were weighed last. */
  look(): void;
  /** Has so much of the tenant's requests refused. */
  shed(meter: TenantMeter): void;
  /** After it has been said anew what the tenant uses. Whether that is anything: then `shed` needs the same meter the next time. */
  weigh(meter: TenantMeter): boolean;
  /** Tells people what is refused now. */
  say(): void;
}

/** How many of those who are refused most the log names. */
const namedMax = 3;

interface Refused {
  readonly tenant: string;
  readonly weight: number;
  readonly refusedShare: number;
}

export function createOverload({ isPlatform, metrics, logger, clock, othersStrain = () => [] }: OverloadOptions): Overload {
  const gauge = createStrainGauge(clock);
  let strain: Strain = { loopDelayMs: 0, heapShare: 0 };
  let state: Shedding = calm;
  let said: Shedding['kind'] = 'calm';
  /** What tenants use, as they were seen last: known from when it may be needed. */
  const spread = new WeightSpread();
  let cap = Number.POSITIVE_INFINITY;
  let isSeeing = false;
  let heaviest: Refused[] = [];
  let tenants = 0;
  let sinceMs = 0;

  function look(): void {
    strain = worst([gauge.read(), ...othersStrain()]);
    state = nextShedding(state, strain);
    // Once more after the last second of refusing: that ends it for each.
    isSeeing = cap < Number.POSITIVE_INFINITY || state.kind === 'shedding' || state.strained > 0;
    cap = state.kind === 'shedding' ? spread.cap(state.share) : Number.POSITIVE_INFINITY;
    spread.clear();
    heaviest = [];
    tenants = 0;
  }

  function shed(meter: TenantMeter): void {
    const { number, weight, use } = meter;
    const refusedShare = weight > cap && !isPlatform(number) ? 1 - cap / weight : 0;
    if (use.shedShare !== refusedShare) use.shedShare = refusedShare;
    if (refusedShare === 0) return;
    tenants += 1;
    if (heaviest.length === namedMax && weight <= (heaviest.at(-1)?.weight ?? 0)) return;
    heaviest.push({ tenant: meter.tenantId, weight, refusedShare });
    heaviest.sort((a, b) => b.weight - a.weight);
    heaviest.splice(namedMax);
  }

  function weigh({ number, weight }: TenantMeter): boolean {
    if (weight > 0 && !isPlatform(number)) spread.add(weight);
    return weight > 0;
  }

  function say(): void {
    metrics.loopDelay.set(strain.loopDelayMs / 1000);
    metrics.heapShare.set(strain.heapShare);
    metrics.shedShare.set(state.kind === 'shedding' ? state.share : 0);
    if (said === state.kind) return;
    said = state.kind;
    if (state.kind === 'shedding') {
      sinceMs = clock.monotonicMs();
      const named = heaviest.map(({ tenant, refusedShare }) => ({ tenant, refusedShare }));
      logger.warn({ ...strain, share: state.share, tenants, heaviest: named }, 'overloaded: requests of the heaviest tenants are refused');
    } else {
      logger.info({ ...strain, afterMs: Math.round(clock.monotonicMs() - sinceMs) }, 'overload over: all requests are let in again');
    }
  }

  return {
    name: 'overload',
    start: () => gauge.start(),
    stop: () => gauge.stop(),
    get isSeeing() {
      return isSeeing;
    },
    look,
    shed,
    weigh,
    say,
  };
}

/** The one that has the hardest time: its requests wait whatever the others do. */
function worst(strains: readonly Strain[]): Strain {
  return {
    loopDelayMs: Math.max(...strains.map(({ loopDelayMs }) => loopDelayMs)),
    heapShare: Math.max(...strains.map(({ heapShare }) => heapShare)),
  };
}
