// What each tenant uses now, and under which label its requests are counted: the busiest have their own, so that series stay bounded.
import { freshRate, isRateIdle, type RateState } from './gcra.ts';
import type { RequestSeries } from './request-series.ts';

/** What all others share. */
export const otherTenants = 'other';

const labelsMaxDefault = 50;
/** A tenant that has a label keeps it unless another is clearly busier: series that come and go are worth nothing. */
const incumbentShare = 1.5;

/** What one tenant has used. */
export interface TenantMeter {
  readonly tenantId: string;
  readonly rate: RateState;
  inflight: number;
  tunnels: number;
  /** Lately: halved at each roll. */
  requests: number;
  /** Where its requests are counted. */
  series: RequestSeries;
}

export class TenantMeters {
  readonly #seriesOf: (label: string) => RequestSeries;
  readonly #labelsMax: number;
  readonly #meters = new Map<string, TenantMeter>();
  #labelled = new Set<string>();

  constructor(seriesOf: (label: string) => RequestSeries, labelsMax: number = labelsMaxDefault) {
    this.#seriesOf = seriesOf;
    this.#labelsMax = labelsMax;
  }

  /** Hot path. Counts a request of the tenant. */
  count(tenantId: string): TenantMeter {
    let meter = this.#meters.get(tenantId);
    if (meter === undefined) {
      if (this.#labelled.size < this.#labelsMax) this.#labelled.add(tenantId);
      meter = { tenantId, rate: freshRate(), inflight: 0, tunnels: 0, requests: 0, series: this.#series(tenantId) };
      this.#meters.set(tenantId, meter);
    }
    meter.requests += 1;
    return meter;
  }

  get(tenantId: string): TenantMeter | undefined {
    return this.#meters.get(tenantId);
  }

  get size(): number {
    return this.#meters.size;
  }

  /** Forgets tenants that use nothing and were not heard of lately; call it now and then. */
  sweep(nowMs: number): void {
    for (const [tenantId, { inflight, tunnels, requests, rate }] of this.#meters) {
      if (inflight === 0 && tunnels === 0 && requests === 0 && isRateIdle(rate, Math.floor(nowMs))) this.#meters.delete(tenantId);
    }
  }

  /** Gives the labels to those who are busiest now; says which labels ended. */
  roll(): string[] {
    const busiest: { readonly meter: TenantMeter; readonly weight: number }[] = [];
    for (const meter of this.#meters.values()) {
      const weight = meter.requests * (this.#labelled.has(meter.tenantId) ? incumbentShare : 1);
      meter.requests = Math.floor(meter.requests / 2);
      if (weight === 0 || (busiest.length === this.#labelsMax && weight <= (busiest.at(-1)?.weight ?? 0))) continue;
      const place = busiest.findIndex((other) => weight > other.weight);
      busiest.splice(place < 0 ? busiest.length : place, 0, { meter, weight });
      if (busiest.length > this.#labelsMax) busiest.pop();
    }
    const before = this.#labelled;
    this.#labelled = new Set(busiest.map(({ meter }) => meter.tenantId));
    // While nobody else needs them, labels stay with those who had them.
    for (const tenantId of before) if (this.#labelled.size < this.#labelsMax) this.#labelled.add(tenantId);
    const ended = [...before].filter((tenantId) => !this.#labelled.has(tenantId));
    for (const tenantId of [...ended, ...this.#labelled]) {
      const meter = this.#meters.get(tenantId);
      if (meter !== undefined) meter.series = this.#series(tenantId);
    }
    return ended;
  }

  #series(tenantId: string): RequestSeries {
    return this.#seriesOf(this.#labelled.has(tenantId) ? tenantId : otherTenants);
  }
}
