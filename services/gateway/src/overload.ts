// Keeps an overloaded gateway answering: looks at its strain and says whose requests it refuses.
import type { Clock, Component, Logger } from '@burgage/runtime';
import { createStrainGauge } from './adapters/strain.ts';
import { calm, fairCap, nextShedding, type Shedding, type Strain } from './domain/shedding.ts';
import type { TenantMeter, TenantMeters } from './domain/tenant-meters.ts';
import type { GatewayMetrics } from './metrics.ts';

export interface OverloadOptions {
  readonly meters: TenantMeters;
  /** Parts of the platform are never refused. */
  readonly isPlatform: (tenantId: string) => boolean;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Of the other threads that serve. */
  readonly othersStrain?: () => readonly Strain[];
}

export interface Overload extends Component {
  /** Once a second. Answers with those whose requests are refused, the heaviest first. */
  look(): readonly TenantMeter[];
}

/** How many of those who are refused most the log names. */
const namedMax = 3;

export function createOverload({ meters, isPlatform, metrics, logger, clock, othersStrain = () => [] }: OverloadOptions): Overload {
  const gauge = createStrainGauge(clock);
  let state: Shedding = calm;
  let shed: TenantMeter[] = [];
  let sinceMs = 0;

  function look(): readonly TenantMeter[] {
    const strain = worst([gauge.read(), ...othersStrain()]);
    const before = state;
    state = nextShedding(state, strain);
    for (const meter of shed) meter.shedShare = 0;
    shed = state.kind === 'shedding' ? cutDown(state.share) : [];
    metrics.loopDelay.set(strain.loopDelayMs / 1000);
    metrics.heapShare.set(strain.heapShare);
    metrics.shedShare.set(state.kind === 'shedding' ? state.share : 0);
    if (before.kind === 'calm' && state.kind === 'shedding') {
      sinceMs = clock.monotonicMs();
      const heaviest = shed.slice(0, namedMax).map(({ tenantId, shedShare }) => ({ tenant: tenantId, refusedShare: shedShare }));
      logger.warn(
        { ...strain, share: state.share, tenants: shed.length, heaviest },
        'overloaded: requests of the heaviest tenants are refused',
      );
    } else if (before.kind === 'shedding' && state.kind === 'calm') {
      logger.info({ ...strain, afterMs: Math.round(clock.monotonicMs() - sinceMs) }, 'overload over: all requests are let in again');
    }
    return shed;
  }

  /** Refuses so much of all requests, and says of whom, the heaviest first. */
  function cutDown(share: number): TenantMeter[] {
    const busy = [...meters.busy()].filter(({ tenantId }) => !isPlatform(tenantId));
    const cap = fairCap(
      busy.map(({ weight }) => weight),
      share,
    );
    const heavy = busy.filter(({ weight }) => weight > cap).sort((a, b) => b.weight - a.weight);
    for (const meter of heavy) meter.shedShare = 1 - cap / meter.weight;
    return heavy;
  }

  return { name: 'overload', start: () => gauge.start(), stop: () => gauge.stop(), look };
}

/** The one that has the hardest time: its requests wait whatever the others do. */
function worst(strains: readonly Strain[]): Strain {
  return {
    loopDelayMs: Math.max(...strains.map(({ loopDelayMs }) => loopDelayMs)),
    heapShare: Math.max(...strains.map(({ heapShare }) => heapShare)),
  };
}
