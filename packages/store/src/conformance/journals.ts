// Conformance: journals.
import { describe, expect, it } from 'vitest';
import { type Bench, codeOf } from './context.ts';

export function journalTests(bench: Bench): void {
  describe('journals', () => {
    it('number entries from 1 without gaps and give them back in order', async () => {
      const journal = (await bench.open()).journal('log');
      const empty = await journal.head();
      expect(empty).toMatchObject({ revision: 0, oldest: 1 });
      expect(empty.epoch).not.toBe('');
      expect(await journal.readAfter(0, 10)).toEqual([]);
      expect(await journal.append(['a', { b: [1, null] }])).toEqual({ ...empty, revision: 2 });
      expect(await journal.append([3])).toEqual({ ...empty, revision: 3 });
      expect(await journal.append([])).toEqual({ ...empty, revision: 3 });
      expect(await journal.readAfter(0, 10)).toEqual([
        { revision: 1, value: 'a' },
        { revision: 2, value: { b: [1, null] } },
        { revision: 3, value: 3 },
      ]);
      expect(await journal.readAfter(1, 1)).toEqual([{ revision: 2, value: { b: [1, null] } }]);
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
      expect(await again.journal('other').readAfter(0, 10)).toEqual([{ revision: 1, value: 'x' }]);
    });

    it('forget what is trimmed, say so to who asks for it, and keep their head', async () => {
      const journal = (await bench.open()).journal('log');
      const { epoch } = await journal.append([1, 2, 3, 4, 5]);
      await journal.trim(2);
      await journal.trim(1);
      expect(await journal.head()).toEqual({ epoch, revision: 5, oldest: 3 });
      expect((await journal.readAfter(2, 10)).map(({ value }) => value)).toEqual([3, 4, 5]);
      await expect(journal.readAfter(1, 10)).rejects.toMatchObject({ code: 'not_found', metadata: { oldest: '3' } });
      await journal.trim(99);
      expect(await journal.head()).toEqual({ epoch, revision: 5, oldest: 6 });
      expect(await journal.readAfter(5, 10)).toEqual([]);
      expect(await codeOf(journal.readAfter(4, 10))).toBe('not_found');
      expect((await journal.append([6])).revision).toBe(6);
      expect(await journal.readAfter(5, 10)).toEqual([{ revision: 6, value: 6 }]);
    });

    it('trim a long past completely', async () => {
      const journal = (await bench.open()).journal('log');
      await journal.append(Array.from({ length: 5_000 }, (_, index) => index));
      await journal.trim(4_999);
      expect(await journal.head()).toMatchObject({ revision: 5_000, oldest: 5_000 });
      expect(await journal.readAfter(4_999, 10)).toEqual([{ revision: 5_000, value: 4_999 }]);
    });

    it('begin another epoch at revision 1 when they are reset', async () => {
      const journal = (await bench.open()).journal('log');
      const before = await journal.append([1, 2, 3]);
      const after = await journal.reset();
      expect(after).toMatchObject({ revision: 0, oldest: 1 });
      expect(after.epoch).not.toBe(before.epoch);
      expect(await journal.readAfter(0, 10)).toEqual([]);
      expect(await journal.append(['new'])).toEqual({ ...after, revision: 1 });
      expect(await journal.readAfter(0, 10)).toEqual([{ revision: 1, value: 'new' }]);
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
