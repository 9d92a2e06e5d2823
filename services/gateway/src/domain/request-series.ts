// What is counted of the requests of one tenant, or of all that share a label: in typed arrays, as it happens with every request.

/** 499: the client went away before there was an answer. */
export const statusClasses = ['499', '1xx', '2xx', '3xx', '4xx', '5xx', '6xx', '7xx', '8xx', '9xx'] as const;

export class RequestSeries {
  /** By `statusClasses`. */
  readonly statuses: Float64Array = new Float64Array(statusClasses.length);
  /** Not cumulative; the last is for what is above all bounds. */
  readonly buckets: Float64Array;
  secondsSum = 0;
  readonly #bounds: readonly number[];

  /** `bounds` of the buckets: seconds, ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.buckets = new Float64Array(bounds.length + 1);
  }

  /** Hot path. `status` 0: there was no answer. */
  count(status: number): void {
    const index = Math.floor(status / 100);
    this.statuses[index] = (this.statuses[index] ?? 0) + 1;
  }

  /** What was counted elsewhere, in the order of `moveTo`. */
  add(counts: Float64Array, at: number): void {
    for (const part of [this.statuses, this.buckets]) {
      for (let index = 0; index < part.length; index++) (part[index] as number) += counts[at++] as number;
    }
    this.secondsSum += counts[at] as number;
  }

  /** Gives `size` numbers away, and begins anew. */
  moveTo(counts: Float64Array, at: number): void {
    counts.set(this.statuses, at);
    counts.set(this.buckets, at + this.statuses.length);
    counts[at + this.size - 1] = this.secondsSum;
    this.statuses.fill(0);
    this.buckets.fill(0);
    this.secondsSum = 0;
  }

  get size(): number {
    return this.statuses.length + this.buckets.length + 1;
  }

  /** Hot path. */
  observe(seconds: number): void {
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && seconds > (bounds[index] ?? 0)) index++;
    this.buckets[index] = (this.buckets[index] ?? 0) + 1;
    this.secondsSum += seconds;
  }
}
