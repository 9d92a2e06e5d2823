// The outbox relay inside one process, on a real store.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, ManualClock, systemClock } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { typeOf } from './conformance/context.ts';
import {
  createOutboxRelay,
  type Documents,
  type OutboxItem,
  type OutboxRelay,
  type OutboxRelayOptions,
  openSqliteStore,
  type Store,
} from './index.ts';

const orders = typeOf<{ step: number }>({ name: 'orders' });

/** Of a relay with one handler: its own, and the one for targets that nobody handles. */
const lanes = 2;

let folder: string;
let store: Store;
let documents: Documents<{ step: number }>;
let relay: OutboxRelay | undefined;
/** What was handled, one word an item: `document:item`. */
let handled: string[];
let warnings: Record<string, unknown>[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-relay-'));
  store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
  documents = store.documents(orders);
  handled = [];
  warnings = [];
});

afterEach(async () => {
  await relay?.stop();
  relay = undefined;
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function item(id: string, target = 'event'): OutboxItem {
  return { id, target, payload: null };
}

function createRelay(
  handlers: OutboxRelayOptions['handlers'],
  clock: Clock = systemClock,
  more: Partial<OutboxRelayOptions> = {},
): OutboxRelay {
  const logger = { warn: (fields: Record<string, unknown>) => void warnings.push(fields) } as unknown as OutboxRelayOptions['logger'];
  relay = createOutboxRelay({ documents: [documents], handlers, clock, logger, ...more });
  return relay;
}

const handleAll = async (items: readonly OutboxItem[], { id }: { id: string }): Promise<void> => {
  handled.push(...items.map((one) => `${id}:${one.id}`));
};

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await systemClock.sleep(2);
}

async function nothingWaits(): Promise<boolean> {
  return (await documents.pendingOutbox(1)).length === 0;
}

describe('flush', () => {
  it('relays one document now, whether the relay was started or not, and resolves when its outbox is empty', async () => {
    const relaying = createRelay({ event: handleAll });
    await documents.insert('a', { step: 1 }, [item('1'), item('2')]);
    await documents.insert('b', { step: 1 }, [item('1')]);
    await relaying.flush(documents, 'a');
    expect(handled).toEqual(['a:1', 'a:2']);
    expect((await documents.get('a'))?.outbox).toEqual([]);
    expect((await documents.get('b'))?.outbox).toHaveLength(1);
    await relaying.flushAll();
    expect(handled).toEqual(['a:1', 'a:2', 'b:1']);
    await relaying.flush(documents, 'nobody');
  });

  it('waits for a run that is under way and then relays what that run may have missed', async () => {
    const gate = Promise.withResolvers<void>();
    const relaying = createRelay({
      event: async (items, document) => {
        await handleAll(items, document);
        await gate.promise;
      },
    });
    await documents.insert('a', { step: 1 }, [item('1')]);
    const first = relaying.flush(documents, 'a');
    await until(() => handled.length === 1);
    await documents.replace('a', 1, { step: 2 }, [item('2')]);
    const second = relaying.flush(documents, 'a');
    gate.resolve();
    await Promise.all([first, second]);
    expect(handled).toEqual(['a:1', 'a:2']);
  });

  it('relays also what was written while a run that found nothing more was about to end', async () => {
    const gate = Promise.withResolvers<void>();
    let reads = 0;
    const slow: Documents<unknown> = Object.assign(Object.create(documents) as Documents<unknown>, {
      get: async (id: string) => {
        const document = await documents.get(id);
        reads += 1;
        if (reads === 2) await gate.promise;
        return document;
      },
      pullOutbox: (id: string, itemIds: readonly string[]) => documents.pullOutbox(id, itemIds),
    });
    const relaying = createRelay({ event: handleAll }, systemClock, { documents: [slow] });
    await documents.insert('a', { step: 1 }, [item('1')]);
    const first = relaying.flush(slow, 'a', 'event');
    await until(() => reads === 2);
    await documents.replace('a', 1, { step: 2 }, [item('2')]);
    const second = relaying.flush(slow, 'a', 'event');
    gate.resolve();
    await Promise.all([first, second]);
    expect(handled).toEqual(['a:1', 'a:2']);
  });

  it('resolves when a handler fails, says so in the log, and keeps what was not done', async () => {
    const relaying = createRelay({
      event: async () => {
        throw new Error('the bus is away');
      },
    });
    await documents.insert('a', { step: 1 }, [item('1')]);
    await relaying.flush(documents, 'a');
    expect(warnings).toMatchObject([{ id: 'a', failures: 1, err: { message: 'the bus is away' } }]);
    expect((await documents.get('a'))?.outbox).toHaveLength(1);
  });
});

describe('items', () => {
  it('come in their order, all of one target together, each target to its handler', async () => {
    const calls: string[] = [];
    const relaying = createRelay({
      event: async (items) => void calls.push(`event ${items.map(({ id }) => id).join('')}`),
      'journal:routes': async (items) => void calls.push(`routes ${items.map(({ id }) => id).join('')}`),
    });
    await documents.insert('a', { step: 1 }, [item('1'), item('2'), item('3', 'journal:routes'), item('4')]);
    await relaying.flush(documents, 'a');
    expect(calls.sort()).toEqual(['event 124', 'routes 3']);
  });

  it('of one target only are relayed where only they are asked for', async () => {
    const relaying = createRelay({ event: handleAll, other: handleAll });
    await documents.insert('a', { step: 1 }, [item('1'), item('2', 'other')]);
    await relaying.flush(documents, 'a', 'other');
    expect(handled).toEqual(['a:2']);
  });

  it('of a target that hangs keep nothing of another target back, in this document or any other', async () => {
    const never = Promise.withResolvers<void>();
    const relaying = createRelay({ event: () => never.promise, other: handleAll });
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => documents.insert(`d${index}`, { step: 1 }, [item('1'), item('2', 'other')])),
    );
    await relaying.start();
    await until(() => handled.length === 50);
    await documents.replace('d0', 1, { step: 2 }, [item('3', 'other')]);
    await relaying.flush(documents, 'd0', 'other');
    expect(handled.at(-1)).toBe('d0:3');
    never.resolve();
  });

  it('of a target that fails are given again, in order, and keep nothing of another target back', async () => {
    let refuse = true;
    const relaying = createRelay({
      event: handleAll,
      other: async (items, document) => {
        if (refuse) throw new Error('not now');
        await handleAll(items, document);
      },
    });
    await documents.insert('a', { step: 1 }, [item('1'), item('2', 'other'), item('3'), item('4', 'other')]);
    await relaying.flush(documents, 'a');
    expect(handled).toEqual(['a:1', 'a:3']);
    refuse = false;
    await relaying.flush(documents, 'a');
    expect(handled).toEqual(['a:1', 'a:3', 'a:2', 'a:4']);
  });

  it('of a target that nobody handles stay, and the log names the target', async () => {
    const observed: unknown[] = [];
    const relaying = createRelay({ event: handleAll }, systemClock, { observe: (...what) => void observed.push(what) });
    await documents.insert('a', { step: 1 }, [item('1', 'constructor')]);
    await documents.insert('b', { step: 1 }, [item('1')]);
    await relaying.flushAll();
    expect((await documents.get('a'))?.outbox).toHaveLength(1);
    expect(warnings).toMatchObject([{ err: { code: 'internal', message: expect.stringContaining('"constructor"') } }]);
    expect(observed.sort()).toEqual([
      ['constructor', 'failed', 1],
      ['event', 'relayed', 1],
    ]);
  });
});

describe('a started relay', () => {
  it('finds what was written before it started, and what comes after a ring', async () => {
    await documents.insert('a', { step: 1 }, [item('1')]);
    const started = createRelay({ event: handleAll }, systemClock, { intervalMs: 3_600_000 });
    await started.start();
    await until(nothingWaits);
    await documents.insert('b', { step: 1 }, [item('1')]);
    started.ring(documents, 'b');
    await until(nothingWaits);
    expect(handled).toEqual(['a:1', 'b:1']);
  });

  it('takes up what nobody rang for when it has waited for five intervals', async () => {
    const clock = new ManualClock();
    await createRelay({ event: handleAll }, clock, { intervalMs: 1_000 }).start();
    await until(() => clock.sleeping === lanes);
    await documents.insert('a', { step: 1 }, [item('1')]);
    // Seen at the first look, and left alone at the next four.
    for (let look = 1; look <= 5; look += 1) {
      await clock.advance(1_000);
      await until(() => clock.sleeping === lanes);
      expect(handled).toEqual([]);
    }
    await clock.advance(1_000);
    await until(nothingWaits);
    expect(handled).toEqual(['a:1']);
  });

  it('leaves to another relay what that one is about to do', async () => {
    const clock = new ManualClock();
    await createRelay({ event: handleAll }, clock, { intervalMs: 1_000 }).start();
    await until(() => clock.sleeping === lanes);
    // Each time it looks something waits, but never the same for long.
    for (let step = 1; step <= 12; step += 1) {
      if (step === 1) await documents.insert('a', { step }, [item('1')]);
      else await documents.replace('a', step - 1, { step }, [item(`${step}`)]);
      await clock.advance(1_000);
      await until(() => clock.sleeping === lanes);
      await documents.pullOutbox('a', [`${step}`]);
    }
    expect(handled).toEqual([]);
  });

  it('tries a failing document again after growing pauses while the others go on', async () => {
    const clock = new ManualClock();
    let attempts = 0;
    const started = createRelay(
      {
        event: async (items, document) => {
          if (document.id === 'bad') {
            attempts += 1;
            if (attempts < 4) throw new Error('still bad');
          }
          await handleAll(items, document);
        },
      },
      clock,
      { intervalMs: 3_600_000 },
    );
    await documents.insert('bad', { step: 1 }, [item('1')]);
    await started.start();
    for (const [failures, delayMs] of [
      [1, 200],
      [2, 400],
      [3, 800],
    ] as const) {
      await until(() => warnings.length === failures && clock.sleeping === lanes);
      expect(warnings.at(-1)).toMatchObject({ id: 'bad', failures, delayMs });
      await documents.insert(`good-${failures}`, { step: 1 }, [item('1')]);
      started.ring(documents, `good-${failures}`);
      await until(() => handled.length === failures && clock.sleeping === lanes);
      await clock.advance(delayMs - 1);
      expect(attempts).toBe(failures);
      await clock.advance(1);
    }
    await until(nothingWaits);
    expect(handled).toEqual(['good-1:1', 'good-2:1', 'good-3:1', 'bad:1']);
  });

  it('relays what is behind a document that cannot be read, and says its id after growing pauses', async () => {
    await documents.list();
    const newer = await openSqliteStore({ file: join(folder, 'store.sqlite') });
    const upgrade = (): never => {
      throw new Error('cannot be upgraded');
    };
    const today: Documents<unknown> = newer.documents(typeOf<{ step: number }>({ name: 'orders', schemaVersion: 2, upgrade }));
    await documents.insert('a', { step: 1 }, [item('1')]);
    await today.insert('b', { step: 1 }, [item('1')]);
    const clock = new ManualClock();
    await createRelay({ event: handleAll }, clock, { documents: [today], intervalMs: 3_600_000 }).start();
    await until(() => handled.length === 1 && warnings.length === 1 && clock.sleeping === lanes);
    await clock.advance(200);
    await until(() => warnings.length === 2 && clock.sleeping === lanes);
    expect(handled).toEqual(['b:1']);
    expect(warnings).toMatchObject([
      { id: 'a', failures: 1, err: { message: 'cannot be upgraded' } },
      { id: 'a', failures: 2, delayMs: 400 },
    ]);
    await relay?.stop();
    await newer.close();
  });

  it('reaches documents behind more failing ones than it asks for at once', async () => {
    await Promise.all(Array.from({ length: 250 }, (_, index) => documents.insert(`bad-${index}`, { step: 1 }, [item('1')])));
    await documents.insert('good', { step: 1 }, [item('1')]);
    const started = createRelay({
      event: async (items, document) => {
        if (document.id !== 'good') throw new Error('bad');
        await handleAll(items, document);
      },
    });
    await started.start();
    await until(() => handled.length === 1);
    expect(handled).toEqual(['good:1']);
  });

  it('is not held up by a handler that hangs', async () => {
    const never = Promise.withResolvers<void>();
    const started = createRelay({
      event: async (items, document) => {
        if (document.id === 'hangs') await never.promise;
        await handleAll(items, document);
      },
    });
    await documents.insert('hangs', { step: 1 }, [item('1')]);
    await started.start();
    for (let index = 0; index < 5; index += 1) {
      await documents.insert(`free-${index}`, { step: 1 }, [item('1')]);
      started.ring(documents, `free-${index}`);
      await until(() => handled.length === index + 1);
    }
    expect(handled).toEqual(['free-0:1', 'free-1:1', 'free-2:1', 'free-3:1', 'free-4:1']);
    never.resolve();
    await until(nothingWaits);
  });

  it('stops after the handlers that run have ended', async () => {
    const gate = Promise.withResolvers<void>();
    const started = createRelay({
      event: async (items, document) => {
        await handleAll(items, document);
        await gate.promise;
      },
    });
    await documents.insert('a', { step: 1 }, [item('1')]);
    await started.start();
    await until(() => handled.length === 1);
    let hasStopped = false;
    const stopped = started.stop().then(() => {
      hasStopped = true;
    });
    await until(async () => (await documents.get('a'))?.outbox.length === 1);
    expect(hasStopped).toBe(false);
    gate.resolve();
    await stopped;
    expect(await nothingWaits()).toBe(true);
  });

  it('goes on looking when the store was away', async () => {
    let away = true;
    const flaky: Documents<unknown> = Object.assign(Object.create(documents) as Documents<unknown>, {
      pendingOutbox: async (limit: number, after?: string) => {
        if (away) throw new Error('store is away');
        return await documents.pendingOutbox(limit, after);
      },
      get: (id: string) => documents.get(id),
      pullOutbox: (id: string, itemIds: readonly string[]) => documents.pullOutbox(id, itemIds),
    });
    await documents.insert('a', { step: 1 }, [item('1')]);
    const started = createRelay({ event: handleAll }, systemClock, { documents: [flaky], intervalMs: 5 });
    await started.start();
    await until(() => warnings.length > 0);
    away = false;
    await until(nothingWaits);
    expect(handled).toEqual(['a:1']);
  });
});
