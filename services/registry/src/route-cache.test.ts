// The memory of route entries: as new as the journal, and never older than what the store has given.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@burgage/runtime';
import { type Journal, openSqliteStore, type Store } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { routeItem } from './adapters/outbox.ts';
import { createRouteCache, type RouteCache } from './route-cache.ts';

let folder: string;
let store: Store;
let journal: Journal;
let cache: RouteCache;
let stored: Map<string, RouteEntry>;
let reads: number;
/** Reads wait for it. */
let gate: Promise<void>;

const host = (version: number, key = 'a.localhost'): RouteEntry => ({
  kind: 'host',
  key,
  version,
  removed: false,
  entity: { kind: 'host', host: key, tenantId: `ten_${version}` },
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-cache-'));
  store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
  journal = store.journal('routes');
  stored = new Map([['a.localhost', host(1)]]);
  reads = 0;
  gate = Promise.resolve();
  cache = createRouteCache({
    journal,
    load: async (_kind, key) => {
      reads += 1;
      const read = stored.get(key);
      await gate;
      return read;
    },
    clock: systemClock,
    logger: { warn: () => undefined, info: () => undefined },
    entriesMax: 3,
  });
  await cache.start();
  stored.set('warm', host(1, 'warm'));
  // It remembers once it follows.
  await until(async () => {
    await cache.get('host', 'warm');
    const before = reads;
    await cache.get('host', 'warm');
    return reads === before;
  });
  reads = 0;
});
afterEach(async () => {
  await cache.stop();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await systemClock.sleep(2);
}

/** A change as the registry makes it: the document first, then the journal. */
async function change(entry: RouteEntry): Promise<void> {
  stored.set(entry.key, entry);
  await journal.append([routeItem(entry).payload]);
}

it('reads an entry once, and shows each change of it at the revision that it says', async () => {
  expect(await cache.get('host', 'a.localhost')).toEqual(host(1));
  expect(await cache.get('host', 'a.localhost')).toEqual(host(1));
  expect(reads).toBe(1);
  for (let version = 2; version <= 5; version += 1) {
    await change(host(version));
    await until(async () => (await cache.position()).revision === version - 1);
    expect(await cache.get('host', 'a.localhost')).toEqual(host(version));
  }
  expect(reads).toBe(1);
});

it('shows what this process has written at once', async () => {
  await cache.get('host', 'a.localhost');
  cache.written([host(7)]);
  expect(await cache.get('host', 'a.localhost')).toEqual(host(7));
  cache.written([host(6)]);
  expect(await cache.get('host', 'a.localhost')).toEqual(host(7));
});

it('keeps a change that came while an older entry was being read', async () => {
  const opened = Promise.withResolvers<void>();
  gate = opened.promise;
  const reading = cache.get('host', 'a.localhost');
  const another = cache.get('host', 'a.localhost');
  await change(host(2));
  await until(async () => (await cache.position()).revision === 1);
  opened.resolve();
  expect(await reading).toEqual(host(2));
  expect(await another).toEqual(host(2));
  expect(await cache.get('host', 'a.localhost')).toEqual(host(2));
  expect(reads).toBe(1);
});

it('remembers no name that does not exist, and no more than it may', async () => {
  for (let turn = 0; turn < 2; turn += 1) expect(await cache.get('host', 'nobody.localhost')).toBeUndefined();
  expect(reads).toBe(2);
  for (const name of ['b', 'c', 'd', 'e']) {
    stored.set(name, host(1, name));
    expect(await cache.get('host', name)).toEqual(host(1, name));
  }
  expect(await cache.get('host', 'e')).toEqual(host(1, 'e'));
  expect(reads).toBe(6);
});

it('forgets everything when the journal begins another epoch', async () => {
  await cache.get('host', 'a.localhost');
  const { epoch } = await journal.reset();
  stored.set('a.localhost', host(1, 'a.localhost'));
  await until(async () => (await cache.position()).epoch === epoch);
  await cache.get('host', 'a.localhost');
  expect(reads).toBe(2);
});
