// Places of MongoDB stores for the conformance suite: a database each, on the server that `serveFrom` names.
import { randomBytes } from 'node:crypto';
import { MongoClient } from 'mongodb';
import type { Json, Store } from '../port.ts';
import { openMongoStore } from './store.ts';

interface Place {
  readonly url: string;
  readonly database: string;
}

let serverUrl = '';

/** New places are on the server at `url` from now on. */
export function serveFrom(url: string): void {
  serverUrl = url;
}

export async function newPlace(): Promise<Json> {
  return { url: serverUrl, database: `store_${randomBytes(6).toString('hex')}` };
}

export async function openStore(place: Json): Promise<Store> {
  return await openMongoStore(place as unknown as Place);
}

export async function removePlace(place: Json): Promise<void> {
  const { url, database } = place as unknown as Place;
  const client = new MongoClient(url);
  try {
    await client.db(database).dropDatabase();
  } finally {
    await client.close();
  }
}
