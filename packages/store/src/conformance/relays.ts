// Conformance: the outbox relay, run twice at once and killed between publish and pull.
import { systemClock } from '@burgage/runtime';
import { describe, expect, it } from 'vitest';
import type { Documents, Store } from '../port.ts';
import type { Bench } from './context.ts';
import { type Published, publishedJournal, type Sender, senders } from './types.ts';

const processTimeoutMs = 60_000;

/** One write of a sender, with the next item in its outbox. */
async function send(documents: Documents<Sender>, id: string): Promise<void> {
  const current = await documents.get(id);
  const sent = (current?.value.sent ?? 0) + 1;
  const outbox = [{ id: `item-${sent}`, target: 'event', payload: sent }];
  if (current === undefined) await documents.insert(id, { sent }, outbox);
  else await documents.replace(id, current.version, { sent }, outbox);
}

/** Resolves when nothing waits any more. */
async function untilRelayed(documents: Documents<Sender>): Promise<void> {
  while ((await documents.pendingOutbox(1)).length > 0) await systemClock.sleep(5);
}

async function published(store: Store): Promise<readonly Published[]> {
  const entries = await store.journal(publishedJournal).readAfter(0, 100_000);
  return entries.map(({ value }) => value as unknown as Published);
}

/** The items of one sender in the order in which they were published first. */
function firstTimes(all: readonly Published[], sender: string): readonly string[] {
  return [...new Set(all.filter((one) => one.sender === sender).map((one) => one.item))];
}

function itemsUpTo(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `item-${index + 1}`);
}

export function relayTests(bench: Bench): void {
  describe('the outbox relay', { timeout: processTimeoutMs }, () => {
    it('publishes every item at least once and in order when two processes relay at once', async () => {
      const place = await bench.newPlace();
      const store = await bench.open(place);
      const documents = store.documents(senders);
      await bench.start(place, [
        { kind: 'relay', name: 'one' },
        { kind: 'relay', name: 'two' },
      ]);
      for (let round = 0; round < 60; round += 1) await Promise.all(['a', 'b', 'c'].map((id) => send(documents, id)));
      await untilRelayed(documents);
      const all = await published(store);
      for (const id of ['a', 'b', 'c']) {
        expect(firstTimes(all, id)).toEqual(itemsUpTo(60));
        // Relaying moved no version.
        expect(await documents.get(id)).toEqual({ id, version: 60, value: { sent: 60 }, outbox: [] });
      }
    });

    it('loses nothing when it is killed between publish and pull, again and again', async () => {
      const place = await bench.newPlace();
      const store = await bench.open(place);
      const documents = store.documents(senders);
      for (let round = 0; round < 4; round += 1) await Promise.all(['a', 'b', 'c'].map((id) => send(documents, id)));
      for (const name of ['first', 'second']) {
        const [child] = await bench.start(place, [{ kind: 'relay', name, hangAfter: 1 }]);
        await child?.said((line) => line.startsWith('published'));
        await child?.kill();
        for (const id of ['a', 'b', 'c']) await send(documents, id);
      }
      // Whatever was published and not pulled is there still.
      expect((await documents.pendingOutbox(10)).flatMap(({ outbox }) => outbox).length).toBe(18);
      await bench.start(place, [{ kind: 'relay', name: 'last' }]);
      await untilRelayed(documents);
      const all = await published(store);
      for (const id of ['a', 'b', 'c']) expect(firstTimes(all, id)).toEqual(itemsUpTo(6));
      expect(new Set(all.map(({ relay }) => relay))).toEqual(new Set(['first', 'second', 'last']));
    });
  });
}
