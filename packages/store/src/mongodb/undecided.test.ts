// Writes whose reply is lost, or that arrive when everything has changed: nothing is done twice, and nothing is acknowledged that is not there.
import { describeWithLab } from '@burgage/lab';
import { ManualClock } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, typeOf } from '../conformance/context.ts';
import type { Documents, Journal, OutboxItem, Store } from '../port.ts';
import * as places from './places.ts';
import { openMongoStore } from './store.ts';
import { WireProxy } from './testing/wire-proxy.ts';

interface Note {
  readonly text: string;
}

const notes = typeOf<Note>({ name: 'notes', unique: { text: ({ text }) => text } });
const item: OutboxItem = { id: '1', target: 'event', payload: null };

describeWithLab('when the connection breaks or stands still', ['mongo'], (lab) => {
  let proxy: WireProxy;
  /** Behind the proxy, and beside it. */
  let store: Store;
  let other: Store;
  let place: { readonly url: string; readonly database: string };

  beforeEach(async () => {
    const server = lab.server('mongo');
    places.serveFrom(server.url);
    proxy = await WireProxy.start(server);
    place = (await places.newPlace()) as typeof place;
    other = await openMongoStore(place);
    store = await openMongoStore({ ...place, url: proxy.url });
  });

  afterEach(async () => {
    await Promise.all([store.close(), other.close()]);
    await proxy.close();
    await places.removePlace(place);
  });

  describe('a document', () => {
    const collection = 'documents_notes';
    let documents: Documents<Note>;

    beforeEach(async () => {
      documents = store.documents(notes);
      await documents.insert('there', { text: 'old' });
    });

    it('that was inserted is acknowledged though the reply was lost', async () => {
      proxy.loseNextReply('insert', collection);
      expect(await documents.insert('n', { text: 'x' }, [item])).toEqual({ id: 'n', version: 1, value: { text: 'x' }, outbox: [item] });
      expect(await other.documents(notes).get('n')).toMatchObject({ version: 1, outbox: [item] });
    });

    it('that somebody else inserted is not taken for our own', async () => {
      const held = proxy.holdNext('insert', collection);
      const insert = codeOf(documents.insert('n', { text: 'x' }));
      await held.arrived;
      await other.documents(notes).insert('n', { text: 'theirs' });
      held.release({ losesReply: true });
      expect(await insert).toBe('already_exists');
      expect((await documents.get('n'))?.value.text).toBe('theirs');
    });

    it('that was replaced is acknowledged though the reply was lost, and its outbox holds each item once', async () => {
      proxy.loseNextReply('findAndModify', collection);
      const replaced = { id: 'there', version: 2, value: { text: 'new' }, outbox: [item] };
      expect(await documents.replace('there', 1, { text: 'new' }, [item])).toEqual(replaced);
      expect(await other.documents(notes).get('there')).toEqual(replaced);
    });

    it('that was replaced again before we could look is said to be undecided', async () => {
      proxy.loseNextReply('findAndModify', collection);
      const held = proxy.holdNext('findAndModify', collection);
      const replace = codeOf(documents.replace('there', 1, { text: 'new' }));
      await held.arrived;
      expect((await other.documents(notes).replace('there', 2, { text: 'newer' })).version).toBe(3);
      held.release();
      expect(await replace).toBe('unavailable');
      expect((await documents.get('there'))?.value.text).toBe('newer');
    });

    it('that another writer replaced first is a conflict, also at the second attempt', async () => {
      const held = proxy.holdNext('findAndModify', collection);
      const replace = codeOf(documents.replace('there', 1, { text: 'new' }));
      await held.arrived;
      await other.documents(notes).replace('there', 1, { text: 'theirs' });
      held.release();
      expect(await replace).toBe('version_conflict');
      proxy.loseNextReply('findAndModify', collection);
      expect(await codeOf(documents.replace('there', 1, { text: 'new' }))).toBe('version_conflict');
    });

    it('that was removed is gone though the reply was lost', async () => {
      proxy.loseNextReply('delete', collection);
      await documents.remove('there', 1);
      expect(await documents.get('there')).toBeUndefined();
    });

    it('that somebody else put in the place of the removed one stays', async () => {
      const sent = proxy.holdNext('delete', collection);
      const remove = documents.remove('there', 1);
      await sent.arrived;
      const held = proxy.holdNext('find', collection);
      sent.release({ losesReply: true });
      await held.arrived;
      expect((await other.documents(notes).insert('there', { text: 'theirs' })).version).toBe(1);
      held.release();
      await remove;
      expect((await documents.get('there'))?.value.text).toBe('theirs');
    });

    it('that somebody else has removed since it was inserted is not brought back', async () => {
      proxy.loseNextReply('insert', collection);
      const held = proxy.holdNext('find', collection);
      const insert = codeOf(documents.insert('n', { text: 'x' }, [item]));
      await held.arrived;
      const theirs = other.documents(notes);
      await theirs.pullOutbox('n', [item.id]);
      await theirs.remove('n', 1);
      held.release();
      expect(await insert).toBe('unavailable');
      expect(await theirs.get('n')).toBeUndefined();
    });

    it('whose items were pulled is not listed as pending though the reply was lost', async () => {
      await documents.replace('there', 1, { text: 'old' }, [item]);
      proxy.loseNextReply('update', collection);
      await documents.pullOutbox('there', [item.id]);
      expect(await documents.pendingOutbox(10)).toEqual([]);
      await documents.remove('there', 2);
    });

    it('is given up where no answer comes, and nothing is given up for good', async () => {
      const clock = new ManualClock();
      const impatient = await openMongoStore({ ...place, url: proxy.url, clock });
      const theirs = impatient.documents(notes);
      expect((await theirs.get('there'))?.version).toBe(1);
      const held = proxy.holdNext('find', collection);
      const get = codeOf(theirs.get('there'));
      await held.arrived;
      await clock.advance(30_000);
      expect(await get).toBe('unavailable');
      expect((await theirs.get('there'))?.version).toBe(1);
      held.release();
      await impatient.close();
    });

    it('is read though the reply was lost', async () => {
      proxy.loseNextReply('find', collection);
      expect((await documents.get('there'))?.value.text).toBe('old');
    });
  });

  describe('a journal', () => {
    const collection = 'journal_log';
    let journal: Journal;
    let theirs: Journal;

    beforeEach(async () => {
      [journal, theirs] = [store.journal('log'), other.journal('log')];
      await journal.append(['first']);
    });

    async function values(after = 0): Promise<unknown[]> {
      return (await theirs.readAfter(after, 100)).map(({ value }) => value);
    }

    it('has an append once though the reply was lost, also when others have appended behind it', async () => {
      proxy.loseNextReply('insert', collection);
      expect((await journal.append(['a', 'b'])).revision).toBe(3);
      proxy.loseNextReply('insert', collection);
      const held = proxy.holdNext('insert', collection);
      const append = journal.append(['c']);
      await held.arrived;
      expect((await theirs.append(['theirs'])).revision).toBe(5);
      held.release();
      expect((await append).revision).toBe(4);
      expect(await values()).toEqual(['first', 'a', 'b', 'c', 'theirs']);
    });

    it('gives the place to who comes first, and the next one to the other', async () => {
      const held = proxy.holdNext('insert', collection);
      const append = journal.append(['late']);
      await held.arrived;
      expect((await theirs.append(['theirs'])).revision).toBe(2);
      held.release();
      expect((await append).revision).toBe(3);
      expect(await values()).toEqual(['first', 'theirs', 'late']);
    });

    it('does not acknowledge an append whose place was taken and trimmed, and shows nothing of it', async () => {
      const held = proxy.holdNext('insert', collection);
      const append = codeOf(journal.append(['late', 'late', 'late', 'late', 'late']));
      await held.arrived;
      await theirs.append(['2']);
      await theirs.append(['3']);
      await theirs.append(['4']);
      await theirs.trim(2);
      held.release();
      expect(await append).toBe('unavailable');
      expect(await theirs.head()).toMatchObject({ revision: 4, oldest: 3 });
      expect(await journal.head()).toEqual(await theirs.head());
      expect(await values(2)).toEqual(['3', '4']);
      expect(await codeOf(theirs.readAfter(1, 10))).toBe('not_found');
      // The writer has learnt where the end is.
      expect((await journal.append(['5'])).revision).toBe(5);
      await theirs.trim(4);
      expect(await values(4)).toEqual(['5']);
    });

    it('takes an append into the epoch that has begun meanwhile', async () => {
      for (const appended of [['theirs'], []]) {
        const held = proxy.holdNext('insert', collection);
        const append = journal.append(['late']);
        await held.arrived;
        const { epoch } = await theirs.reset();
        await theirs.append(appended);
        held.release();
        expect(await append).toMatchObject({ epoch, revision: appended.length + 1 });
        expect(await values()).toEqual([...appended, 'late']);
      }
    });

    it('is reset once though the reply was lost', async () => {
      const before = await journal.head();
      proxy.loseNextReply('update', 'journals');
      const after = await journal.reset({ from: before.epoch });
      expect(after.revision).toBe(0);
      expect(await theirs.head()).toEqual(after);
    });

    it('is read of one epoch, whatever happens while it is read', async () => {
      await journal.append(['second']);
      const held = proxy.holdNext('find', 'journals');
      const read = journal.readAfter(0, 10);
      await held.arrived;
      await theirs.reset();
      await theirs.append(['new']);
      held.release();
      expect((await read).map(({ value }) => value)).toEqual(['new']);
    });

    it('says what was trimmed while it was read', async () => {
      await journal.append(['second']);
      const held = proxy.holdNext('find', collection);
      const read = codeOf(journal.readAfter(0, 10));
      await held.arrived;
      await theirs.append(['third']);
      await theirs.trim(2);
      held.release();
      expect(await read).toBe('not_found');
    });
  });
});
