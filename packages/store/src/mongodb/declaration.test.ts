// Declarations that change while older code runs: nothing of either is lost, and what is stored is brought to today's shape.
import { describeWithLab } from '@burgage/lab';
import { type Clock, ManualClock, systemClock } from '@burgage/runtime';
import { type Document, MongoClient } from 'mongodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, listAll, typeOf } from '../conformance/context.ts';
import type { Documents, DocumentType, Store } from '../port.ts';
import * as places from './places.ts';
import { openMongoStore } from './store.ts';
import { WireProxy } from './testing/wire-proxy.ts';

interface Host {
  readonly name: string;
  readonly tenant: string;
}

const plain = typeOf<Host>({ name: 'hosts' });
const indexed = typeOf<Host>({ name: 'hosts', unique: { name: ({ name }) => name }, indexes: { tenant: ({ tenant }) => tenant } });

interface Ring {
  readonly place: number;
}

/** Every document takes the key that the next one had. */
const ring = typeOf<Ring>({ name: 'rings', unique: { seat: ({ place }) => `seat-${place}` } });
const turned: DocumentType<Ring> = { ...ring, schemaVersion: 2, upgrade: (value) => ({ place: ((value as Ring).place + 1) % 600 }) };

describeWithLab('a declaration', [{ server: 'mongo', options: { fsync: false } }], (lab) => {
  let place: { readonly url: string; readonly database: string };
  let client: MongoClient;
  const stores: Store[] = [];

  beforeEach(async () => {
    places.serveFrom(lab.server('mongo').url);
    place = (await places.newPlace()) as typeof place;
    client = new MongoClient(place.url);
  });

  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    await client.close();
    await places.removePlace(place);
  });

  /** As another process would. */
  async function open<T>(type: DocumentType<T>, url = place.url, clock: Clock = systemClock): Promise<Documents<T>> {
    const store = await openMongoStore({ ...place, url, clock });
    stores.push(store);
    return store.documents(type);
  }

  async function stored(type: DocumentType<never> | { readonly name: string }): Promise<Document[]> {
    return await client.db(place.database).collection(`documents_${type.name}`).find().sort({ _id: 1 }).toArray();
  }

  it('makes its indexes at the first use, once, however many use it at that moment', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => open(indexed)));
    await Promise.all(all.map((documents, index) => documents.insert(`h${index}`, { name: `n${index}`, tenant: 't' })));
    const indexes = await client.db(place.database).collection('documents_hosts').indexes();
    expect(indexes.map(({ name, key, unique, sparse }) => ({ name, key, unique: unique === true, sparse: sparse === true }))).toEqual([
      { name: '_id_', key: { _id: 1 }, unique: false, sparse: false },
      { name: 'unique.name', key: { 'unique.name': 1 }, unique: true, sparse: true },
      { name: 'indexes.tenant', key: { 'indexes.tenant': 1, _id: 1 }, unique: false, sparse: false },
      { name: 'pending', key: { pending: 1 }, unique: false, sparse: true },
      { name: 'shape', key: { schema: 1, declared: 1 }, unique: false, sparse: false },
    ]);
  });

  it('is made though the reply was lost', async () => {
    const proxy = await WireProxy.start(lab.server('mongo'));
    const documents = await open(indexed, proxy.url);
    proxy.loseNextReply('createIndexes', 'documents_hosts');
    await documents.insert('h', { name: 'n', tenant: 't' });
    await stores.pop()?.close();
    await proxy.close();
    expect(await codeOf((await open(indexed)).insert('i', { name: 'n', tenant: 't' }))).toBe('unique_key_taken');
  });

  describe('that is newer than code that still runs', () => {
    it('lets the older code write as before, and finds what it wrote when stored documents are upgraded', async () => {
      const older = await open(plain);
      await older.insert('a', { name: 'a', tenant: 'one' });
      const newer = await open(indexed);
      expect(await listAll(newer, { sort: { field: 'tenant' } })).toEqual(['a']);

      await older.insert('b', { name: 'b', tenant: 'two' });
      await older.insert('c', { name: 'c', tenant: 'three' });
      await older.replace('a', 1, { name: 'a', tenant: 'four' });
      // What is not computed is not found; nothing is found by what was true before.
      expect(await listAll(newer, { sort: { field: 'tenant' } })).toEqual([]);
      expect(await newer.upgradeStored(2)).toBe(2);
      expect(await newer.upgradeStored(2)).toBe(1);
      expect(await newer.upgradeStored(2)).toBe(0);
      expect(await listAll(newer, { sort: { field: 'tenant' } })).toEqual(['a', 'c', 'b']);
      expect(await newer.findByKey('name', 'a')).toEqual({ id: 'a', version: 2, value: { name: 'a', tenant: 'four' }, outbox: [] });
    });

    it('finds what the older code writes beside it within half a minute, and both leave it at that', async () => {
      const clock = new ManualClock();
      const [older, newer] = await Promise.all([plain, indexed].map((type) => open(type, place.url, clock)));
      await newer?.insert('a', { name: 'a', tenant: 'one' });
      await older?.insert('b', { name: 'b', tenant: 'two' });
      for (let seen: unknown; seen !== 'b'; seen = (await newer?.findByKey('name', 'b'))?.id) await clock.advance(5_000);
      const declaredBy = async (): Promise<unknown[]> => (await stored(plain)).map(({ declared }) => declared.split(' ').length);
      // The older code computes again what it knows nothing of, once; then nobody has anything to do.
      for (let all: unknown[] = []; !all.every((count) => count === 2) || all.length === 0; all = await declaredBy()) {
        await clock.advance(5_000);
        await older?.get('a');
      }
      const after = await stored(plain);
      for (let look = 0; look < 10; look += 1) {
        await clock.advance(31_000);
        await Promise.all([older?.get('a'), newer?.get('a')]);
      }
      expect(await stored(plain)).toEqual(after);
      expect((await newer?.findByKey('name', 'b'))?.version).toBe(1);
    });

    it('finds what the older code wrote when it is opened again', async () => {
      await (await open(indexed)).insert('a', { name: 'a', tenant: 'one' });
      await (await open(plain)).insert('b', { name: 'b', tenant: 'two' });
      const again = await open(indexed);
      expect((await again.findByKey('name', 'b'))?.id).toBe('b');
      expect(await codeOf(again.insert('c', { name: 'b', tenant: '' }))).toBe('unique_key_taken');
    });

    it('keeps what it has computed when the older code is started again', async () => {
      const newer = await open(indexed);
      await newer.insert('a', { name: 'a', tenant: 'one' });
      const older = await open(typeOf<Host>({ name: 'hosts', indexes: { name: ({ name }) => name } }));
      expect(await listAll(older, { where: [{ field: 'name', op: 'eq', value: 'a' }] })).toEqual(['a']);
      expect((await newer.findByKey('name', 'a'))?.version).toBe(1);
      expect(await listAll(newer, { sort: { field: 'tenant' } })).toEqual(['a']);
    });
  });

  it('moves keys from one document to the other, all around', async () => {
    const before = await open(ring);
    await Promise.all(Array.from({ length: 600 }, (_, index) => before.insert(`r${index}`, { place: index })));
    const after = await open(turned);
    for (const index of [0, 1, 300, 599]) expect((await after.findByKey('seat', `seat-${(index + 1) % 600}`))?.id).toBe(`r${index}`);
    expect(await codeOf(after.insert('one more', { place: 5 }))).toBe('unique_key_taken');
    expect(new Set((await stored(ring)).map(({ unique }) => unique.seat)).size).toBe(600);
  });

  it('that stored documents break changes nothing of them', async () => {
    const older = await open(plain);
    for (const id of ['a', 'b', 'c']) await older.insert(id, { name: id === 'c' ? 'a' : id, tenant: id });
    const before = await stored(plain);
    await expect((await open(indexed)).get('a')).rejects.toMatchObject({
      code: 'unique_key_taken',
      metadata: { key: 'name', value: 'a', holder: 'a' },
    });
    expect(await stored(plain)).toEqual(before);
    // It can be used as soon as they do not.
    await older.remove('c', 1);
    expect((await (await open(indexed)).findByKey('name', 'b'))?.id).toBe('b');
  });

  describe('of a newer schema version', () => {
    it('is stored once for each document by processes that do so at once, while others write', { timeout: 60_000 }, async () => {
      const count = 300;
      const older = await open(ring);
      await Promise.all(Array.from({ length: count }, (_, index) => older.insert(`r${String(index).padStart(3, '0')}`, { place: index })));
      const upgraders = await Promise.all([open(turned), open(turned), open(turned)]);
      const writer = await open(turned);
      const upgrade = async (documents: Documents<Ring>): Promise<number> => {
        let sum = 0;
        for (let stored = -1; stored !== 0; sum += stored) stored = await documents.upgradeStored(17);
        return sum;
      };
      const write = async (): Promise<void> => {
        for (let index = 0; index < count; index += 7) {
          const id = `r${String(index).padStart(3, '0')}`;
          const current = await writer.get(id);
          if (current !== undefined) await writer.replace(id, current.version, { place: 10_000 + index });
        }
      };
      const [sums] = await Promise.all([Promise.all(upgraders.map(upgrade)), write()]);
      const sum = sums.reduce((total, one) => total + one, 0);
      // Those that were written meanwhile may have been stored before or by the write.
      expect(sum).toBeLessThanOrEqual(count);
      expect(sum).toBeGreaterThanOrEqual(count - Math.ceil(count / 7));
      const documents = await stored(ring);
      expect(documents.map(({ schema }) => schema)).toEqual(documents.map(() => 2));
      for (const [index, { value, version }] of documents.entries()) {
        const isWritten = index % 7 === 0;
        expect({ value, version }).toEqual(
          isWritten ? { value: { place: 10_000 + index }, version: 2 } : { value: { place: index + 1 }, version: 1 },
        );
      }
    });

    it('is left alone by older code, whatever it computes again', async () => {
      await (await open(turned)).insert('new', { place: 1 });
      const before = await stored(ring);
      const older = await open({ ...ring, indexes: { place: ({ place: at }) => at } });
      await older.insert('old', { place: 2 });
      expect(await older.upgradeStored(10)).toBe(0);
      expect(await codeOf(older.insert('another', { place: 1 }))).toBe('unique_key_taken');
      expect((await stored(ring)).filter(({ _id }) => _id === 'new')).toEqual(before);
    });
  });
});

/** What is in the database by name, for who looks at it there. */
describeWithLab('a stored document', [{ server: 'mongo', options: { fsync: false } }], (lab) => {
  it('can be read by people and queried by its fields', async () => {
    const { url } = lab.server('mongo');
    const store = await openMongoStore({ url, database: 'people' });
    const value = { name: 'acme.example.com', tenant: 'ten_1' };
    await store.documents(indexed).insert('h', value, [{ id: 'item.1', target: 'event', payload: { 'a.b': 1 } }]);
    await store.journal('routes').append([{ host: 'acme' }]);
    await store.close();
    const client = new MongoClient(url);
    const db = client.db('people');
    expect(await db.collection('documents_hosts').findOne({ 'value.tenant': 'ten_1' })).toEqual({
      _id: 'h',
      version: 1,
      schema: 1,
      declared: expect.any(String),
      write: expect.any(String),
      value,
      unique: { name: 'acme.example.com' },
      indexes: { tenant: 'ten_1' },
      outbox: { 'item%2E1': { version: 1, place: 0, target: 'event', payload: { 'a%2Eb': 1 } } },
      pending: 'h',
    });
    expect(await db.collection('journals').findOne()).toEqual({ _id: 'routes', epoch: expect.stringMatching(/^1\./), oldest: 1 });
    expect(await db.collection('journal_routes').findOne()).toMatchObject({ last: 1, entries: [{ value: { host: 'acme' } }] });
    await db.dropDatabase();
    await client.close();
  });
});
