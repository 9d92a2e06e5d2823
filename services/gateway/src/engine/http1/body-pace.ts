// How fast a request's body comes: one that comes too slowly is borne with for as long as one that does not come at all.

/** Patience is used up as time passes, and each byte gives a little of it back. */
export class BodyPace {
  readonly #graceMs: number;
  readonly #bytesPerSecondMin: number;
  #leftMs: number;
  #seenMs: number;
  #seenBytes: number;

  /** From a moment at which the client may send, and `bytes` have come. */
  constructor(nowMs: number, bytes: number, { graceMs, bytesPerSecondMin }: { graceMs: number; bytesPerSecondMin: number }) {
    this.#graceMs = graceMs;
    this.#bytesPerSecondMin = bytesPerSecondMin;
    this.#leftMs = graceMs;
    this.#seenMs = nowMs;
    this.#seenBytes = bytes;
  }

  /** Called now and then, with all bytes that have come. True: who keeps to the least rate over any while is not told so. */
  isTooSlow(nowMs: number, bytes: number): boolean {
    const gainedMs = ((bytes - this.#seenBytes) / this.#bytesPerSecondMin) * 1_000;
    this.#leftMs = Math.min(this.#graceMs, this.#leftMs - (nowMs - this.#seenMs) + gainedMs);
    this.#seenMs = nowMs;
    this.#seenBytes = bytes;
    return this.#leftMs <= 0;
  }
}
