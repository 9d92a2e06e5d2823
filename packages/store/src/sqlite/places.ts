// Places of SQLite stores for the conformance suite: a temporary folder each.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Json, Store } from '../port.ts';
import { openSqliteStore } from './store.ts';

export async function newPlace(): Promise<Json> {
  return join(await mkdtemp(join(tmpdir(), 'burgage-store-')), 'store.sqlite');
}

export async function openStore(place: Json): Promise<Store> {
  return await openSqliteStore({ file: String(place) });
}

export async function removePlace(place: Json): Promise<void> {
  await rm(dirname(String(place)), { recursive: true, force: true });
}
