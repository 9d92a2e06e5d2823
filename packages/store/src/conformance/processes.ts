// Conformance: several processes on one store, and processes that are killed.
import { epochNumber } from '@burgage/contracts';
import { systemClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import type { Journal, JournalEntry } from '../port.ts';
import type { Bench } from './context.ts';
import { listAll } from './context.ts';
import { counterAt, counters } from './types.ts';

const processTimeoutMs = 60_000;

interface Appended {
  readonly writer: string;
  readonly number: number;
}

async function readAll(journal: Journal): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (;;) {
    const page = await journal.readAfter(entries.length, 500);
    if (page.length === 0) return entries;
    entries.push(...page);
  }
}

/** What each writer appended, in the order of the journal. */
function numbersByWriter(entries: readonly JournalEntry[]): Record<string, number[]> {
  const byWriter: Record<string, number[]> = {};
  for (const entry of entries) {
    const { writer, number } = entry.value as unknown as Appended;
    byWriter[writer] ??= [];
    byWriter[writer].push(number);
  }
  return byWriter;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Resolves when `look` has seen the same three times in a row. */
async function untilSame(look: () => Promise<string>): Promise<void> {
  for (let last = '', times = 0; times < 3; ) {
    const seen = await look();
    times = seen === last ? times + 1 : 1;
    last = seen;
    await systemClock.sleep(100);
  }
}

export function processTests(bench: Bench): void {
  describe('two processes on one store', { timeout: processTimeoutMs }, () => {
    it('lose no increment when they race on compare-and-set', async () => {
      const place = await bench.newPlace();
      const documents = (await bench.open(place)).documents(counters);
      await documents.insert('c', counterAt(0));
      const children = await bench.start(place, [
        { kind: 'increment', id: 'c', times: 200 },
        { kind: 'increment', id: 'c', times: 200 },
      ]);
      await Promise.all(children.map((child) => child.finished()));
      expect(await documents.get('c')).toEqual({ id: 'c', version: 401, value: counterAt(400), outbox: [] });
      expect((await documents.findByKey('count', 'count-400'))?.id).toBe('c');
      expect(await documents.findByKey('count', 'count-399')).toBeUndefined();
    });

    it('append everything, without gaps, each in its own order, when they race on a journal', async () => {
      const place = await bench.newPlace();
      const store = await bench.open(place);
      const children = await bench.start(place, [
        { kind: 'append', journal: 'log', writer: 'one', batches: 150, batchSize: 3 },
        { kind: 'append', journal: 'log', writer: 'two', batches: 150, batchSize: 3 },
      ]);
      await Promise.all(children.map((child) => child.finished()));
      const entries = await readAll(store.journal('log'));
      expect(entries.map(({ revision }) => revision)).toEqual(upTo(900).map((index) => index + 1));
      expect(numbersByWriter(entries)).toEqual({ one: upTo(450), two: upTo(450) });
    });
  });

  describe('a new store', { timeout: processTimeoutMs }, () => {
    it('can be opened and written by several processes at the same moment', async () => {
      const place = await bench.newPlace();
      const writers = ['one', 'two', 'three', 'four'];
      const children = await bench.start(
        place,
        writers.map((writer) => ({ kind: 'append' as const, journal: 'log', writer, batches: 10, batchSize: 1 })),
      );
      await Promise.all(children.map((child) => child.finished()));
      const entries = await readAll((await bench.open(place)).journal('log'));
      expect(numbersByWriter(entries)).toEqual(Object.fromEntries(writers.map((writer) => [writer, upTo(10)])));
    });
  });

  describe('processes that find the same reason to reset a journal', { timeout: processTimeoutMs }, () => {
    it('reset it once, and lose nothing that another one has appended since', async () => {
      const place = await bench.newPlace();
      const journal = (await bench.open(place)).journal('log');
      const before = await journal.append(['old', 'old']);
      const writers = ['one', 'two', 'three', 'four'];
      const children = await bench.start(
        place,
        writers.map((writer) => ({ kind: 'reset' as const, journal: 'log', writer, from: before.epoch, beyond: '6.other' })),
      );
      await Promise.all(children.map((child) => child.finished()));
      const head = await journal.head();
      expect(epochNumber(head.epoch)).toBe(7);
      for (const child of children) expect(child.lines.at(-1)).toBe(head.epoch);
      expect((await journal.readAfter(0, 10)).map(({ value }) => value).toSorted()).toEqual(writers.toSorted());
    });
  });

  describe('a reader', { timeout: processTimeoutMs }, () => {
    it('sees every entry of a journal once and in order while many processes append', async () => {
      const place = await bench.newPlace();
      const store = await bench.open(place);
      const journal = store.journal('log');
      const batches = bench.times(100);
      const [each, all] = [2 * batches, 8 * batches];
      const children = await bench.start(
        place,
        ['one', 'two', 'three'].map((writer) => ({ kind: 'append' as const, journal: 'log', writer, batches, batchSize: 2 })),
      );
      // This process appends too, so that the reader is woken from inside and from outside.
      const own = (async () => {
        for (const number of upTo(each)) await journal.append([{ writer: 'own', number }]);
      })();
      const seen: JournalEntry[] = [];
      while (seen.length < all) {
        expect(await journal.waitBeyond(seen.length, 30_000)).toBe(true);
        const entries = await journal.readAfter(seen.length, 7);
        expect(entries[0]?.revision).toBe(seen.length + 1);
        seen.push(...entries);
      }
      await Promise.all([own, ...children.map((child) => child.finished())]);
      expect(seen.map(({ revision }) => revision)).toEqual(upTo(all).map((index) => index + 1));
      expect(numbersByWriter(seen)).toEqual({ one: upTo(each), two: upTo(each), three: upTo(each), own: upTo(each) });
      expect((await journal.head()).revision).toBe(all);
    });
  });

  describe('a process killed in the middle of writes', { timeout: processTimeoutMs }, () => {
    it.each([20, 150])('leaves everything that was acknowledged and nothing half, killed after %i writes', async (writes) => {
      const place = await bench.newPlace();
      const batchSize = 5;
      const [child] = await bench.start(place, [{ kind: 'write until killed', id: 'c', journal: 'log', batchSize }]);
      if (child === undefined) throw new Error('nothing started');
      await child.said((line) => line === `document ${writes}`);
      await child.kill();
      const acknowledged = (word: string): number =>
        Math.max(0, ...child.lines.filter((line) => line.startsWith(word)).map((line) => Number(line.slice(word.length))));

      const store = await bench.open(place);
      const documents = store.documents(counters);
      // What it had sent to a server may be carried out when it is gone already.
      await untilSame(async () => JSON.stringify([(await documents.get('c'))?.version, (await store.journal('log').head()).revision]));
      const document = await documents.get('c');
      const count = document?.value.count ?? -1;
      expect(count).toBeGreaterThanOrEqual(acknowledged('document '));
      expect(document).toMatchObject({ version: count + 1, value: counterAt(count) });
      expect(document?.outbox.map(({ payload }) => payload)).toEqual(upTo(count).map((index) => index + 1));
      expect((await documents.findByKey('count', `count-${count}`))?.id).toBe('c');
      expect(await documents.findByKey('count', `count-${count - 1}`)).toBeUndefined();
      expect(await listAll(documents, { where: [{ field: 'count', op: 'eq', value: count }] })).toEqual(['c']);

      const entries = await readAll(store.journal('log'));
      expect(entries.length).toBeGreaterThanOrEqual(acknowledged('journal '));
      expect(entries.length % batchSize).toBe(0);
      expect(entries.map(({ value }) => value)).toEqual(upTo(entries.length).map((index) => Math.floor(index / batchSize) + 1));
      expect((await store.journal('log').head()).revision).toBe(entries.length);
      // And it goes on from there.
      await documents.replace('c', count + 1, counterAt(count + 1));
      expect((await store.journal('log').append([0])).revision).toBe(entries.length + 1);
    });
  });
}
