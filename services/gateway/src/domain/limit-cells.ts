// What tenants take up of their limits in memory that threads share: exact whichever of them lets a request in.
import { freshRate, type RateState, takeRate } from './gcra.ts';
import type { TenantUse } from './tenant-use.ts';

/** Tenants whose cells are made at once; what none of them touches costs no memory. */
export const cellsPerBlock = 1 << 14;
/** A cell is a cache line: three numbers of the rate limit, then three words, and two more numbers. */
const wordsPerCell = 16;
const numbersPerCell = wordsPerCell / 2;
const lockAt = 6;
const inflightAt = 7;
const tunnelsAt = 8;
/** Among the numbers. */
const shedShareAt = 5;
const latestMsAt = 6;
/** Of each worker and cell: its requests in flight and its tunnels, which are given back when it dies. */
const wordsOwn = 2;

/** A lock is held for far less than a microsecond, unless its thread was put to sleep or ended meanwhile. */
const spinsMax = 200;
const waitMs = 1;
const waitsMax = 50;
/** Said to a request for which the lock was not to be had: what is not known to be free is not given away. */
const blockedRetryMs = 1_000;

/** The cells of `cellsPerBlock` tenants, by number; plain to send to another thread. */
export interface CellBlock {
  readonly cells: SharedArrayBuffer;
  /** What each worker has taken. */
  readonly own: SharedArrayBuffer;
}

/** One block as a thread sees it. */
interface BlockView {
  readonly words: Int32Array;
  readonly numbers: Float64Array;
  readonly own: Int32Array;
}

/** The cells of all tenants by the number of their name, which is the same in all threads. */
export class LimitCells {
  readonly #workers: number;
  readonly #blocks: CellBlock[] = [];
  readonly #views: BlockView[] = [];
  /** One word for each worker: the cell whose lock it takes or has, plus 1; 0: none. */
  readonly locking: Int32Array;

  /** For so many workers; `locking` and the blocks are those of the thread that made them, where another one did. */
  constructor(workers: number, locking: SharedArrayBuffer = new SharedArrayBuffer(4 * workers)) {
    this.#workers = workers;
    this.locking = new Int32Array(locking);
  }

  get blocks(): readonly CellBlock[] {
    return this.#blocks;
  }

  /** Makes room for tenants up to this number, it excluded. Only the thread that owns the cells does. */
  grow(tenants: number): void {
    while (this.#blocks.length * cellsPerBlock < tenants) {
      this.take({
        cells: new SharedArrayBuffer(4 * wordsPerCell * cellsPerBlock),
        own: new SharedArrayBuffer(4 * wordsOwn * cellsPerBlock * this.#workers),
      });
    }
  }

  /** The next block, as the owner made it. */
  take(block: CellBlock): void {
    this.#blocks.push(block);
    this.#views.push({ words: new Int32Array(block.cells), numbers: new Float64Array(block.cells), own: new Int32Array(block.own) });
  }

  /** What the tenant of this number takes up; `worker` (from 0) is who takes and gives back through it. */
  use(tenant: number, worker: number): TenantUse {
    const view = this.#views[Math.floor(tenant / cellsPerBlock)];
    if (view === undefined) throw new RangeError(`tenant: got ${tenant}, expected less than ${this.#views.length * cellsPerBlock}`);
    const cell = tenant % cellsPerBlock;
    return new SharedUse(view, cell, worker * cellsPerBlock + cell, this.locking, worker, tenant);
  }

  /** Gives back what a worker had taken when it ended. Only after its thread has. */
  release(worker: number): void {
    const locked = (this.locking[worker] as number) - 1;
    const view = this.#views[Math.floor(locked / cellsPerBlock)];
    if (view !== undefined) Atomics.compareExchange(view.words, (locked % cellsPerBlock) * wordsPerCell + lockAt, worker + 1, 0);
    this.locking[worker] = 0;
    for (const { words, own } of this.#views) {
      const first = worker * cellsPerBlock * wordsOwn;
      for (let cell = 0; cell < cellsPerBlock; cell++) {
        for (let which = 0; which < wordsOwn; which++) {
          const taken = own[first + cell * wordsOwn + which] as number;
          if (taken === 0) continue;
          Atomics.sub(words, cell * wordsPerCell + inflightAt + which, taken);
          own[first + cell * wordsOwn + which] = 0;
        }
      }
    }
  }
}

/** Of the request that is being looked at. */
const scratch: RateState = freshRate();

class SharedUse implements TenantUse {
  /** Each worker counts its own: what they refuse together is the share of all. */
  shedDue = 0;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #own: Int32Array;
  readonly #at: number;
  readonly #numbersAt: number;
  readonly #ownAt: number;
  readonly #locking: Int32Array;
  readonly #worker: number;
  readonly #tenant: number;

  constructor({ words, numbers, own }: BlockView, cell: number, ownCell: number, locking: Int32Array, worker: number, tenant: number) {
    this.#words = words;
    this.#numbers = numbers;
    this.#own = own;
    this.#at = cell * wordsPerCell;
    this.#numbersAt = cell * numbersPerCell;
    this.#ownAt = ownCell * wordsOwn;
    this.#locking = locking;
    this.#worker = worker;
    this.#tenant = tenant;
  }

  get inflight(): number {
    return Atomics.load(this.#words, this.#at + inflightAt);
  }

  get tunnels(): number {
    return Atomics.load(this.#words, this.#at + tunnelsAt);
  }

  get dueMs(): number {
    return this.#numbers[this.#numbersAt] as number;
  }

  get shedShare(): number {
    return this.#numbers[this.#numbersAt + shedShareAt] as number;
  }

  set shedShare(share: number) {
    this.#numbers[this.#numbersAt + shedShareAt] = share;
  }

  enter(max: number): boolean {
    return this.#take(0, max);
  }

  leave(): void {
    this.#give(0);
  }

  openTunnel(max: number): boolean {
    return this.#take(1, max === 0 ? -1 : max);
  }

  closeTunnel(): void {
    this.#give(1);
  }

  takeRate(limit: number, nowMs: number): number {
    if (!this.#lock()) return blockedRetryMs;
    const numbers = this.#numbers;
    const at = this.#numbersAt;
    const latestMs = this.#latest(nowMs);
    const state = this.#read();
    const wait = takeRate(state, limit, latestMs);
    numbers[at + latestMsAt] = latestMs;
    numbers[at] = state.dueMs;
    numbers[at + 1] = state.dueUnits;
    numbers[at + 2] = state.limit;
    this.#unlock();
    return wait;
  }

  previewRate(limit: number, nowMs: number): number {
    return takeRate(this.#read(), limit, this.#latest(nowMs));
  }

  /** Threads look at the clock a little before they ask: whoever comes second is no earlier, or it would find the burst used up. */
  #latest(nowMs: number): number {
    return Math.max(nowMs, this.#numbers[this.#numbersAt + latestMsAt] as number);
  }

  #read(): RateState {
    const numbers = this.#numbers;
    const at = this.#numbersAt;
    scratch.dueMs = numbers[at] as number;
    scratch.dueUnits = numbers[at + 1] as number;
    scratch.limit = numbers[at + 2] as number;
    return scratch;
  }

  /** The last two lines have nothing between them at which a thread could be ended: both happen, or none. */
  #take(which: number, max: number): boolean {
    const words = this.#words;
    const at = this.#at + inflightAt + which;
    const ownAt = this.#ownAt + which;
    for (;;) {
      const taken = Atomics.load(words, at);
      if (max !== 0 && taken >= max) return false;
      if (Atomics.compareExchange(words, at, taken, taken + 1) !== taken) continue;
      (this.#own[ownAt] as number) += 1;
      return true;
    }
  }

  #give(which: number): void {
    Atomics.sub(this.#words, this.#at + inflightAt + which, 1);
    (this.#own[this.#ownAt + which] as number) -= 1;
  }

  /** False where another thread did not let go of it. Who ends with a lock is found by what it was locking. */
  #lock(): boolean {
    const words = this.#words;
    const at = this.#at + lockAt;
    const mine = this.#worker + 1;
    this.#locking[this.#worker] = this.#tenant + 1;
    for (let spins = 0; spins < spinsMax; spins++) if (Atomics.compareExchange(words, at, 0, mine) === 0) return true;
    for (let waits = 0; waits < waitsMax; waits++) {
      const holder = Atomics.compareExchange(words, at, 0, mine);
      if (holder === 0) return true;
      Atomics.wait(words, at, holder, waitMs);
    }
    this.#locking[this.#worker] = 0;
    return false;
  }

  #unlock(): void {
    Atomics.store(this.#words, this.#at + lockAt, 0);
    this.#locking[this.#worker] = 0;
  }
}
