// What a write means for gateways is in the journal when its caller is answered, and is there once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { createLogger, systemClock } from '@burgage/runtime';
import { createOutboxRelay, type Documents, type Journal, type OutboxItem, openSqliteStore, type Store } from '@burgage/store';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { routesTarget } from './outbox.ts';
import { createRoutePublisher } from './publisher.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
let folder: string;
let store: Store;
let documents: Documents<unknown>;
let routes: Journal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-publisher-'));
  store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
  documents = store.documents<unknown>({ name: 'things', schemaVersion: 1 });
  routes = store.journal('routes');
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const itemOf = (name: string): OutboxItem => ({ id: name, target: routesTarget, payload: name });

function relayThat(handle: (items: readonly OutboxItem[]) => Promise<void>) {
  const handlers = { [routesTarget]: handle };
  return createOutboxRelay({ documents: [documents], handlers, logger, clock: systemClock, intervalMs: 60_000 });
}

async function journaled(): Promise<unknown[]> {
  return (await routes.readAfter(0, 1_000)).map(({ value }) => value);
}

test('is there once, also where somebody else changes the document right after the relay was here', async () => {
  const inHand = Promise.withResolvers<void>();
  const relay = relayThat(async (items) => {
    if (items.some(({ id }) => id === 'theirs')) {
      inHand.resolve();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await routes.append(items.map(({ payload }) => payload));
  });
  await documents.insert('a', 0, [itemOf('ours')]);
  let flushes = 0;
  const publisher = createRoutePublisher(
    {
      ring: (...args) => relay.ring(...args),
      async flush(...args) {
        await relay.flush(...args);
        flushes += 1;
        if (flushes > 1) return;
        await documents.replace('a', 1, 1, [itemOf('theirs')]);
        relay.ring(documents, 'a');
        await inHand.promise;
      },
    },
    routes,
  );
  await publisher.publish([documents, 'a']);
  await relay.flush(documents, 'a');
  expect(await journaled()).toEqual(['ours', 'theirs']);
  await relay.stop();
});

test('where the relay cannot do it, the caller does, or hears why not', async () => {
  const relay = relayThat(() => Promise.reject(new BurgageError('unavailable')));
  const publisher = createRoutePublisher(relay, routes);
  await documents.insert('a', 0, [itemOf('one')]);
  await publisher.publish([documents, 'a']);
  expect(await journaled()).toEqual(['one']);
  expect((await documents.get('a'))?.outbox).toEqual([]);

  await documents.insert('b', 0, [itemOf('two')]);
  const full = { ...routes, append: () => Promise.reject(new BurgageError('unavailable')), head: () => routes.head() };
  await expect(createRoutePublisher(relay, full as Journal).publish([documents, 'b'])).rejects.toMatchObject({ code: 'unavailable' });
  expect((await documents.get('b'))?.outbox).toEqual([itemOf('two')]);
  await relay.stop();
});
