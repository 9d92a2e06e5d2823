// One thread of the test of shared limits: asks as often as it can, and says what was let through.
import { parentPort, workerData } from 'node:worker_threads';
import { type CellBlock, LimitCells } from '../domain/limit-cells.ts';

export interface Hammering {
  readonly worker: number;
  readonly workers: number;
  readonly locking: SharedArrayBuffer;
  readonly blocks: readonly CellBlock[];
  readonly tenant: number;
  /** `rate`: as many turns of the clock are made, a millisecond each · `places`: taken and given back so many times. */
  readonly what: 'rate' | 'places' | 'hold';
  readonly turns: number;
  readonly limit: number;
  /** One word: the millisecond; moved on by whoever comes to it. The second: how many hold a place. The third: the most that did. */
  readonly board: SharedArrayBuffer;
}

const { worker, workers, locking, blocks, tenant, what, turns, limit, board } = workerData as Hammering;
const cells = new LimitCells(workers, locking);
for (const block of blocks) cells.take(block);
const use = cells.use(tenant, worker);
const words = new Int32Array(board);
let passed = 0;
switch (what) {
  case 'rate':
    for (let nowMs = Atomics.load(words, 0); nowMs < turns; nowMs = Atomics.add(words, 0, 1)) {
      for (let times = 0; times < 3; times++) if (use.takeRate(limit, nowMs) === 0) passed += 1;
    }
    break;
  case 'places':
    for (let turn = 0; turn < turns; turn++) {
      if (!use.enter(limit)) continue;
      passed += 1;
      const holding = Atomics.add(words, 1, 1) + 1;
      for (let most = Atomics.load(words, 2); holding > most; most = Atomics.load(words, 2))
        Atomics.compareExchange(words, 2, most, holding);
      Atomics.sub(words, 1, 1);
      use.leave();
    }
    break;
  case 'hold':
    // Takes and gives without an end, until its thread is ended.
    parentPort?.postMessage(0);
    while (Atomics.load(words, 0) === 0)
      if (use.enter(0) && use.takeRate(limit, performance.now()) >= 0 && use.openTunnel(1_000)) use.leave();
    break;
  default:
    throw new TypeError(`unknown task ${String(what satisfies never)}`);
}
parentPort?.postMessage(passed);
