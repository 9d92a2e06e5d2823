// What one worker counts of each tenant until it tells the main thread, which knows the whole.
import { ByNumber } from '../domain/by-number.ts';
import type { LimitCells } from '../domain/limit-cells.ts';
import type { Shares } from '../domain/limit-shares.ts';
import { RequestSeries } from '../domain/request-series.ts';
import { type MeteredTenant, type Meters, type TenantIdOf, TenantMeter } from '../domain/tenant-meters.ts';

/** In a report, before the numbers of the series: number, requests, bytes, refusals for too many in flight. */
const fields = 4;
/** Reports without a request after which a tenant is forgotten that has nothing in flight. */
const idleReportsMax = 8;

export interface WorkerMetersOptions {
  readonly cells: LimitCells;
  readonly worker: number;
  /** Of a tenant; below 0 where it has none. */
  readonly numberOf: (tenantId: string) => number;
  readonly idOf: TenantIdOf;
  /** Of a tenant's series. */
  readonly bounds: readonly number[];
}

class WorkerMeter extends TenantMeter {
  /** Reports in a row in which there was nothing. */
  idleReports = 0;
}

export class WorkerMeters implements Meters {
  readonly #options: WorkerMetersOptions;
  readonly #meters = new ByNumber<WorkerMeter>();
  /** Of all tenants that have no shares of their own; one object, changed in place. */
  readonly #even: Shares = { rate: 1, concurrency: 1 };
  #own: ReadonlyMap<string, Shares> = new Map();
  /** One function for all meters. */
  readonly #sharesOf: Meters['sharesOf'] = (tenant) => this.sharesOf(tenant);

  constructor(options: WorkerMetersOptions) {
    this.#options = options;
  }

  count(tenant: MeteredTenant): TenantMeter {
    const meter = this.#meters.get(tenant.number) ?? this.#begin(tenant.number);
    meter.requests += 1;
    return meter;
  }

  get({ number }: MeteredTenant): TenantMeter | undefined {
    return this.#meters.get(number);
  }

  sharesOf(tenant: Pick<MeteredTenant, 'tenantId'>): Shares {
    if (this.#own.size === 0) return this.#even;
    return this.#own.get(tenant.tenantId) ?? this.#even;
  }

  reshare(even: Shares, own: ReadonlyMap<string, Shares>): void {
    const before = this.#own;
    Object.assign(this.#even, even);
    this.#own = own;
    for (const tenantId of [...before.keys(), ...own.keys()]) {
      const meter = this.#meters.get(this.#options.numberOf(tenantId));
      if (meter !== undefined) meter.shares = this.sharesOf({ tenantId });
    }
  }

  /** In how many slices all of them are reported. */
  get slices(): number {
    return this.#meters.slices;
  }

  /** Of every tenant in this slice that had requests since its last report: its number, what was counted, and its series. */
  report(slice: number): Float64Array {
    const size = fields + new RequestSeries(this.#options.bounds).size;
    const busy: TenantMeter[] = [];
    this.#meters.each(slice, (meter) => {
      if (isBusy(meter)) {
        busy.push(meter);
        meter.idleReports = 0;
      } else if (meter.idleReports < idleReportsMax) meter.idleReports += 1;
      // What is in flight is counted at its end.
      else if (meter.use.inflight === 0 && meter.use.tunnels === 0) this.#meters.set(meter.number, undefined);
    });
    const report = new Float64Array(busy.length * size);
    for (const [index, meter] of busy.entries()) {
      const at = index * size;
      report.set([meter.number, meter.requests, meter.bytes, meter.concurrencyRefusals], at);
      meter.series.moveTo(report, at + fields);
      meter.requests = 0;
      meter.bytes = 0;
      meter.concurrencyRefusals = 0;
    }
    return report;
  }

  #begin(number: number): TenantMeter {
    const { cells, worker, bounds, idOf } = this.#options;
    const meter = new WorkerMeter(number, idOf, cells.use(number, worker), this.#sharesOf, new RequestSeries(bounds));
    this.#meters.set(number, meter);
    return meter;
  }
}

/** Also one whose request came earlier and ended now. */
function isBusy({ requests, bytes, concurrencyRefusals, series }: TenantMeter): boolean {
  return requests > 0 || bytes > 0 || concurrencyRefusals > 0 || series.statuses.some((count) => count > 0);
}

/** Reads a report: what was counted of each tenant. */
export function* readReport(
  report: Float64Array,
  seriesSize: number,
): Generator<{
  readonly number: number;
  readonly requests: number;
  readonly bytes: number;
  readonly refusals: number;
  readonly seriesAt: number;
}> {
  const size = fields + seriesSize;
  for (let at = 0; at < report.length; at += size) {
    const [number = 0, requests = 0, bytes = 0, refusals = 0] = report.subarray(at, at + fields);
    yield { number, requests, bytes, refusals, seriesAt: at + fields };
  }
}
