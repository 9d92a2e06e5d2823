// Admission: whether a tenant's request is served, by state, holds, rate, concurrency and size.
import type { Hold, TenantRoute } from '@burgage/tenancy';
import { type Shares, wholePart } from './limit-shares.ts';
import { type Refusal, refuse } from './refusal.ts';
import { type Shed, takeShed, wouldShed } from './shedding.ts';
import type { MeteredTenant, Meters, TenantMeter } from './tenant-meters.ts';
import type { TenantUse } from './tenant-use.ts';

/** Least wait said to those whose tenant is still being made, in milliseconds. */
const provisioningRetryMs = 2_000;
/** Wait said to those whose tenant has too much in flight: nobody knows when a request ends. */
const concurrencyRetryMs = 1_000;

/** Wait said to those whose tenant moves: it holds still for as short as it can. */
const movingRetryMs = 1_000;

/** Wait said to those whose requests an overloaded gateway refuses: it looks every second. */
const overloadRetryMs = 2_000;

/** The refusal of a request that could not wait for the end of its tenant's move. */
export function beingMoved(): Refusal {
  return refuse('tenant_moving', { retryAfterMs: movingRetryMs });
}

/** Why the tenant is not served whatever the request; undefined where it is. */
export function standing(tenant: TenantRoute): Refusal | undefined {
  switch (tenant.state) {
    case 'requested':
    case 'provisioning':
      return refuse('tenant_provisioning', { retryAfterMs: provisioningRetryMs });
    case 'failed':
      return refuse('tenant_failed');
    case 'terminating':
      return refuse('tenant_closing');
    case 'terminated':
      return refuse('tenant_gone');
    case 'active':
      return heldBack(tenant.holds);
    default:
      throw new TypeError(`unknown state ${String(tenant.state satisfies never)}`);
  }
}

/** An operator's hold is said before one that the owner could lift by paying. */
function heldBack(holds: readonly Hold[]): Refusal | undefined {
  if (holds.length === 0) return undefined;
  if (holds.includes('operator')) return refuse('tenant_suspended');
  if (holds.includes('unpaid')) return refuse('tenant_unpaid');
  return refuse('tenant_trial_ended');
}

/** A request that was let in. `release` gives its place back, once. */
export interface Permit {
  release(): void;
  /** The request became a tunnel: it leaves the requests in flight and counts among the tunnels. */
  becomeTunnel(): Refusal | undefined;
}

export interface AdmissionBounds {
  /** Open tunnels of one tenant. */
  readonly tunnelsPerTenantMax: number;
  /** Request body bytes where the tenant's own limit is 0. */
  readonly bodyBytesMax: number;
}

const noLimits = { requestsPerSecond: 0, concurrency: 0 } as const;

/** Counts every tenant's requests against this gateway's shares of its limits. Exact, also where threads share the counts. */
export class Admission {
  readonly #bounds: AdmissionBounds;
  readonly #meters: Meters;

  constructor(bounds: AdmissionBounds, meters: Meters) {
    this.#bounds = bounds;
    this.#meters = meters;
  }

  /** Hot path. Lets a request in or says why not; a refused request uses up nothing of the limits. `meter` is the tenant's. */
  admit(tenant: TenantRoute, meter: TenantMeter, nowMs: number): Permit | Refusal {
    const refusal = standing(tenant);
    if (refusal !== undefined) return refusal;
    if (meter.use.shedShare > 0 && !tenant.platform && takeShed(meter.use)) return overloaded(meter.use);
    const { requestsPerSecond, concurrency } = tenant.limits ?? noLimits;
    const { shares, use } = meter;
    if (!use.enter(concurrency > 0 ? wholePart(concurrency, shares.concurrency) : 0)) {
      meter.concurrencyRefusals += 1;
      return refuse('concurrency_limited', { retryAfterMs: concurrencyRetryMs });
    }
    if (requestsPerSecond > 0) {
      const waitMs = use.takeRate(requestsPerSecond * shares.rate, Math.floor(nowMs));
      if (waitMs > 0) {
        use.leave();
        return refuse('rate_limited', { retryAfterMs: waitMs });
      }
    }
    return new HeldPermit(use, this.#bounds.tunnelsPerTenantMax);
  }

  /** The largest request body of a tenant, in bytes. */
  bodyBytesMax(tenant: TenantRoute): number {
    return tenant.limits?.bodyBytesMax || this.#bounds.bodyBytesMax;
  }

  /** What would be answered now, without counting a request, nor waiting for the end of a move. */
  preview(tenant: TenantRoute & MeteredTenant, nowMs: number): Refusal | undefined {
    const refusal = standing(tenant) ?? (tenant.moving ? beingMoved() : undefined);
    if (refusal !== undefined) return refusal;
    const meter = this.#meters.get(tenant);
    if (meter === undefined) return undefined;
    if (!tenant.platform && wouldShed(meter.use)) return overloaded(meter.use);
    const { requestsPerSecond = 0, concurrency = 0 } = tenant.limits ?? {};
    const { shares, use } = meter;
    if (concurrency > 0 && use.inflight >= wholePart(concurrency, shares.concurrency))
      return refuse('concurrency_limited', { retryAfterMs: concurrencyRetryMs });
    const waitMs = requestsPerSecond > 0 ? use.previewRate(requestsPerSecond * shares.rate, Math.floor(nowMs)) : 0;
    return waitMs > 0 ? refuse('rate_limited', { retryAfterMs: waitMs }) : undefined;
  }

  /** Which part of a tenant's limits is this gateway's. */
  shares(tenant: MeteredTenant): Shares {
    return this.#meters.sharesOf(tenant);
  }

  /** What an overloaded gateway refuses of a tenant's requests, 0 to 1. */
  shedShare(tenant: MeteredTenant): number {
    return this.#meters.get(tenant)?.use.shedShare ?? 0;
  }

  inflight(tenant: MeteredTenant): number {
    return this.#meters.get(tenant)?.use.inflight ?? 0;
  }
}

function overloaded({ shedShare }: Shed): Refusal {
  const refused = `${Math.round(shedShare * 100)} % of this tenant's requests are refused`;
  return refuse('overloaded', { retryAfterMs: overloadRetryMs, detail: refused });
}

class HeldPermit implements Permit {
  readonly #use: TenantUse;
  readonly #tunnelsMax: number;
  #place: 'inflight' | 'tunnels' | 'none' = 'inflight';

  /** For a request that has entered. */
  constructor(use: TenantUse, tunnelsMax: number) {
    this.#use = use;
    this.#tunnelsMax = tunnelsMax;
  }

  becomeTunnel(): Refusal | undefined {
    if (this.#place !== 'inflight') return undefined;
    if (!this.#use.openTunnel(this.#tunnelsMax)) return refuse('concurrency_limited', { retryAfterMs: concurrencyRetryMs });
    this.#use.leave();
    this.#place = 'tunnels';
    return undefined;
  }

  release(): void {
    if (this.#place === 'inflight') this.#use.leave();
    else if (this.#place === 'tunnels') this.#use.closeTunnel();
    this.#place = 'none';
  }
}

export function isPermit(outcome: Permit | Refusal): outcome is Permit {
  return outcome instanceof HeldPermit;
}
