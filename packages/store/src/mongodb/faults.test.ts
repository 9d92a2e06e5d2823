// A server that dies and comes back under load: what was acknowledged is there, and nobody has to open anything again.

import { isBurgageError } from '@burgage/contracts';
import { describeWithLab, type RunningServer } from '@burgage/lab';
import { systemClock } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { codeOf, typeOf } from '../conformance/context.ts';
import type { Store } from '../port.ts';
import { openMongoStore } from './store.ts';

interface Counter {
  readonly count: number;
}

const counters = typeOf<Counter>({ name: 'counters', unique: { count: ({ count }) => `count-${count}` } });

/** Writes one thing after the other, and remembers what came of it. */
class Writer {
  readonly #store: Store;
  readonly #name: string;
  /** Journal revision -> the number that was acknowledged there. */
  readonly appended = new Map<number, number>();
  /** Numbers whose append nobody knows of. */
  readonly undecided = new Set<number>();
  /** Of the document. */
  count = 0;
  acknowledged = 0;
  stopped = false;

  constructor(store: Store, name: string) {
    this.#store = store;
    this.#name = name;
  }

  async append(): Promise<void> {
    for (let number = 1; !this.stopped; number += 1) {
      const head = await orUnavailable(this.#store.journal('log').append([{ writer: this.#name, number }]));
      if (head === undefined) this.undecided.add(number);
      else this.appended.set(head.revision, number);
      this.acknowledged += 1;
    }
  }

  async raise(): Promise<void> {
    const documents = this.#store.documents(counters);
    while (!this.stopped) {
      const current = await orUnavailable(documents.get(this.#name));
      if (current === undefined) continue;
      // A write that was not acknowledged may have been carried out.
      expect(current.value.count).toBeGreaterThanOrEqual(this.count);
      const count = current.value.count + 1;
      const outbox = [{ id: `item-${count}`, target: 'event', payload: count }];
      const replaced = await orUnavailable(documents.replace(this.#name, current.version, { count }, outbox));
      if (replaced === undefined) continue;
      this.count = count;
      this.acknowledged += 1;
    }
  }

  async until(more: number): Promise<void> {
    for (const enough = this.acknowledged + more; this.acknowledged < enough; ) await systemClock.sleep(5);
  }
}

/** Nothing where the call said that the server cannot be used; any other failure is one of the test. */
async function orUnavailable<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isBurgageError(error, 'unavailable')) return undefined;
    throw error;
  }
}

async function openTwo({ url }: RunningServer): Promise<readonly Store[]> {
  return await Promise.all(['one', 'two'].map(() => openMongoStore({ url, database: 'faults' })));
}

describeWithLab('a server that ends in the middle of writes', ['mongo'], (lab) => {
  it('has lost nothing that was acknowledged when it is back, and the stores go on', { timeout: 120_000 }, async () => {
    const server = lab.server('mongo');
    const stores = await openTwo(server);
    const writers = stores.map((store, index) => new Writer(store, `writer-${index}`));
    const [first] = stores;
    if (first === undefined) throw new Error('no store');
    for (const [index] of writers.entries()) await first.documents(counters).insert(`writer-${index}`, { count: -1_000_000 * index });
    for (const [index, writer] of writers.entries()) writer.count = -1_000_000 * index;
    const working = Promise.all(writers.flatMap((writer) => [writer.append(), writer.append(), writer.raise()]));

    for (const end of ['kill', 'kill', 'stop'] as const) {
      await Promise.race([working, Promise.all(writers.map((writer) => writer.until(30)))]);
      await server[end]();
      await server.start();
    }
    await Promise.race([working, Promise.all(writers.map((writer) => writer.until(30)))]);
    for (const writer of writers) writer.stopped = true;
    await working;

    const entries = await first.journal('log').readAfter(0, 1_000_000);
    expect(entries.map(({ revision }) => revision)).toEqual(entries.map((_, index) => index + 1));
    for (const [index, writer] of writers.entries()) {
      for (const [revision, number] of writer.appended) {
        expect(entries[revision - 1]?.value).toEqual({ writer: `writer-${index}`, number });
      }
      const document = await first.documents(counters).get(`writer-${index}`);
      expect(document?.value.count).toBeGreaterThanOrEqual(writer.count);
      // As often as it was written: each write has left one item.
      const writes = (document?.version ?? 0) - 1;
      expect(document?.value.count).toBe(-1_000_000 * index + writes);
      expect(document?.outbox.map(({ payload }) => payload)).toEqual(
        Array.from({ length: writes }, (_, write) => -1_000_000 * index + write + 1),
      );
    }
    // Besides what was acknowledged, only what nobody knew of.
    const acknowledged = writers.reduce((sum, writer) => sum + writer.appended.size, 0);
    const undecided = writers.reduce((sum, writer) => sum + writer.undecided.size, 0);
    expect(entries.length).toBeGreaterThanOrEqual(acknowledged);
    expect(entries.length).toBeLessThanOrEqual(acknowledged + undecided);
    await Promise.all(stores.map((store) => store.close()));
  });

  it('is unavailable while it is away, and everything goes on when it is back', { timeout: 60_000 }, async () => {
    const server = lab.server('mongo');
    const [store, other] = await openTwo(server);
    if (store === undefined || other === undefined) throw new Error('no store');
    const documents = store.documents(counters);
    await documents.insert('c', { count: 5 });
    const { revision } = await store.journal('away').append([1]);
    await server.kill();
    const codes = await Promise.all([
      codeOf(store.ping()),
      codeOf(documents.get('c')),
      codeOf(documents.replace('c', 1, { count: 6 })),
      codeOf(documents.list()),
      codeOf(store.journal('away').append([2])),
      codeOf(store.journal('away').waitBeyond(revision, 60_000)),
      codeOf(openMongoStore({ url: server.url, database: 'faults' })),
    ]);
    expect(codes).toEqual(codes.map(() => 'unavailable'));
    await server.start();
    await store.ping();
    expect((await documents.replace('c', 1, { count: 6 })).version).toBe(2);
    const waiting = store.journal('away').waitBeyond(revision, 60_000);
    expect((await other.journal('away').append([2])).revision).toBe(revision + 1);
    expect(await waiting).toBe(true);
    await Promise.all([store.close(), other.close()]);
  });

  it('keeps nobody from closing a store while it is away', { timeout: 60_000 }, async () => {
    const server = lab.server('mongo');
    const [store, other] = await openTwo(server);
    const waiting = codeOf(store?.journal('away').waitBeyond(1_000, 60_000) ?? Promise.resolve());
    await server.kill();
    await Promise.all([store?.close(), other?.close()]);
    expect(await waiting).toBe('unavailable');
    await server.start();
  });
});
