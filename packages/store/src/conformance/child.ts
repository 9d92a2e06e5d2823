// A process that the conformance suite starts: opens the store of a place, does one task, and says each step on its output.
import { writeSync } from 'node:fs';
import { isBurgageError } from '@burgage/contracts';
import { systemClock } from '@burgage/runtime';
import type { Json, Store } from '../port.ts';
import { createOutboxRelay } from '../relay.ts';
import type { StorePlaces } from './places.ts';
import { counterAt, counters, publishedJournal, senders } from './types.ts';

export type Task =
  /** Raises a counter `times` times by compare-and-set, against whoever else does. */
  | { readonly kind: 'increment'; readonly id: string; readonly times: number }
  /** Appends `batches` times `batchSize` entries. */
  | { readonly kind: 'append'; readonly journal: string; readonly writer: string; readonly batches: number; readonly batchSize: number }
  /** Resets a journal if it is in the epoch `from`, appends its name, and says the epoch. */
  | { readonly kind: 'reset'; readonly journal: string; readonly writer: string; readonly from: string; readonly beyond: string }
  /** Writes documents and journal until it is killed; says every acknowledged write. */
  | { readonly kind: 'write until killed'; readonly id: string; readonly journal: string; readonly batchSize: number }
  /** Relays every outbox of the senders until it is killed; with `hangAfter`, never pulls what it published after so many. */
  | { readonly kind: 'relay'; readonly name: string; readonly hangAfter?: number };

export interface ChildOrder {
  /** URL of the adapter's module. */
  readonly module: string;
  readonly place: Json;
  readonly task: Task;
}

/** One line to the suite; with the system when the call returns, so that a kill afterwards cannot take it back. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

async function increment(store: Store, id: string, times: number): Promise<void> {
  const documents = store.documents(counters);
  for (let done = 0; done < times; ) {
    const current = await documents.get(id);
    if (current === undefined) throw new Error(`no counter ${id}`);
    try {
      await documents.replace(id, current.version, counterAt(current.value.count + 1));
      done += 1;
    } catch (error) {
      if (!isBurgageError(error, 'version_conflict')) throw error;
    }
  }
}

async function append(store: Store, task: Task & { kind: 'append' }): Promise<void> {
  const journal = store.journal(task.journal);
  for (let batch = 0; batch < task.batches; batch += 1) {
    const values = Array.from({ length: task.batchSize }, (_, index) => ({ writer: task.writer, number: batch * task.batchSize + index }));
    await journal.append(values);
  }
}

async function reset(store: Store, { journal, writer, from, beyond }: Task & { kind: 'reset' }): Promise<void> {
  const { epoch } = await store.journal(journal).reset({ from, beyond });
  await store.journal(journal).append([writer]);
  say(epoch);
}

async function writeUntilKilled(store: Store, task: Task & { kind: 'write until killed' }): Promise<void> {
  const documents = store.documents(counters);
  const journal = store.journal(task.journal);
  let current = await documents.insert(task.id, counterAt(0));
  for (;;) {
    const count = current.value.count + 1;
    const [written] = await Promise.all([
      documents
        .replace(task.id, current.version, counterAt(count), [{ id: `item-${count}`, target: 'event', payload: count }])
        .then((stored) => {
          say(`document ${count}`);
          return stored;
        }),
      journal.append(Array.from({ length: task.batchSize }, () => count)).then((head) => say(`journal ${head.revision}`)),
    ]);
    current = written;
  }
}

async function relay(store: Store, task: Task & { kind: 'relay' }): Promise<void> {
  const published = store.journal(publishedJournal);
  let publishedCount = 0;
  const outboxRelay = createOutboxRelay({
    documents: [store.documents(senders)],
    clock: systemClock,
    logger: { warn: (...parts: unknown[]) => say(`warning ${JSON.stringify(parts)}`) },
    intervalMs: 5,
    handlers: {
      event: async (items, document) => {
        await published.append(items.map((item) => ({ sender: document.id, item: item.id, relay: task.name })));
        publishedCount += items.length;
        say(`published ${publishedCount}`);
        if (task.hangAfter !== undefined && publishedCount >= task.hangAfter) await new Promise(() => {});
      },
    },
  });
  await outboxRelay.start();
}

async function run({ module, place, task }: ChildOrder): Promise<void> {
  const { openStore } = (await import(module)) as StorePlaces;
  const store = await openStore(place);
  say('ready');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  // Whoever started this process holds the other end: without them there is nothing to do.
  process.stdin.on('end', () => process.exit()).resume();
  switch (task.kind) {
    case 'increment':
      await increment(store, task.id, task.times);
      break;
    case 'append':
      await append(store, task);
      break;
    case 'reset':
      await reset(store, task);
      break;
    case 'write until killed':
      return await writeUntilKilled(store, task);
    case 'relay':
      return await relay(store, task);
    default:
      task satisfies never;
  }
  await store.close();
  process.stdin.destroy();
}

await run(JSON.parse(process.argv[2] ?? '') as ChildOrder);
