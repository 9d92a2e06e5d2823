// Storing documents of older schema versions anew, on a real store.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type DocumentType, openSqliteStore, type Store, upgradeDocuments } from './index.ts';

const old: DocumentType<{ name: string }> = { name: 'people', schemaVersion: 1 };
const today: DocumentType<{ names: readonly string[] }> = {
  name: 'people',
  schemaVersion: 2,
  upgrade: (value) => ({ names: [(value as { name: string }).name] }),
};
const others: DocumentType<{ other: number }> = { name: 'others', schemaVersion: 1 };

let folder: string;
let store: Store;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-upgrade-'));
  store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

it('reaches every document, says how far it is, and finds nothing the second time', async () => {
  const before = store.documents(old);
  await Promise.all(Array.from({ length: 450 }, (_, index) => before.insert(`p${index}`, { name: `name ${index}` })));
  await store.documents(others).insert('o', { other: 1 });
  const told: [string, number][] = [];
  const totals = await upgradeDocuments(store, [today, others], (type, upgraded) => told.push([type, upgraded]));
  expect([...totals]).toEqual([
    ['people', 450],
    ['others', 0],
  ]);
  expect(told.map(([, upgraded]) => upgraded)).toEqual([200, 400, 450]);
  expect(await store.documents(today).get('p7')).toMatchObject({ version: 1, value: { names: ['name 7'] } });
  await expect(store.documents(old).get('p7')).rejects.toMatchObject({ code: 'document_too_new' });
  expect([...(await upgradeDocuments(store, [today, others])).values()]).toEqual([0, 0]);
});
