// What each tenant uses now, and under which label its requests are counted: the busiest have their own, so that series stay bounded.
import { ByNumber } from './by-number.ts';
import { isRateIdle } from './gcra.ts';
import type { Shares } from './limit-shares.ts';
import type { RequestSeries } from './request-series.ts';
import { OwnUse, type TenantUse } from './tenant-use.ts';

/** What all others share. */
export const otherTenants = 'other';

const wholeShares: Shares = { rate: 1, concurrency: 1 };

export const labelsMaxDefault = 50;
/** A tenant that has a label keeps it unless another is clearly busier: series that come and go are worth nothing. */
const incumbentShare = 1.5;

/** Of what is kept in thousandths. */
const perWhole = 1_000;
const leastNoticed = 10;
/** A million requests a second. */
const thousandthsMax = 1_000 * perWhole * perWhole;

/** How long ago a slice is taken to have been swept that never was. */
const sweepMs = 1_000;

/**
 * In thousandths: more than the first request of somebody makes. Who weighs less is forgotten at once where it has asked hardly ever
 * since the last roll: most ask once, and each second looks at all that are known.
 */
const weightNoticed = 700;
const requestsNoticed = 8;

/** So many meters of forgotten tenants wait for others, about 20 MB. */
const sparesMax = 65_536;

/** Bytes of bodies that cost the gateway about as much as a request. */
const bytesPerRequest = 50_000;

/** A tenant as it is known here. */
export interface MeteredTenant {
  /** Small: meters are kept by it. */
  readonly number: number;
  readonly tenantId: string;
}

/** The id of the tenant with that number. */
export type TenantIdOf = (number: number) => string;

/** What one tenant has used. */
export class TenantMeter implements MeteredTenant {
  number: number;
  /** Of its limits, and what an overloaded gateway refuses of it. */
  use: TenantUse;
  /** Requests that were refused because too many were in flight, since shares were last looked at. */
  concurrencyRefusals = 0;
  /** Which part of its limits is this gateway's. */
  shares: Shares;
  /** Lately: halved at each roll. */
  requests = 0;
  /** Of these, the ones that the last sweep saw. */
  requestsSeen = 0;
  /** Of bodies, both ways, since the last sweep. */
  bytes = 0;
  /**
   * In thousandths, and whole: a fraction V8 keeps apart from the meter, which for those of a million tenants, looked at each second,
   * is another way to the memory.
   */
  #perSecond = 0;
  #weight = 0;
  /** Where its requests are counted. */
  series: RequestSeries;
  readonly #idOf: TenantIdOf;

  constructor(number: number, idOf: TenantIdOf, use: TenantUse, sharesOf: Meters['sharesOf'], series: RequestSeries) {
    this.number = number;
    this.#idOf = idOf;
    this.use = use;
    this.shares = sharesOf(this);
    this.series = series;
  }

  /** As a new one, of another tenant. Nobody may have it any more. */
  become(number: number, use: TenantUse, sharesOf: Meters['sharesOf'], series: RequestSeries): void {
    this.number = number;
    this.use = use;
    this.concurrencyRefusals = 0;
    this.shares = sharesOf(this);
    this.requests = 0;
    this.requestsSeen = 0;
    this.bytes = 0;
    this.#perSecond = 0;
    this.#weight = 0;
    this.series = series;
  }

  /** Requests a second of late, also those that were refused. */
  get perSecond(): number {
    return this.#perSecond / perWhole;
  }

  /** What it costs of late: requests a second, and bodies as so many requests more. */
  get weight(): number {
    return this.#weight / perWhole;
  }

  /** Says anew what it has cost of late, after another so many seconds; false: hardly anything. */
  measure(seconds: number): boolean {
    const offered = this.requests - this.requestsSeen;
    const [perSecond, weight] = [this.#perSecond, this.#weight];
    if (offered === 0 && this.bytes === 0 && weight === 0 && perSecond === 0) return false;
    const offeredNow = (perWhole * offered) / seconds;
    // At once with more, and a little later with less: it says what shares are needed.
    this.#perSecond = whole(Math.max(offeredNow, (perSecond + 7 * offeredNow) / 8));
    this.#weight = whole((weight + offeredNow + (perWhole * this.bytes) / bytesPerRequest / seconds) / 2);
    this.requestsSeen = this.requests;
    this.bytes = 0;
    return this.#weight >= weightNoticed;
  }

  /** Made with each call: of a million tenants hardly any are spoken of. */
  get tenantId(): string {
    return this.#idOf(this.number);
  }
}

/** One of the busiest, and how much so. */
interface Busy {
  readonly number: number;
  readonly weight: number;
}

/** What the tenant of that number takes up of its limits; `spare` is another's that is not needed any more. */
type UseOf = (number: number, spare: TenantUse | undefined) => TenantUse;

function ownUse(_: number, spare: TenantUse | undefined): TenantUse {
  return spare instanceof OwnUse ? spare.reset() : new OwnUse();
}

/** Counts requests by tenant, and gives what is known of each. */
export interface Meters {
  /** Hot path. Counts a request of the tenant. */
  count(tenant: MeteredTenant): TenantMeter;
  get(tenant: MeteredTenant): TenantMeter | undefined;
  /** Also of a tenant that was not heard of lately. */
  sharesOf(tenant: Pick<MeteredTenant, 'tenantId'>): Shares;
}

export class TenantMeters implements Meters {
  readonly #seriesOf: (label: string) => RequestSeries;
  readonly #otherSeries: RequestSeries;
  readonly #idOf: TenantIdOf;
  readonly #sharesOf: Meters['sharesOf'];
  readonly #useOf: UseOf;
  readonly #labelsMax: number;
  readonly #meters = new ByNumber<TenantMeter>();
  /**
   * Of forgotten tenants. Where a million ask now and then, each second knows others, and what is made for each and let go of a second
   * later costs the collector of garbage more than most of what is done for a request.
   */
  readonly #spares: TenantMeter[] = [];
  /** When each slice was swept. */
  readonly #sweptMs: number[] = [];
  #size = 0;
  /** The tenants with a label of their own, by their numbers. */
  #labelled = new Map<number, string>();
  /** In the roll that is under way, the heaviest first. */
  #busiest: Busy[] = [];

  constructor(
    seriesOf: (label: string) => RequestSeries,
    idOf: TenantIdOf,
    labelsMax: number = labelsMaxDefault,
    sharesOf: Meters['sharesOf'] = () => wholeShares,
    useOf: UseOf = ownUse,
  ) {
    this.#seriesOf = seriesOf;
    this.#otherSeries = seriesOf(otherTenants);
    this.#idOf = idOf;
    this.#sharesOf = sharesOf;
    this.#useOf = useOf;
    this.#labelsMax = labelsMax;
  }

  count(tenant: MeteredTenant): TenantMeter {
    const meter = this.#meters.get(tenant.number) ?? this.#begin(tenant.number);
    meter.requests += 1;
    return meter;
  }

  /** Counts requests that another thread had. */
  countMany(number: number, requests: number): TenantMeter {
    const meter = this.#meters.get(number) ?? this.#begin(number);
    meter.requests += requests;
    return meter;
  }

  get({ number }: MeteredTenant): TenantMeter | undefined {
    return this.#meters.get(number);
  }

  sharesOf(tenant: Pick<MeteredTenant, 'tenantId'>): Shares {
    return this.#sharesOf(tenant);
  }

  get size(): number {
    return this.#size;
  }

  /** In how many slices all of them are to be looked at. */
  get slices(): number {
    return this.#meters.slices;
  }

  /** Calls `see` with each in this slice. */
  each(slice: number, see: (meter: TenantMeter) => void): void {
    this.#meters.each(slice, see);
  }

  /**
   * Says anew what each in this slice has cost of late, calls `isNeeded` with it, and forgets who uses nothing, was not heard of
   * lately and is not needed; call it about once a second for every slice.
   */
  sweep(slice: number, nowMs: number, isNeeded: (meter: TenantMeter) => boolean = () => false): void {
    const seconds = Math.max(nowMs - (this.#sweptMs[slice] ?? nowMs - sweepMs), 1) / 1000;
    this.#sweptMs[slice] = nowMs;
    const wholeMs = Math.floor(nowMs);
    this.#meters.each(slice, (meter) => {
      const isNoticed = meter.measure(seconds);
      if (isNeeded(meter) || isNoticed) return;
      const { use, requests, series } = meter;
      if (requests > (series === this.#otherSeries ? requestsNoticed : 0)) return;
      if (use.inflight === 0 && use.tunnels === 0 && isRateIdle(use, wholeMs)) this.#forget(meter);
    });
  }

  /**
   * Looks through a slice for those who are to have labels; when that was done with every slice, `relabel` gives them. Before its
   * `sweep`, which forgets who asked but once.
   */
  roll(slice: number): void {
    const busiest = this.#busiest;
    this.#meters.each(slice, (meter) => {
      const weight = meter.requests * (this.#labelled.has(meter.number) ? incumbentShare : 1);
      // What the last sweep has not seen goes on counting as just that.
      const unseen = meter.requests - meter.requestsSeen;
      meter.requests = Math.floor(meter.requests / 2);
      meter.requestsSeen = meter.requests - unseen;
      if (weight === 0 || (busiest.length === this.#labelsMax && weight <= (busiest.at(-1)?.weight ?? 0))) return;
      const place = busiest.findIndex((other) => weight > other.weight);
      busiest.splice(place < 0 ? busiest.length : place, 0, { number: meter.number, weight });
      if (busiest.length > this.#labelsMax) busiest.pop();
    });
  }

  /** Gives the labels to those who were found to be busiest; says which labels ended. */
  relabel(): string[] {
    const before = this.#labelled;
    this.#labelled = new Map(this.#busiest.map(({ number }) => [number, this.#idOf(number)]));
    this.#busiest = [];
    // While nobody else needs them, labels stay with those who had them.
    for (const [number, tenantId] of before) if (this.#labelled.size < this.#labelsMax) this.#labelled.set(number, tenantId);
    for (const number of [...before.keys(), ...this.#labelled.keys()]) {
      const meter = this.#meters.get(number);
      if (meter !== undefined) meter.series = this.#series(number);
    }
    return [...before].flatMap(([number, tenantId]) => (this.#labelled.has(number) ? [] : [tenantId]));
  }

  #forget(meter: TenantMeter): void {
    // In memory that threads share it outlives the meter.
    meter.use.shedShare = 0;
    this.#meters.set(meter.number, undefined);
    this.#size -= 1;
    if (this.#spares.length < sparesMax) this.#spares.push(meter);
  }

  #begin(number: number): TenantMeter {
    if (this.#labelled.size < this.#labelsMax) this.#labelled.set(number, this.#idOf(number));
    const series = this.#series(number);
    const spare = this.#spares.pop();
    const use = this.#useOf(number, spare?.use);
    const meter = spare ?? new TenantMeter(number, this.#idOf, use, this.#sharesOf, series);
    spare?.become(number, use, this.#sharesOf, series);
    this.#meters.set(number, meter);
    this.#size += 1;
    return meter;
  }

  #series(number: number): RequestSeries {
    const label = this.#labelled.get(number);
    return label === undefined ? this.#otherSeries : this.#seriesOf(label);
  }
}

/** What is hardly anything any more is nothing. */
function whole(thousandths: number): number {
  return thousandths < leastNoticed ? 0 : Math.min(Math.floor(thousandths), thousandthsMax);
}
