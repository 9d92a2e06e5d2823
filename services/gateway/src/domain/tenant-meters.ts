// What each tenant uses now, and under which label its requests are counted: the busiest have their own, so that series stay bounded.
import { isRateIdle } from './gcra.ts';
import type { Shares } from './limit-shares.ts';
import type { RequestSeries } from './request-series.ts';
import type { Shed } from './shedding.ts';
import { OwnUse, type TenantUse } from './tenant-use.ts';

/** What all others share. */
export const otherTenants = 'other';

const wholeShares: Shares = { rate: 1, concurrency: 1 };

export const labelsMaxDefault = 50;
/** A tenant that has a label keeps it unless another is clearly busier: series that come and go are worth nothing. */
const incumbentShare = 1.5;

/** Bytes of bodies that cost the gateway about as much as a request. */
const bytesPerRequest = 50_000;

/** A tenant as it is known here. */
export interface MeteredTenant {
  /** Small: meters are kept in an array by it. */
  readonly number: number;
  readonly tenantId: string;
}

/** What one tenant has used. */
export interface TenantMeter extends MeteredTenant, Shed {
  /** Of its limits. */
  readonly use: TenantUse;
  /** Requests that were refused because too many were in flight, since shares were last looked at. */
  concurrencyRefusals: number;
  /** Which part of its limits is this gateway's. */
  shares: Shares;
  /** Lately: halved at each roll. */
  requests: number;
  /** Of these, the ones that the last sweep saw. */
  requestsSeen: number;
  /** Of bodies, both ways, since the last sweep. */
  bytes: number;
  /** Requests a second of late, also those that were refused. */
  perSecond: number;
  /** What it costs of late: requests a second, and bodies as so many requests more. */
  weight: number;
  /** Where its requests are counted. */
  series: RequestSeries;
}

/** Counts requests by tenant, and gives what is known of each. */
export interface Meters {
  /** Hot path. Counts a request of the tenant. */
  count(tenant: MeteredTenant): TenantMeter;
  get(tenant: MeteredTenant): TenantMeter | undefined;
  /** Also of a tenant that was not heard of lately. */
  sharesOf(tenantId: string): Shares;
}

export class TenantMeters implements Meters {
  readonly #seriesOf: (label: string) => RequestSeries;
  readonly #sharesOf: (tenantId: string) => Shares;
  readonly #useOf: (tenant: MeteredTenant) => TenantUse;
  readonly #labelsMax: number;
  /** By the tenant's number. */
  readonly #meters: (TenantMeter | undefined)[] = [];
  readonly #all = new Set<TenantMeter>();
  #labelled = new Set<string>();
  #sweptMs = 0;

  constructor(
    seriesOf: (label: string) => RequestSeries,
    labelsMax: number = labelsMaxDefault,
    sharesOf: (tenantId: string) => Shares = () => wholeShares,
    useOf: (tenant: MeteredTenant) => TenantUse = () => new OwnUse(),
  ) {
    this.#seriesOf = seriesOf;
    this.#sharesOf = sharesOf;
    this.#useOf = useOf;
    this.#labelsMax = labelsMax;
  }

  count(tenant: MeteredTenant): TenantMeter {
    const meter = this.#meters[tenant.number] ?? this.#begin(tenant);
    meter.requests += 1;
    return meter;
  }

  /** Counts requests that another thread had. */
  countMany(tenant: MeteredTenant, requests: number): TenantMeter {
    const meter = this.#meters[tenant.number] ?? this.#begin(tenant);
    meter.requests += requests;
    return meter;
  }

  get({ number }: MeteredTenant): TenantMeter | undefined {
    return this.#meters[number];
  }

  /** All of them. */
  all(): IterableIterator<TenantMeter> {
    return this.#all.values();
  }

  sharesOf(tenantId: string): Shares {
    return this.#sharesOf(tenantId);
  }

  /** Shares are other ones than before. */
  reshare(): void {
    for (const meter of this.#all) meter.shares = this.#sharesOf(meter.tenantId);
  }

  get size(): number {
    return this.#all.size;
  }

  /** Those that have cost something of late. */
  *busy(): Generator<TenantMeter> {
    for (const meter of this.#all) if (meter.weight > 0) yield meter;
  }

  /** Says anew what each has cost of late, and forgets who uses nothing and was not heard of lately; call it about once a second. */
  sweep(nowMs: number): void {
    const seconds = Math.max(nowMs - this.#sweptMs, 1) / 1000;
    this.#sweptMs = nowMs;
    for (const meter of this.#all) {
      const { use } = meter;
      if (meter.requests === 0 && use.inflight === 0 && use.tunnels === 0 && isRateIdle(use, Math.floor(nowMs))) {
        this.#all.delete(meter);
        this.#meters[meter.number] = undefined;
        continue;
      }
      const offered = meter.requests - meter.requestsSeen;
      if (offered === 0 && meter.bytes === 0 && meter.weight === 0 && meter.perSecond === 0) continue;
      // At once with more, and a little later with less: it says what shares are needed.
      meter.perSecond = settled(Math.max(offered / seconds, (meter.perSecond + (7 * offered) / seconds) / 8));
      meter.weight = settled((meter.weight + (offered + meter.bytes / bytesPerRequest) / seconds) / 2);
      meter.requestsSeen = meter.requests;
      meter.bytes = 0;
    }
  }

  /** Gives the labels to those who are busiest now; says which labels ended. */
  roll(): string[] {
    const busiest: { readonly meter: TenantMeter; readonly weight: number }[] = [];
    for (const meter of this.#all) {
      const weight = meter.requests * (this.#labelled.has(meter.tenantId) ? incumbentShare : 1);
      // What the last sweep has not seen goes on counting as just that.
      const unseen = meter.requests - meter.requestsSeen;
      meter.requests = Math.floor(meter.requests / 2);
      meter.requestsSeen = meter.requests - unseen;
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

  #begin(tenant: MeteredTenant): TenantMeter {
    const { number, tenantId } = tenant;
    if (this.#labelled.size < this.#labelsMax) this.#labelled.add(tenantId);
    const meter = freshMeter(tenant, this.#useOf(tenant), this.#sharesOf(tenantId), this.#series(tenantId));
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

/** Of a tenant of which nothing has been counted. */
export function freshMeter({ number, tenantId }: MeteredTenant, use: TenantUse, shares: Shares, series: RequestSeries): TenantMeter {
  return {
    number,
    tenantId,
    use,
    concurrencyRefusals: 0,
    shares,
    requests: 0,
    requestsSeen: 0,
    bytes: 0,
    perSecond: 0,
    weight: 0,
    shedShare: 0,
    shedDue: 0,
    series,
  };
}

/** What is hardly anything any more is nothing. */
function settled(value: number): number {
  return value < 0.01 ? 0 : value;
}
