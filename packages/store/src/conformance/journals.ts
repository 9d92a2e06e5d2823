// Conformance: journals.
import { epochNumber } from '@burgage/contracts';
import { describe, expect, it } from 'vitest';
import type { JournalEntry, Json } from '../port.ts';
import { type Bench, codeOf } from './context.ts';

/** Entries without their stamps. */
function contentOf(entries: readonly JournalEntry[]): readonly { readonly revision: number; readonly value: Json }[] {
  return entries.map(({ revision, value }) => ({ revision, value }));
}

export function journalTests(bench: Bench): void {
  describe('journals', () => {
    it('number entries from 1 without gaps and give them back in order', async () => {
      const journal = (await bench.open()).journal('log');
      const empty = await journal.head();
      const { epoch } = empty;
      expect(empty).toEqual({ epoch, revision: 0, stamp: '', oldest: 1 });
      expect(epochNumber(epoch)).toBe(1);
      expect(await journal.readAfter(0, 10)).toEqual([]);
      expect(await journal.append(['a', { b: [1, null] }])).toMatchObject({ epoch, revision: 2, oldest: 1 });
      const head = await journal.append([3]);
      expect(head).toMatchObject({ epoch, revision: 3, oldest: 1 });
      expect(await journal.append([])).toEqual(head);
      expect(await journal.head()).toEqual(head);
      expect(contentOf(await journal.readAfter(0, 10))).toEqual([
        { revision: 1, value: 'a' },
        { revision: 2, value: { b: [1, null] } },
        { revision: 3, value: 3 },
      ]);
      expect(contentOf(await journal.readAfter(1, 1))).toEqual([{ revision: 2, value: { b: [1, null] } }]);
      expect(await journal.readAfter(3, 10)).toEqual([]);
      expect(await journal.readAfter(9, 10)).toEqual([]);
    });

    it('are kept apart by name, and kept', async () => {
      const place = await bench.newPlace();
      const store = await bench.open(place);
      const [one, other] = [store.journal('one'), store.journal('other')];
      await one.append([1, 2]);
      await other.append(['x']);
      const heads = [await one.head(), await other.head()];
      await store.close();
      const again = await bench.open(place);
      expect([await again.journal('one').head(), await again.journal('other').head()]).toEqual(heads);
      expect(contentOf(await again.journal('other').readAfter(0, 10))).toEqual([{ revision: 1, value: 'x' }]);
    });

    it('forget what is trimmed, say so to who asks for it, and keep their head', async () => {
      const journal = (await bench.open()).journal('log');
      const { epoch, stamp } = await journal.append([1, 2, 3, 4, 5]);
      await journal.trim(2);
      await journal.trim(1);
      expect(await journal.head()).toEqual({ epoch, revision: 5, stamp, oldest: 3 });
      expect((await journal.readAfter(2, 10)).map(({ value }) => value)).toEqual([3, 4, 5]);
      await expect(journal.readAfter(1, 10)).rejects.toMatchObject({ code: 'not_found', metadata: { oldest: '3' } });
      await journal.trim(99);
      expect(await journal.head()).toEqual({ epoch, revision: 5, stamp, oldest: 6 });
      expect(await journal.readAfter(5, 10)).toEqual([]);
      expect(await codeOf(journal.readAfter(4, 10))).toBe('not_found');
      expect((await journal.append([6])).revision).toBe(6);
      expect(contentOf(await journal.readAfter(5, 10))).toEqual([{ revision: 6, value: 6 }]);
    });

    it('trim a long past completely', async () => {
      const journal = (await bench.open()).journal('log');
      await journal.append(Array.from({ length: 5_000 }, (_, index) => index));
      await journal.trim(4_999);
      expect(await journal.head()).toMatchObject({ revision: 5_000, oldest: 5_000 });
      expect(contentOf(await journal.readAfter(4_999, 10))).toEqual([{ revision: 5_000, value: 4_999 }]);
    });

    it('refuse values that JSON cannot carry, and append nothing of the call', async () => {
      const journal = (await bench.open()).journal('log');
      expect(await codeOf(journal.append([1, Number.NaN]))).toBe('invalid_argument');
      expect(await codeOf(journal.readAfter(-1, 10))).toBe('invalid_argument');
      expect(await codeOf(journal.readAfter(0, 0))).toBe('invalid_argument');
      expect(await codeOf(journal.trim(0.5))).toBe('invalid_argument');
      expect((await journal.head()).revision).toBe(0);
    });

    it('keep together what one call appends while many append', async () => {
      const journal = (await bench.open()).journal('log');
      await Promise.all(Array.from({ length: 30 }, (_, writer) => journal.append([writer, writer, writer])));
      const entries = await journal.readAfter(0, 100);
      expect(entries.map(({ revision }) => revision)).toEqual(Array.from({ length: 90 }, (_, index) => index + 1));
      for (let first = 0; first < 90; first += 3) {
        expect(new Set(entries.slice(first, first + 3).map(({ value }) => value)).size).toBe(1);
      }
    });

    it('give each append a stamp of its own, which its entries and the head carry', async () => {
      const journal = (await bench.open()).journal('log');
      const heads = await Promise.all(Array.from({ length: 20 }, (_, writer) => journal.append([writer, writer])));
      expect(new Set(heads.map(({ stamp }) => stamp)).size).toBe(20);
      const stamps = new Map((await journal.readAfter(0, 100)).map(({ revision, stamp }) => [revision, stamp]));
      for (const { revision, stamp } of heads) {
        expect(stamp.length).toBeGreaterThanOrEqual(8);
        expect(stamps.get(revision)).toBe(stamp);
      }
      expect((await journal.head()).stamp).toBe(stamps.get(40));
    });
  });

  describe('a reset', () => {
    it('begins a later epoch at revision 1', async () => {
      const journal = (await bench.open()).journal('log');
      const before = await journal.append([1, 2, 3]);
      await journal.trim(2);
      const after = await journal.reset();
      expect(after).toEqual({ epoch: after.epoch, revision: 0, stamp: '', oldest: 1 });
      expect(epochNumber(after.epoch)).toBe(epochNumber(before.epoch) + 1);
      expect(await journal.head()).toEqual(after);
      expect(await journal.readAfter(0, 10)).toEqual([]);
      expect(await journal.append(['new'])).toMatchObject({ epoch: after.epoch, revision: 1, oldest: 1 });
      expect(contentOf(await journal.readAfter(0, 10))).toEqual([{ revision: 1, value: 'new' }]);
    });

    it('goes beyond an epoch that it is told of, and never back', async () => {
      const journal = (await bench.open()).journal('log');
      expect(epochNumber((await journal.reset({ beyond: '41.other' })).epoch)).toBe(42);
      expect(epochNumber((await journal.reset({ beyond: '7.other' })).epoch)).toBe(43);
      // A text that is no epoch is before all of them.
      expect(epochNumber((await journal.reset({ beyond: 'nonsense' })).epoch)).toBe(44);
    });

    it('leaves an epoch alone that is not the one it was meant for', async () => {
      const journal = (await bench.open()).journal('log');
      const first = await journal.append([1]);
      const second = await journal.reset({ from: first.epoch });
      expect(second.epoch).not.toBe(first.epoch);
      const head = await journal.append(['kept']);
      expect(await journal.reset({ from: first.epoch, beyond: '9.other' })).toEqual(head);
      expect(contentOf(await journal.readAfter(0, 10))).toEqual([{ revision: 1, value: 'kept' }]);
    });
  });

  describe('the standing of a position', () => {
    it('is held where what follows can be read', async () => {
      const journal = (await bench.open()).journal('log');
      const start = await journal.head();
      const heads = [start, await journal.append(['a', 'b']), await journal.append(['c'])];
      for (const head of heads) expect(await journal.standing(head)).toBe('held');
      // Within an append too.
      const [first] = await journal.readAfter(0, 1);
      expect(await journal.standing({ epoch: start.epoch, revision: 1, stamp: first?.stamp ?? '' })).toBe('held');
    });

    it('is past where what follows was trimmed, or nothing says what was there', async () => {
      const journal = (await bench.open()).journal('log');
      const start = await journal.head();
      const heads = [await journal.append(['a', 'b']), await journal.append(['c']), await journal.append(['d'])];
      expect(await journal.standing({ ...start, revision: 3, stamp: '' })).toBe('past');
      await journal.trim(3);
      expect(await journal.standing(start)).toBe('past');
      expect(await Promise.all(heads.map((head) => journal.standing(head)))).toEqual(['past', 'past', 'held']);
      await journal.trim(4);
      // The head is known even where its entry is gone.
      expect(await Promise.all(heads.map((head) => journal.standing(head)))).toEqual(['past', 'past', 'held']);
      expect(await journal.standing({ ...start, revision: 4, stamp: 'another' })).toBe('forked');
    });

    it('is forked where the entry there is another one', async () => {
      const journal = (await bench.open()).journal('log');
      await journal.append(['a', 'b']);
      const { epoch } = await journal.append(['c']);
      for (const revision of [1, 2, 3]) expect(await journal.standing({ epoch, revision, stamp: 'another' })).toBe('forked');
    });

    it('is ahead beyond the head, whatever its stamp', async () => {
      const journal = (await bench.open()).journal('log');
      const { epoch } = await journal.append(['a']);
      for (const stamp of ['', 'any']) expect(await journal.standing({ epoch, revision: 2, stamp })).toBe('ahead');
      await journal.trim(1);
      expect(await journal.standing({ epoch, revision: 2, stamp: '' })).toBe('ahead');
    });

    it('in another epoch is told by the order of epochs', async () => {
      const journal = (await bench.open()).journal('log');
      const first = await journal.append(['a', 'b', 'c']);
      const { epoch } = await journal.reset({ beyond: '4.other' });
      await journal.append(['d']);
      expect(await journal.standing(first)).toBe('past');
      expect(await journal.standing({ epoch: '4.other', revision: 99, stamp: 'any' })).toBe('past');
      expect(await journal.standing({ epoch: '', revision: 0, stamp: '' })).toBe('past');
      expect(await journal.standing({ epoch: 'nonsense', revision: 1, stamp: 'any' })).toBe('past');
      expect(await journal.standing({ epoch: `${epochNumber(epoch) + 1}.other`, revision: 0, stamp: '' })).toBe('ahead');
      // Two copies of one history that were both reset.
      expect(await journal.standing({ epoch: `${epochNumber(epoch)}.other`, revision: 1, stamp: 'any' })).toBe('forked');
    });

    it('is refused for what is no revision', async () => {
      const journal = (await bench.open()).journal('log');
      const { epoch } = await journal.head();
      for (const revision of [-1, 0.5, Number.NaN]) {
        expect(await codeOf(journal.standing({ epoch, revision, stamp: '' }))).toBe('invalid_argument');
      }
    });
  });

  describe('waiting for a journal', () => {
    it('ends at once where the head is beyond', async () => {
      const journal = (await bench.open()).journal('log');
      await journal.append([1, 2]);
      expect(await journal.waitBeyond(1, 60_000)).toBe(true);
      expect(await journal.waitBeyond(2, 0)).toBe(false);
    });

    it('ends when something is appended, through the same store or another one', async () => {
      const place = await bench.newPlace();
      const store = await bench.open(place);
      const another = await bench.open(place);
      for (const writer of [store, another]) {
        const { revision } = await store.journal('log').head();
        const waiting = Promise.all([
          store.journal('log').waitBeyond(revision, 60_000),
          another.journal('log').waitBeyond(revision, 60_000),
        ]);
        await writer.journal('log').append(['ring']);
        expect(await waiting).toEqual([true, true]);
      }
    });

    it('goes on until the head is beyond the revision, whatever else is written', async () => {
      const store = await bench.open();
      const journal = store.journal('log');
      const waiting = journal.waitBeyond(2, 60_000);
      await journal.append([1]);
      await store.journal('other').append([1, 2, 3]);
      await journal.append([2]);
      const early = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 30, 'still waiting'))]);
      expect(early).toBe('still waiting');
      await journal.append([3]);
      expect(await waiting).toBe(true);
    });

    it('ends with false after its time and when it is aborted', async () => {
      const journal = (await bench.open()).journal('log');
      expect(await journal.waitBeyond(0, 20)).toBe(false);
      const abort = new AbortController();
      const waiting = journal.waitBeyond(0, 60_000, abort.signal);
      abort.abort();
      expect(await waiting).toBe(false);
      expect(await journal.waitBeyond(0, 60_000, abort.signal)).toBe(false);
    });
  });
}
