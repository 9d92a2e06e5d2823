// What is kept for tenants by their numbers, in segments: it grows without copying, and is looked through a piece at a time.

const segmentBits = 11;
/** So many numbers make a slice: few enough that a request does not notice who looks at one. */
export const perSlice: number = 1 << segmentBits;

export class ByNumber<T> {
  readonly #segments: ((T | undefined)[] | undefined)[] = [];

  /** How many slices there are, empty ones included; at least one. */
  get slices(): number {
    return Math.max(this.#segments.length, 1);
  }

  /** Hot path. */
  get(number: number): T | undefined {
    return this.#segments[number >>> segmentBits]?.[number & (perSlice - 1)];
  }

  set(number: number, value: T | undefined): void {
    const at = number >>> segmentBits;
    // Without holes the array stays one.
    while (this.#segments.length < at) this.#segments.push(undefined);
    const segment = this.#segments[at] ?? new Array<T | undefined>(perSlice).fill(undefined);
    segment[number & (perSlice - 1)] = value;
    this.#segments[at] = segment;
  }

  /** Calls `see` with each value in a slice. */
  each(slice: number, see: (value: T) => void): void {
    for (const value of this.#segments[slice] ?? []) if (value !== undefined) see(value);
  }
}
