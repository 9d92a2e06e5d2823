// Loaded into a gateway under test before it starts: at SIGUSR2 it collects garbage and writes what is left as a line of $LOADTEST_PROBE.
import { appendFileSync } from 'node:fs';
import process from 'node:process';

/** What a process holds after its garbage was collected. */
export interface Held {
  readonly heapBytes: number;
  /** Of buffers, outside the heap. */
  readonly externalBytes: number;
  /** What keeps the process alive, by kind: sockets, timers, files. */
  readonly resources: Readonly<Record<string, number>>;
}

const file = process.env.LOADTEST_PROBE;

function held(): Held {
  // The second one takes what the first has only let go.
  for (let turn = 0; turn < 2; turn++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return { heapBytes: heapUsed, externalBytes: external, resources };
}

if (file !== undefined) process.on('SIGUSR2', () => appendFileSync(file, `${JSON.stringify(held())}\n`));
