// Measures how hard it is for this process to keep up: how late its event loop is, how full its heap.
import { getHeapStatistics } from 'node:v8';
import type { Clock, Component } from '@burgage/runtime';
import type { Strain } from '../domain/shedding.ts';

/** Between two looks at the loop. */
const sampleMs = 50;
/** Garbage that waits for its collection fills a heap without harm: the least of so many readings is what is really in use. */
const heapReadings = 5;

export interface StrainGauge extends Component {
  /** Since it was last asked. */
  read(): Strain;
}

export function createStrainGauge(clock: Clock): StrainGauge {
  const stopping = new AbortController();
  let delaysMs: number[] = [];
  const heapShares: number[] = [];
  let running: Promise<void> = Promise.resolve();

  async function sample(): Promise<void> {
    while (!stopping.signal.aborted) {
      const dueMs = clock.monotonicMs() + sampleMs;
      await clock.sleep(sampleMs, stopping.signal);
      delaysMs.push(Math.max(0, clock.monotonicMs() - dueMs));
    }
  }

  return {
    name: 'strain',
    start: async () => {
      running = sample();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    read: () => {
      const { used_heap_size, heap_size_limit } = getHeapStatistics();
      heapShares.push(used_heap_size / heap_size_limit);
      if (heapShares.length > heapReadings) heapShares.shift();
      // The median: one long pause is not yet a loop that is late.
      const loopDelayMs = delaysMs.sort((a, b) => a - b)[Math.floor(delaysMs.length / 2)] ?? 0;
      delaysMs = [];
      return { loopDelayMs, heapShare: Math.min(...heapShares) };
    },
  };
}
