// Tells which turn of the event loop something is read in, and when that was.
import type { Clock } from '@burgage/runtime';

/** Of the 1024 events that libuv takes at once, with room for those that are not counted here. */
const readsMax = 500;

/** Who has something to do when everything of a turn has been read. */
export interface TurnEnd {
  endOfTurn(): void;
}

/**
 * In one turn the loop reads from the sockets that had something when it looked. So whatever is read from a socket in the turn
 * in which, while another was read, a request was written to it cannot be the answer: it had come before.
 */
export class LoopTurns {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #turn = 1;
  #beganMs = 0;
  #reads = 0;
  #isReading = false;
  #isMarked = false;
  /** Those who wait for the end of this turn, and how many they are: two arrays that stay, in turns. */
  #ends: (TurnEnd | undefined)[] = [];
  #endsBefore: (TurnEnd | undefined)[] = [];
  #endings = 0;
  readonly #next = (): void => {
    this.#turn += 1;
    this.#reads = 0;
    this.#isMarked = false;
    const count = this.#endings;
    if (count === 0) return;
    const ends = this.#ends;
    this.#ends = this.#endsBefore;
    this.#endsBefore = ends;
    this.#endings = 0;
    for (let i = 0; i < count; i++) {
      ends[i]?.endOfTurn();
      ends[i] = undefined;
    }
  };

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /**
   * Hot path. Monotonic, in milliseconds: when the first of this turn was read, or now where nothing was. What is read in a turn has
   * been there since it began, as far as anybody can tell; and asking the clock again and again costs as much as finding a tenant.
   */
  get readMs(): number {
    return this.#reads > 0 ? this.#beganMs : this.#clock.monotonicMs();
  }

  /** Hot path. Something is read, until `readEnds`. */
  readBegins(): void {
    this.#isReading = true;
    if (this.#reads === 0) this.#beganMs = this.#clock.monotonicMs();
    this.#reads += 1;
    this.#mark();
  }

  readEnds(): void {
    this.#isReading = false;
  }

  /** Hot path. Calls `end` once, when this turn ends; it must not throw. */
  atEnd(end: TurnEnd): void {
    this.#ends[this.#endings++] = end;
    this.#mark();
  }

  /** A turn to remember for what is written now; 0 where it is written outside of any read, and nothing can be said of it. */
  get written(): number {
    return this.#isReading ? this.#turn : 0;
  }

  /** True where what is read now had come before that was written. With too much to read the loop may have looked twice. */
  isBefore(written: number): boolean {
    return written === this.#turn && this.#reads <= readsMax;
  }

  /** The end of this turn is waited for. Immediates run there: they cost the loop no look more. */
  #mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    setImmediate(this.#next);
  }
}
