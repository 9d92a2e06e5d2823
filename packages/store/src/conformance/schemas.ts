// Conformance: documents of older and newer schema versions, and declarations that change.
import { describe, expect, it } from 'vitest';
import type { DocumentType, OutboxItem } from '../port.ts';
import { type Bench, codeOf, listAll, typeOf } from './context.ts';

interface AccountV1 {
  readonly owner: string;
}

interface AccountV2 {
  readonly owners: readonly string[];
  readonly seats: number;
}

const item: OutboxItem = { id: '1', target: 'event', payload: null };

const v1 = typeOf<AccountV1>({
  name: 'accounts',
  unique: { owner: ({ owner }) => owner },
  indexes: { owner: ({ owner }) => owner },
});

const v2 = typeOf<AccountV2>({
  name: 'accounts',
  schemaVersion: 2,
  upgrade: (value) => ({ owners: [(value as AccountV1).owner], seats: 1 }),
  unique: { owner: ({ owners }) => owners[0] },
  indexes: { seats: ({ seats }) => seats },
});

export function schemaTests(bench: Bench): void {
  describe('schema versions', () => {
    it('upgrade an older document at every read and store the new shape at the next replace only', async () => {
      const place = await bench.newPlace();
      const before = await bench.open(place);
      await before.documents(v1).insert('a', { owner: 'ada' }, [item]);
      await before.close();

      const store = await bench.open(place);
      const documents = store.documents(v2);
      const upgraded = { id: 'a', version: 1, value: { owners: ['ada'], seats: 1 }, outbox: [item] };
      expect(await documents.get('a')).toEqual(upgraded);
      expect(await documents.findByKey('owner', 'ada')).toEqual(upgraded);
      expect((await documents.list()).items).toEqual([upgraded]);
      expect(await documents.pendingOutbox(10)).toEqual([{ id: 'a', outbox: [item] }]);
      // Nothing was stored: code of the older version still reads what it wrote.
      expect((await store.documents(v1).get('a'))?.value).toEqual({ owner: 'ada' });

      await documents.replace('a', 1, { owners: ['ada', 'eve'], seats: 2 });
      expect(await codeOf(store.documents(v1).get('a'))).toBe('document_too_new');
    });

    it('name an older document that cannot be upgraded among those that have something to relay', async () => {
      const place = await bench.newPlace();
      const before = (await bench.open(place)).documents(v1);
      const documents = (await bench.open(place)).documents(
        typeOf<AccountV2>({
          ...v2,
          upgrade() {
            throw new Error('cannot be upgraded');
          },
        }),
      );
      await documents.list();
      await before.insert('a', { owner: 'ada' }, [item]);
      await documents.insert('b', { owners: ['bob'], seats: 1 }, [item]);
      expect(await documents.pendingOutbox(10)).toEqual(['a', 'b'].map((id) => ({ id, outbox: [item] })));
      await expect(documents.get('a')).rejects.toThrow('cannot be upgraded');
    });

    it('refuse a newer document in every call, name it, and leave it as it is', async () => {
      const place = await bench.newPlace();
      const newer = await bench.open(place);
      const stored = await newer.documents(v2).insert('new', { owners: ['eve', 'ada'], seats: 3 }, [item]);
      await newer.close();

      const store = await bench.open(place);
      const documents = store.documents(v1);
      await documents.insert('old', { owner: 'bob' });
      const tooNew = { code: 'document_too_new', metadata: { id: 'new', found: '2', known: '1' } };
      await expect(documents.get('new')).rejects.toMatchObject(tooNew);
      await expect(documents.findByKey('owner', 'eve')).rejects.toMatchObject(tooNew);
      await expect(documents.list()).rejects.toMatchObject(tooNew);
      await expect(documents.replace('new', 1, { owner: 'mallory' })).rejects.toMatchObject(tooNew);
      await expect(documents.remove('new', 1)).rejects.toMatchObject(tooNew);
      await expect(documents.pullOutbox('new', ['1'])).rejects.toMatchObject(tooNew);
      expect(await documents.upgradeStored(10)).toBe(0);
      expect(await codeOf(documents.insert('new', { owner: 'x' }))).toBe('already_exists');
      expect(await codeOf(documents.insert('other', { owner: 'eve' }))).toBe('unique_key_taken');
      expect(await documents.pendingOutbox(10)).toEqual([]);
      expect(await listAll(documents, { where: [{ field: 'owner', op: 'eq', value: 'bob' }] })).toEqual(['old']);
      await store.close();

      const again = (await bench.open(place)).documents(v2);
      expect(await again.get('new')).toEqual(stored);
      expect((await again.findByKey('owner', 'eve'))?.id).toBe('new');
      expect(await listAll(again, { sort: { field: 'seats' } })).toEqual(['old', 'new']);
    });

    it('leave newer documents out of a list that says so, and fill its pages all the same', async () => {
      const place = await bench.newPlace();
      const newer = await bench.open(place);
      const v2Indexed = typeOf<AccountV2>({ ...v2, indexes: { ...v2.indexes, owner: ({ owners }) => owners[0] } });
      const documents = newer.documents(v2Indexed);
      for (const id of ['b', 'c', 'e']) await documents.insert(id, { owners: [`owner of ${id}`], seats: 1 });
      await newer.close();

      const older = (await bench.open(place)).documents(v1);
      for (const id of ['f', 'd', 'a']) await older.insert(id, { owner: `owner of ${id}` });
      const first = await older.list({ pageSize: 2, tooNew: 'omit' });
      expect(first.items.map(({ id }) => id)).toEqual(['a', 'd']);
      const second = await older.list({ pageSize: 2, tooNew: 'omit', cursor: first.nextCursor ?? '' });
      expect([second.items.map(({ id }) => id), second.nextCursor]).toEqual([['f'], undefined]);
      expect(await listAll(older, { pageSize: 1, tooNew: 'omit', sort: { field: 'owner', descending: true } })).toEqual(['f', 'd', 'a']);
      expect(await codeOf(older.list({ tooNew: 'refuse' }))).toBe('document_too_new');
    });

    it("store older documents in today's shape when asked to, some at a time, and nothing else of them", async () => {
      const place = await bench.newPlace();
      const before = await bench.open(place);
      for (const id of ['a', 'b', 'c', 'd', 'e'])
        await before.documents(v1).insert(id, { owner: `owner of ${id}` }, id === 'b' ? [item] : []);
      await before.documents(v1).replace('c', 1, { owner: 'other' });
      await before.close();

      const store = await bench.open(place);
      const documents = store.documents(v2);
      await documents.replace('e', 1, { owners: ['e'], seats: 5 });
      const expected = (await documents.list()).items;
      expect(await documents.upgradeStored(3)).toBe(3);
      expect(await documents.upgradeStored(3)).toBe(1);
      expect(await documents.upgradeStored(3)).toBe(0);
      expect((await documents.list()).items).toEqual(expected);
      expect(expected.map(({ version }) => version)).toEqual([1, 1, 2, 1, 2]);
      expect(await documents.pendingOutbox(10)).toEqual([{ id: 'b', outbox: [item] }]);
      expect((await documents.findByKey('owner', 'other'))?.id).toBe('c');
      expect(await listAll(documents, { where: [{ field: 'seats', op: 'eq', value: 1 }] })).toEqual(['a', 'b', 'c', 'd']);
      // What is stored is of today, as older code finds.
      for (const id of ['a', 'b', 'c', 'd', 'e']) expect(await codeOf(store.documents(v1).get(id))).toBe('document_too_new');
    });

    it('fill an index and a unique key that were declared later', async () => {
      const place = await bench.newPlace();
      const before = await bench.open(place);
      const plain = typeOf<AccountV1>({ name: 'accounts' });
      await before.documents(plain).insert('a', { owner: 'ada' });
      await before.documents(plain).insert('b', { owner: 'bob' });
      await before.close();

      const documents = (await bench.open(place)).documents(v1);
      expect((await documents.findByKey('owner', 'bob'))?.id).toBe('b');
      expect(await listAll(documents, { where: [{ field: 'owner', op: 'eq', value: 'ada' }] })).toEqual(['a']);
      expect(await codeOf(documents.insert('c', { owner: 'bob' }))).toBe('unique_key_taken');
      expect((await documents.get('a'))?.version).toBe(1);
    });

    it('refuse a later unique key that existing documents break, and change nothing', async () => {
      const place = await bench.newPlace();
      const before = await bench.open(place);
      const plain = typeOf<AccountV1>({ name: 'accounts' });
      await before.documents(plain).insert('a', { owner: 'ada' });
      await before.documents(plain).insert('b', { owner: 'ada' });
      await before.close();

      const store = await bench.open(place);
      expect(await codeOf(async () => await store.documents(v1).get('a'))).toBe('unique_key_taken');
      expect((await store.documents(plain).get('a'))?.value).toEqual({ owner: 'ada' });
    });

    it('refuse a declaration that is not valid', async () => {
      const store = await bench.open();
      const wrong: DocumentType<unknown>[] = [
        { name: 'Upper', schemaVersion: 1 },
        { name: 'x"; DROP TABLE types', schemaVersion: 1 },
        { name: 'x', schemaVersion: 0 },
        { name: 'x', schemaVersion: 2 },
        { name: 'x', schemaVersion: 1, indexes: { id: () => 1 } },
        { name: 'x', schemaVersion: 1, indexes: { 'a b': () => 1 } },
        { name: 'x', schemaVersion: 1, indexes: { ab: () => 1, aB: () => 1 } },
      ];
      for (const type of wrong)
        expect(await codeOf(async () => await store.documents(type).get('a')), JSON.stringify(type)).toBe('invalid_argument');
      expect(await codeOf(async () => await store.journal('No Name').head())).toBe('invalid_argument');
    });
  });
}
