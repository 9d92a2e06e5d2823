// Conformance: documents, compare-and-set, unique keys, outboxes.
import { describe, expect, it } from 'vitest';
import type { OutboxItem } from '../port.ts';
import { type Bench, codeOf, typeOf } from './context.ts';

interface Person {
  readonly name: string;
  readonly email: string;
  readonly nickname?: string | undefined;
  readonly tags?: readonly string[];
  readonly extra?: unknown;
}

const people = typeOf<Person>({
  name: 'people',
  unique: { email: ({ email }) => email, nickname: ({ nickname }) => nickname },
});

const ada: Person = { name: 'Ada', email: 'ada@one.test', nickname: 'countess' };

function item(id: string): OutboxItem {
  return { id, target: 'event', payload: { id } };
}

export function documentTests(bench: Bench): void {
  describe('documents', () => {
    it('gives back what was inserted, at version 1, and nothing for an id that is not there', async () => {
      const documents = (await bench.open()).documents(people);
      const inserted = await documents.insert('p1', ada, [item('a')]);
      expect(inserted).toEqual({ id: 'p1', version: 1, value: ada, outbox: [item('a')] });
      expect(await documents.get('p1')).toEqual(inserted);
      expect(await documents.get('p2')).toBeUndefined();
    });

    it('refuses a second document with the same id and keeps the first', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', ada);
      await expect(documents.insert('p1', { name: 'Eve', email: '' })).rejects.toMatchObject({
        code: 'already_exists',
        metadata: { id: 'p1' },
      });
      expect((await documents.get('p1'))?.value).toEqual(ada);
    });

    it('replaces only at the version that the caller saw', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', ada);
      const second = await documents.replace('p1', 1, { ...ada, name: 'Ada L.' });
      expect(second.version).toBe(2);
      await expect(documents.replace('p1', 1, ada)).rejects.toMatchObject({
        code: 'version_conflict',
        metadata: { expected: '1', actual: '2' },
      });
      expect(await codeOf(documents.replace('p9', 1, ada))).toBe('document_not_found');
      expect(await documents.get('p1')).toEqual(second);
    });

    it('removes only at the version that the caller saw, and the id is free again', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', ada);
      expect(await codeOf(documents.remove('p1', 2))).toBe('version_conflict');
      await documents.remove('p1', 1);
      expect(await documents.get('p1')).toBeUndefined();
      expect(await codeOf(documents.remove('p1', 1))).toBe('document_not_found');
      expect((await documents.insert('p1', ada)).version).toBe(1);
    });

    it('lets one of many writers at the same version win', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', { name: '', email: '' });
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => codeOf(documents.replace('p1', 1, { name: `${index}`, email: '' }))),
      );
      expect(outcomes.filter((outcome) => outcome === 'no error')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'version_conflict')).toHaveLength(19);
    });

    it('keeps types apart', async () => {
      const store = await bench.open();
      await store.documents(people).insert('x', ada);
      const others = store.documents(typeOf<Person>({ name: 'others', unique: { email: ({ email }) => email } }));
      await others.insert('x', ada);
      expect(await others.get('x')).toBeDefined();
      await others.remove('x', 1);
      expect(await store.documents(people).get('x')).toBeDefined();
    });

    it('is there after the store was closed and opened again', async () => {
      const place = await bench.newPlace();
      const store = await bench.open(place);
      const inserted = await store.documents(people).insert('p1', ada, [item('a')]);
      await store.close();
      const documents = (await bench.open(place)).documents(people);
      expect(await documents.get('p1')).toEqual(inserted);
      expect((await documents.findByKey('email', 'ada@one.test'))?.id).toBe('p1');
    });

    it('gives nobody a value that somebody else holds', async () => {
      const documents = (await bench.open()).documents(people);
      const mine = { ...ada, tags: ['kind'] };
      const inserted = await documents.insert('p1', mine);
      mine.tags.push('evil');
      (inserted.value.tags as string[]).push('evil');
      expect((await documents.get('p1'))?.value.tags).toEqual(['kind']);
    });

    it('leaves out fields that are undefined and refuses what JSON cannot carry, naming the place', async () => {
      const documents = (await bench.open()).documents(people);
      const stored = await documents.insert('p1', { ...ada, nickname: undefined });
      expect(Object.keys(stored.value)).toEqual(['name', 'email']);
      const cycle: { self?: unknown } = {};
      cycle.self = cycle;
      for (const extra of [Number.NaN, 1n, new Date(0), new Map(), () => 1, Symbol('s'), [undefined], cycle, Number.POSITIVE_INFINITY]) {
        const call = documents.replace('p1', 1, { ...ada, extra: { deep: extra } });
        await expect(call).rejects.toMatchObject({
          code: 'invalid_argument',
          fields: [{ field: expect.stringContaining('value.extra.deep') }],
        });
      }
      expect(await codeOf(documents.insert('p2', undefined as unknown as Person))).toBe('invalid_argument');
      expect((await documents.get('p1'))?.version).toBe(1);
    });

    it('keeps any text in values, and refuses ids and keys that databases cannot compare', async () => {
      const documents = (await bench.open()).documents(people);
      const name = 'zero \0 half \ud800 emoji 😀 __proto__ "quoted"';
      await documents.insert('ïd 😀', { name, email: '', extra: JSON.parse('{"__proto__": 1, "": null}') });
      const found = await documents.get('ïd 😀');
      expect(found?.value.name).toBe(name);
      expect(JSON.stringify(found?.value.extra)).toBe('{"__proto__":1,"":null}');
      for (const id of ['', 'a\0b', 'half \ud800', 'x'.repeat(1_025)])
        expect(await codeOf(documents.insert(id, ada))).toBe('invalid_argument');
      expect(await codeOf(documents.insert('p1', { name: '', email: 'a\0b' }))).toBe('invalid_argument');
    });
  });

  describe('unique keys', () => {
    it('finds a document by each of its keys', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', ada);
      expect((await documents.findByKey('email', 'ada@one.test'))?.id).toBe('p1');
      expect((await documents.findByKey('nickname', 'countess'))?.id).toBe('p1');
      expect(await documents.findByKey('email', 'nobody@x.test')).toBeUndefined();
      expect(await documents.findByKey('email', '')).toBeUndefined();
      expect(await documents.findByKey('nickname', 'ada@one.test')).toBeUndefined();
      expect(await codeOf(documents.findByKey('name', 'Ada'))).toBe('invalid_argument');
    });

    it('refuses a key that another document holds, names the holder, and changes nothing', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', ada);
      const eve = { name: 'Eve', email: 'eve@x.test', nickname: 'countess' };
      const taken = { code: 'unique_key_taken', metadata: { key: 'nickname', value: 'countess', holder: 'p1' } };
      await expect(documents.insert('p2', eve)).rejects.toMatchObject(taken);
      expect(await documents.get('p2')).toBeUndefined();
      expect(await documents.findByKey('email', 'eve@x.test')).toBeUndefined();
      await documents.insert('p2', { name: 'Eve', email: '' });
      await expect(documents.replace('p2', 1, eve)).rejects.toMatchObject(taken);
      expect((await documents.get('p2'))?.version).toBe(1);
      expect(await documents.findByKey('email', 'eve@x.test')).toBeUndefined();
    });

    it('gives up a key at the replace or remove that no longer has it', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', ada);
      await documents.replace('p1', 1, { ...ada, email: 'ada@two.test' });
      expect(await documents.findByKey('email', 'ada@one.test')).toBeUndefined();
      await documents.insert('p2', { name: 'Other Ada', email: 'ada@one.test' });
      await documents.remove('p1', 2);
      expect(await documents.findByKey('email', 'ada@two.test')).toBeUndefined();
      await documents.replace('p2', 1, { name: 'Other Ada', email: 'ada@two.test', nickname: 'countess' });
      expect((await documents.findByKey('email', 'ada@two.test'))?.id).toBe('p2');
      expect((await documents.findByKey('nickname', 'countess'))?.id).toBe('p2');
    });

    it('counts an empty one as none, and equal values of two keys as two', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', { name: 'A', email: '', nickname: '' });
      await documents.insert('p2', { name: 'B', email: '', nickname: '' });
      await documents.insert('p3', { name: 'C', email: 'same' });
      await documents.insert('p4', { name: 'D', email: '', nickname: 'same' });
      expect([(await documents.findByKey('email', 'same'))?.id, (await documents.findByKey('nickname', 'same'))?.id]).toEqual(['p3', 'p4']);
    });

    it('gives a key that many ask for at once to one of them', async () => {
      const documents = (await bench.open()).documents(people);
      const asked = Array.from({ length: 20 }, (_, index) => codeOf(documents.insert(`p${index}`, { name: '', email: 'one@x.test' })));
      const outcomes = await Promise.all(asked);
      expect(outcomes.filter((outcome) => outcome === 'no error')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'unique_key_taken')).toHaveLength(19);
    });
  });

  describe('outboxes', () => {
    it('collects items behind those that wait, and pulls by id without moving the version', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', ada, [item('a'), item('b')]);
      await documents.replace('p1', 1, ada, [item('c')]);
      await documents.pullOutbox('p1', ['b', 'never there']);
      expect(await documents.get('p1')).toEqual({ id: 'p1', version: 2, value: ada, outbox: [item('a'), item('c')] });
      const third = await documents.replace('p1', 2, ada);
      expect(third.outbox).toEqual([item('a'), item('c')]);
      await documents.pullOutbox('p1', ['a', 'c']);
      await documents.pullOutbox('p1', ['a', 'c']);
      await documents.pullOutbox('nobody', ['a']);
      expect((await documents.get('p1'))?.outbox).toEqual([]);
      expect((await documents.get('p1'))?.version).toBe(3);
    });

    it('lists documents that have something to relay by id, page by page', async () => {
      const documents = (await bench.open()).documents(people);
      const quiet = { name: '', email: '' };
      for (const id of ['d', 'a', 'c', 'b']) await documents.insert(id, quiet, id === 'c' ? [] : [item(id)]);
      const first = await documents.pendingOutbox(2);
      expect(first.map(({ id }) => id)).toEqual(['a', 'b']);
      expect(first[0]?.outbox).toEqual([item('a')]);
      expect((await documents.pendingOutbox(2, 'b')).map(({ id }) => id)).toEqual(['d']);
      await documents.pullOutbox('a', ['a']);
      expect((await documents.pendingOutbox(9)).map(({ id }) => id)).toEqual(['b', 'd']);
    });

    it('refuses an id that waits already, and to remove a document whose outbox is not relayed', async () => {
      const documents = (await bench.open()).documents(people);
      await documents.insert('p1', ada, [item('a')]);
      expect(await codeOf(documents.replace('p1', 1, ada, [item('a')]))).toBe('invalid_argument');
      expect(await codeOf(documents.insert('p2', { name: '', email: '' }, [item('x'), item('x')]))).toBe('invalid_argument');
      expect(await codeOf(documents.remove('p1', 1))).toBe('outbox_pending');
      await documents.pullOutbox('p1', ['a']);
      await documents.remove('p1', 1);
    });
  });

  describe('a store', () => {
    it('answers a ping while it is open, and says unavailable when it is closed', async () => {
      const store = await bench.open();
      const documents = store.documents(people);
      const journal = store.journal('log');
      await store.ping();
      const waiting = codeOf(journal.waitBeyond(0, 60_000));
      await store.close();
      await store.close();
      expect(await waiting).toBe('unavailable');
      for (const call of [store.ping(), documents.get('p1'), documents.insert('p1', ada), journal.head(), journal.append([1])]) {
        expect(await codeOf(call)).toBe('unavailable');
      }
    });

    it('keeps what was asked for before it was closed', async () => {
      const place = await bench.newPlace();
      const store = await bench.open(place);
      const asked = store.documents(people).insert('p1', ada);
      await store.close();
      await asked;
      expect(await (await bench.open(place)).documents(people).get('p1')).toBeDefined();
    });
  });
}
