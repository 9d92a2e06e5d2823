// What each tenant uses now, and under which label its requests are counted: the busiest have their own, so that series stay bounded.
import { freshRate, isRateIdle, type RateState } from './gcra.ts';
import type { RequestSeries } from './request-series.ts';

/** What all others share. */
export const otherTenants = 'other';

const labelsMaxDefault = 50;
/** A tenant that has a label keeps it unless another is clearly busier: series that come and go are worth nothing. */
const incumbentShare = 1.5;

/** A tenant as it is known here. */
export interface MeteredTenant {
  /** Small: meters are kept in an array by it. */
  readonly number: number;
  readonly tenantId: string;
}

/** What one tenant has used. */
export interface TenantMeter extends MeteredTenant {
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
  /** By the tenant's number. */
  readonly #meters: (TenantMeter | undefined)[] = [];
  readonly #all = new Set<TenantMeter>();
  #labelled = new Set<string>();

  constructor(seriesOf: (label: string) => RequestSeries, labelsMax: number = labelsMaxDefault) {
    this.#seriesOf = seriesOf;
    this.#labelsMax = labelsMax;
  }

  /** Hot path. Counts a request of the tenant. */
  count(tenant: MeteredTenant): TenantMeter {
    const meter = this.#meters[tenant.number] ?? this.#begin(tenant);
    meter.requests += 1;
    return meter;
  }

  get({ number }: MeteredTenant): TenantMeter | undefined {
    return this.#meters[number];
  }

  get size(): number {
    return this.#all.size;
  }

  /** Forgets tenants that use nothing and were not heard of lately; call it now and then. */
  sweep(nowMs: number): void {
    for (const meter of this.#all) {
      const { number, inflight, tunnels, requests, rate } = meter;
      if (inflight > 0 || tunnels > 0 || requests > 0 || !isRateIdle(rate, Math.floor(nowMs))) continue;
      this.#all.delete(meter);
      this.#meters[number] = undefined;
    }
  }

  /** Gives the labels to those who are busiest now; says which labels ended. */
  roll(): string[] {
    const busiest: { readonly meter: TenantMeter; readonly weight: number }[] = [];
    for (const meter of this.#all) {
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
    const changed = new Set([...ended, ...this.#labelled]);
    for (const meter of this.#all) if (changed.has(meter.tenantId)) meter.series = this.#series(meter.tenantId);
    return ended;
  }

  #begin({ number, tenantId }: MeteredTenant): TenantMeter {
    if (this.#labelled.size < this.#labelsMax) this.#labelled.add(tenantId);
    const meter = { number, tenantId, rate: freshRate(), inflight: 0, tunnels: 0, requests: 0, series: this.#series(tenantId) };
    // Without holes the array stays one.
    while (this.#meters.length < number) this.#meters.push(undefined);
    this.#meters[number] = meter;
    this.#all.add(meter);
    return meter;
  }

  #series(tenantId: string): RequestSeries {
    return this.#seriesOf(this.#labelled.has(tenantId) ? tenantId : otherTenants);
  }
}
