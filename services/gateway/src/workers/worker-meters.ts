// What one worker counts of each tenant until it tells the main thread, which knows the whole.
import type { LimitCells } from '../domain/limit-cells.ts';
import type { Shares } from '../domain/limit-shares.ts';
import { RequestSeries } from '../domain/request-series.ts';
import { freshMeter, type MeteredTenant, type Meters, type TenantMeter } from '../domain/tenant-meters.ts';

/** In a report, before the numbers of the series: number, requests, bytes, refusals for too many in flight. */
const fields = 4;
/** Reports without a request after which a tenant is forgotten; whatever it still has in flight holds on to its meter. */
const idleReportsMax = 30;

export interface WorkerMetersOptions {
  readonly cells: LimitCells;
  readonly worker: number;
  /** Of a tenant's series. */
  readonly bounds: readonly number[];
}

export class WorkerMeters implements Meters {
  readonly #options: WorkerMetersOptions;
  readonly #meters: (TenantMeter | undefined)[] = [];
  /** With the reports in a row in which there was nothing. */
  readonly #all = new Map<TenantMeter, number>();
  #even: Shares = { rate: 1, concurrency: 1 };
  #own: ReadonlyMap<string, Shares> = new Map();
  #shed: ReadonlyMap<number, number> = new Map();

  constructor(options: WorkerMetersOptions) {
    this.#options = options;
  }

  count(tenant: MeteredTenant): TenantMeter {
    const meter = this.#meters[tenant.number] ?? this.#begin(tenant);
    meter.requests += 1;
    return meter;
  }

  get({ number }: MeteredTenant): TenantMeter | undefined {
    return this.#meters[number];
  }

  sharesOf(tenantId: string): Shares {
    return this.#own.get(tenantId) ?? this.#even;
  }

  reshare(even: Shares, own: ReadonlyMap<string, Shares>): void {
    this.#even = even;
    this.#own = own;
    for (const meter of this.#all.keys()) meter.shares = this.sharesOf(meter.tenantId);
  }

  /** What is refused of these tenants' requests, by number; of the others nothing is. */
  shed(shares: ReadonlyMap<number, number>): void {
    this.#shed = shares;
    for (const meter of this.#all.keys()) meter.shedShare = shares.get(meter.number) ?? 0;
  }

  /** Of every tenant that had requests since the last report: its number, what was counted, and its series. */
  report(): Float64Array {
    const size = fields + new RequestSeries(this.#options.bounds).size;
    const busy: TenantMeter[] = [];
    for (const [meter, idle] of this.#all) {
      if (isBusy(meter)) {
        busy.push(meter);
        this.#all.set(meter, 0);
      } else if (idle < idleReportsMax) this.#all.set(meter, idle + 1);
      else {
        this.#all.delete(meter);
        this.#meters[meter.number] = undefined;
      }
    }
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

  #begin(tenant: MeteredTenant): TenantMeter {
    const { cells, worker, bounds } = this.#options;
    const { number, tenantId } = tenant;
    const meter = freshMeter(tenant, cells.use(number, worker), this.sharesOf(tenantId), new RequestSeries(bounds));
    meter.shedShare = this.#shed.get(number) ?? 0;
    // Without holes the array stays one.
    while (this.#meters.length < number) this.#meters.push(undefined);
    this.#meters[number] = meter;
    this.#all.set(meter, 0);
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
