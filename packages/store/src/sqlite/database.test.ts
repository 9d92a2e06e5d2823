// The file of the SQLite adapter: how it is made, what is refused, and what happens while others hold it.
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { epochNumber } from '@burgage/contracts';
import { ManualClock, systemClock, systemRandom } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, typeOf } from '../conformance/context.ts';
import type { Store } from '../port.ts';
import { Database } from './database.ts';
import { openSqliteStore } from './store.ts';

const notes = typeOf<{ text: string }>({ name: 'notes', unique: { text: ({ text }) => text }, indexes: { text: ({ text }) => text } });

const layoutOfFormat1 = `
  CREATE TABLE types (name TEXT PRIMARY KEY NOT NULL, declared TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE unique_keys (type TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (type, key, value)) WITHOUT ROWID;
  CREATE TABLE journals (
    name TEXT PRIMARY KEY NOT NULL, number INTEGER NOT NULL UNIQUE, epoch TEXT NOT NULL, revision INTEGER NOT NULL, oldest INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE journal_entries (journal INTEGER NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (journal, revision)) WITHOUT ROWID;
  INSERT INTO journals VALUES ('empty', 1, 'EmptyEpoch', 0, 1), ('log', 2, 'OldEpoch', 3, 2);
  INSERT INTO journal_entries VALUES (2, 2, '"b"'), (2, 3, '"c"');
  PRAGMA application_id = 0x42555247;
  PRAGMA user_version = 1;
`;

let folder: string;
let file: string;
const closers: (() => Promise<void> | void)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-sqlite-'));
  file = join(folder, 'new', 'store.sqlite');
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await rm(folder, { recursive: true, force: true });
});

async function open(clock = systemClock): Promise<Store> {
  const store = await openSqliteStore({ file, clock });
  closers.push(() => store.close());
  return store;
}

/** Another process, as far as SQLite is concerned. */
function connect(): DatabaseSync {
  const other = new DatabaseSync(file);
  closers.push(() => {
    if (other.isOpen) other.close();
  });
  return other;
}

async function refusal(): Promise<{ code: string; message: string }> {
  try {
    await (await openSqliteStore({ file })).close();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { code: String(error.code), message: error.message };
    throw error;
  }
  return { code: 'no error', message: '' };
}

describe('the file of a store', () => {
  it('is made for its owner alone, with its folder and side files', async () => {
    const store = await open();
    await store.documents(notes).insert('n', { text: 'x' });
    for (const suffix of ['', '-wal', '-shm']) expect((await stat(file + suffix)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'new'))).mode & 0o777).toBe(0o700);
  });

  it('is written with full durability', async () => {
    const database = await Database.open(file, systemClock, systemRandom);
    expect(database.one('PRAGMA journal_mode')).toMatchObject({ journal_mode: 'wal' });
    expect(database.one('PRAGMA synchronous')).toMatchObject({ synchronous: 2 });
    database.close();
  });

  it('can be made by many at the same moment', async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => open()));
    await Promise.all(stores.map((store, index) => store.documents(notes).insert(`n${index}`, { text: `${index}` })));
    expect((await stores[0]?.documents(notes).list())?.items).toHaveLength(8);
  });

  it('of a newer format is refused by name and left alone', async () => {
    await (await open()).close();
    const other = connect();
    other.exec('PRAGMA user_version = 99');
    other.close();
    const before = await readFile(file);
    expect(await refusal()).toEqual({ code: 'data_folder_newer', message: `${file} has format 99; this version of Burgage knows 2` });
    expect((await readFile(file)).equals(before)).toBe(true);
  });

  describe('of format 1, which had no stamps', () => {
    const notesOfFormat1 = `
      CREATE TABLE documents_notes (id TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, schema INTEGER NOT NULL, value TEXT NOT NULL, keys TEXT, outbox TEXT, by_text);
      INSERT INTO documents_notes VALUES ('n', 3, 1, '{"text":"x"}', '[{"key":"text","value":"x"}]', '[{"id":"1","target":"event","payload":null}]', 'x');
      INSERT INTO unique_keys VALUES ('notes', 'text', 'x', 'n');
    `;

    beforeEach(async () => {
      await mkdir(join(folder, 'new'));
      const other = connect();
      other.exec(`PRAGMA journal_mode = WAL; ${layoutOfFormat1} ${notesOfFormat1}`);
      other.close();
    });

    it('opens with all that it held, at ordered epochs and with stamps', async () => {
      const store = await open();
      const note = { id: 'n', version: 3, value: { text: 'x' }, outbox: [{ id: '1', target: 'event', payload: null }] };
      expect(await store.documents(notes).get('n')).toEqual(note);
      expect(await store.documents(notes).findByKey('text', 'x')).toEqual(note);

      const log = store.journal('log');
      const { stamp } = await log.head();
      expect(stamp).not.toBe('');
      expect(await log.head()).toEqual({ epoch: '1.OldEpoch', revision: 3, stamp, oldest: 2 });
      expect(await log.readAfter(1, 10)).toEqual([
        { revision: 2, stamp, value: 'b' },
        { revision: 3, stamp, value: 'c' },
      ]);
      expect(await store.journal('empty').head()).toEqual({ epoch: '1.EmptyEpoch', revision: 0, stamp: '', oldest: 1 });
      expect(await log.standing({ epoch: '1.OldEpoch', revision: 2, stamp })).toBe('held');
      // Of who followed it before, nothing is known.
      expect(await log.standing({ epoch: 'OldEpoch', revision: 2, stamp: '' })).toBe('past');

      expect((await log.append(['d'])).revision).toBe(4);
      expect((await log.readAfter(3, 10))[0]?.stamp).not.toBe(stamp);
      expect(epochNumber((await log.reset()).epoch)).toBe(2);
    });

    it('is brought up to date once when many open it at the same moment', async () => {
      const stores = await Promise.all(Array.from({ length: 8 }, () => open()));
      const heads = await Promise.all(stores.map((store) => store.journal('log').head()));
      expect(new Set(heads.map(({ epoch, stamp }) => `${epoch} ${stamp}`)).size).toBe(1);
    });

    it('that is restored once more is told from what has come of it', async () => {
      const before = await readFile(file);
      const store = await open();
      const position = await store.journal('log').head();
      await store.close();
      await Promise.all(['-wal', '-shm'].map((suffix) => rm(file + suffix, { force: true })));
      await writeFile(file, before);
      expect(await (await open()).journal('log').standing(position)).toBe('forked');
    });
  });

  it('that is damaged, cut off, or nothing of ours is refused by name', async () => {
    await mkdir(join(folder, 'new'));
    await writeFile(file, 'this is not a database, it is a sentence that is long enough to be read as a header of one'.repeat(20));
    expect(await refusal()).toMatchObject({ code: 'data_corrupt', message: expect.stringContaining(file) });

    await rm(file);
    const store = await open();
    await Promise.all(
      Array.from({ length: 300 }, (_, index) => store.documents(notes).insert(`${index}`, { text: `${index}`.repeat(100) })),
    );
    await store.close();
    await truncate(file, 4_096 * 5);
    expect(await refusal()).toMatchObject({ code: 'data_corrupt', message: expect.stringContaining(file) });

    await rm(file);
    const other = connect();
    other.exec('CREATE TABLE theirs (id)');
    other.close();
    expect(await refusal()).toEqual({ code: 'data_corrupt', message: `${file} is an SQLite file but not one that Burgage wrote` });
  });

  it('that cannot be opened is unavailable, by name', async () => {
    await mkdir(file, { recursive: true });
    expect(await refusal()).toMatchObject({ code: 'unavailable', message: expect.stringContaining(file) });
    await writeFile(join(folder, 'plain'), '');
    file = join(folder, 'plain', 'store.sqlite');
    expect(await refusal()).toMatchObject({ code: 'unavailable', message: expect.stringContaining(file) });
  });

  it('says where a stored value is damaged', async () => {
    const store = await open();
    await store.documents(notes).insert('n', { text: 'x' });
    await store.journal('log').append([1]);
    const other = connect();
    other.exec(`UPDATE documents_notes SET value = '{"text'; UPDATE journal_entries SET value = '['`);
    const damaged = { code: 'data_corrupt', metadata: { file, type: 'notes', id: 'n' } };
    await expect(store.documents(notes).get('n')).rejects.toMatchObject(damaged);
    other.exec(`UPDATE documents_notes SET value = '{}', outbox = '['`);
    await expect(store.documents(notes).get('n')).rejects.toMatchObject(damaged);
    await expect(store.journal('log').readAfter(0, 1)).rejects.toMatchObject({ code: 'data_corrupt', metadata: { file, revision: '1' } });
  });

  it('that takes no writes says unavailable and still reads', async () => {
    const store = await open();
    await store.documents(notes).insert('n', { text: 'x' });
    await store.close();
    const database = await Database.open(file, systemClock, systemRandom);
    closers.push(() => database.close());
    database.execute('PRAGMA query_only = 1');
    await expect(database.patiently(() => database.run('DELETE FROM documents_notes'))).rejects.toMatchObject({ code: 'unavailable' });
    expect(database.one('SELECT id FROM documents_notes')).toEqual({ id: 'n' });
  });
});

describe('a trimmed journal', () => {
  it('keeps no entry in the file that cannot be read', async () => {
    const journal = (await open()).journal('log');
    await journal.append(Array.from({ length: 4_500 }, (_, index) => index));
    await journal.trim(4_499);
    expect(connect().prepare('SELECT revision FROM journal_entries').all()).toEqual([{ revision: 4_500 }]);
  });
});

describe('while another process holds the lock', () => {
  it('reads go on and a write waits for its turn without stopping the process', async () => {
    const store = await open();
    const documents = store.documents(notes);
    await documents.insert('n', { text: 'x' });
    const other = connect();
    other.exec('BEGIN IMMEDIATE');
    let written = false;
    const write = documents.replace('n', 1, { text: 'y' }).then(() => {
      written = true;
    });
    for (let turns = 0; turns < 50; turns += 1) await turn();
    expect((await documents.get('n'))?.value.text).toBe('x');
    expect(written).toBe(false);
    other.exec('COMMIT');
    await write;
    expect((await documents.get('n'))?.value.text).toBe('y');
  });

  it('a write is unavailable after five seconds, and nothing of it is kept', async () => {
    const clock = new ManualClock();
    const store = await open(clock);
    const documents = store.documents(notes);
    const journal = store.journal('log');
    await documents.insert('n', { text: 'x' });
    const other = connect();
    other.exec('BEGIN IMMEDIATE');
    const outcomes = Promise.all([codeOf(documents.replace('n', 1, { text: 'y' })), codeOf(journal.append([1]))]);
    for (let seconds = 0; seconds < 6; seconds += 1) await clock.advance(1_000);
    expect(await outcomes).toEqual(['unavailable', 'unavailable']);
    other.exec('COMMIT');
    expect((await documents.get('n'))?.version).toBe(1);
    expect((await documents.replace('n', 1, { text: 'z' })).version).toBe(2);
    expect((await journal.append(['first'])).revision).toBe(1);
  });

  it('a declaration that needs no change needs no lock', async () => {
    const first = await open();
    await first.documents(notes).insert('n', { text: 'x' });
    await first.journal('log').append([1]);
    const other = connect();
    other.exec('BEGIN IMMEDIATE');
    const second = await open();
    expect((await second.documents(notes).get('n'))?.version).toBe(1);
    expect((await second.journal('log').head()).revision).toBe(1);
    other.exec('ROLLBACK');
  });
});

describe('a table that another process has widened meanwhile', () => {
  it('is read and written as before', async () => {
    const store = await open();
    const documents = store.documents(notes);
    await documents.insert('n', { text: 'x' });
    await documents.get('n');
    const wider = await open();
    const widened = wider.documents(
      typeOf<{ text: string }>({ ...notes, indexes: { ...notes.indexes, length: ({ text }) => text.length } }),
    );
    expect(await documents.get('n')).toEqual({ id: 'n', version: 1, value: { text: 'x' }, outbox: [] });
    await documents.replace('n', 1, { text: 'longer' });
    await documents.insert('m', { text: 'y' });
    expect((await documents.list({ sort: { field: 'text' } })).items.map(({ id }) => id)).toEqual(['n', 'm']);
    expect((await widened.get('n'))?.version).toBe(2);
  });
});
