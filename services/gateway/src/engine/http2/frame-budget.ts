// What a client may send that only costs: frames of which nothing comes that anybody asked for.

/** So many at once, as of a browser that leaves a page with all its pictures, and so many a second. */
const framesMax = 200;
const framesPerSecond = 20;

/** Of one connection; time is that of the engine's last look, in milliseconds. */
export class FrameBudget {
  #left = framesMax;
  #filledMs: number;

  constructor(nowMs: number) {
    this.#filledMs = nowMs;
  }

  /** One more has come. False: more than may. */
  spend(nowMs: number): boolean {
    const filled = this.#left + ((nowMs - this.#filledMs) / 1_000) * framesPerSecond;
    this.#filledMs = nowMs;
    this.#left = Math.min(framesMax, filled) - 1;
    return this.#left >= 0;
  }
}
