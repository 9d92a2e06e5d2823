import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Digest } from './archive-format.ts';
import { defineTable } from './table.ts';
import { openTenantData, type TenantData } from './tenant-data.ts';

const notes = defineTable({ name: 'notes', columns: { title: 'text', nextId: 'text?' } });
const tags = defineTable({ name: 'tags', columns: { noteId: 'text' } });
// Every row refers to one that comes and goes in another slice.
const migrations = [
  `CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, nextId TEXT, PRIMARY KEY (tenant_id, id),
     FOREIGN KEY (tenant_id, nextId) REFERENCES notes (tenant_id, id)) STRICT, WITHOUT ROWID;
   CREATE INDEX notes_by_title ON notes (tenant_id, title);
   CREATE TABLE tags (tenant_id TEXT NOT NULL, id TEXT NOT NULL, noteId TEXT NOT NULL, PRIMARY KEY (tenant_id, id),
     FOREIGN KEY (tenant_id, noteId) REFERENCES notes (tenant_id, id)) STRICT;`,
];
const info = { slug: 'slug', name: 'Name', color: '#000000' };
const rowsOfSlice = 256;
const notPrepared = expect.objectContaining({ code: 'tenant_not_prepared' });
const fenced = expect.objectContaining({ code: 'fenced' });

let folder: string;
let data: TenantData;
const open = () => openTenantData({ folder, migrations, tables: [notes, tags] });
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'app-kit-pool-')), 'data');
  data = open();
});
afterEach(() => {
  data.close();
  rmSync(join(folder, '..'), { recursive: true });
});

/** Fills the tenant's room with `count` rows that are known by `word`, and a twentieth as many that refer to them. */
function fill(tenantId: string, word: string, count: number): void {
  const tenant = data.for(tenantId);
  const idOf = (index: number) => `${word} ${String(index).padStart(6, '0')}`;
  tenant.transaction(() => {
    tenant.table(notes).insert({ id: idOf(count), title: word });
    for (let index = 0; index < count; index += 1) tenant.table(notes).insert({ id: idOf(index), title: word, nextId: idOf(count) });
    for (let index = 0; index < count; index += 20) tenant.table(tags).insert({ id: idOf(index), noteId: idOf(count - index) });
  });
}
const known = (tenantId: string) => {
  const [tagged, noted] = [data.for(tenantId).table(tags).count(), data.for(tenantId).table(notes).count()];
  return `${data.for(tenantId).table(notes).list({ limit: 1 }).rows[0]?.title ?? 'nothing'}: ${noted}, ${tagged}`;
};

/** An archive of a tenant with such rows; the tenant is not there afterwards. */
async function archiveOf(tenantId: string, word: string, count: number): Promise<{ bytes: Uint8Array[]; digest: Digest; known: string }> {
  await data.prepare(tenantId, info);
  fill(tenantId, word, count);
  const bytes: Uint8Array[] = [];
  for await (const chunk of data.archive(tenantId)) bytes.push(chunk);
  const made = { bytes, digest: await data.digest(tenantId), known: known(tenantId) };
  await data.remove(tenantId);
  return made;
}
async function* chunks(bytes: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* bytes;
}

/** What a promise has come to; never rejects. */
const outcomeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error) => error.code ?? error,
  );

/** Resolves when the tenant has been unfinished for so many turns. */
async function turnsInto(tenantId: string, turns: number): Promise<void> {
  for (let seen = 0; seen < turns; ) {
    await nextTurn();
    if (!data.isPrepared(tenantId)) seen += 1;
  }
}
const placesOf = async (tenantId: string) => (await data.places()).places.filter((place) => place.tenantId === tenantId);
const stored = (tenantId: string): number => {
  using pool = new DatabaseSync(join(folder, 'pool.sqlite'), { readOnly: true });
  const count = (table: string) => Number(pool.prepare(`SELECT count(*) AS value FROM ${table} WHERE tenant_id = ?`).get(tenantId)?.value);
  return count('notes') + count('tags');
};

describe('while the rows of a tenant are replaced or removed', () => {
  const count = 3_000;
  const works = {
    replaced: (bytes: Uint8Array[]) => data.restore('ten_a', chunks(bytes)),
    removed: () => data.remove('ten_a'),
  };

  test.each(['replaced', 'removed'] as const)(
    'other tenants are served after every slice, and its own code gets all of it or none (%s)',
    async (kind) => {
      const archive = await archiveOf('ten_a', 'new', count);
      for (const [id, word] of [
        ['ten_a', 'old'],
        ['ten_b', 'other'],
      ] as const) {
        await data.prepare(id, info);
        fill(id, word, count);
      }
      const before = known('ten_a');
      const handle = data.for('ten_a');
      let outcome: unknown;
      void outcomeOf(works[kind](archive.bytes)).then((value) => {
        outcome = value;
      });
      const states: string[] = [];
      let served = 0;
      while (outcome === undefined) {
        await nextTurn();
        const state = data.isPrepared('ten_a') ? known('ten_a') : 'nobody';
        if (state !== states.at(-1)) states.push(state);
        if (state === 'nobody') {
          served += 1;
          data
            .for('ten_b')
            .table(tags)
            .insert({ id: `served ${served}`, noteId: 'other 000000' });
          for (const attempt of [
            () => data.for('ten_a'),
            () => handle.table(notes).count(),
            () => handle.table(notes).get('new 000000'),
            () => handle.table(notes).insert({ id: 'late', title: 'late' }),
            () => handle.table(notes).deleteWhere({}),
            () => handle.transaction(() => handle.table(tags).list()),
            () => data.archive('ten_a'),
            () => data.freeze('ten_a', 'r'),
            () => data.change('ten_a', {}, () => undefined),
          ])
            expect(attempt).toThrow(notPrepared);
          await expect(data.digest('ten_a')).rejects.toThrow(notPrepared);
        }
      }
      expect(outcome).toBe('done');
      expect(states).toEqual(kind === 'replaced' ? [before, 'nobody', archive.known] : ['nobody']);
      const slices = Math.floor((kind === 'replaced' ? 2 : 1) * (count / rowsOfSlice));
      expect(served).toBeGreaterThanOrEqual(slices);
      expect(data.for('ten_b').table(tags).count()).toBe(count / 20 + served);
      expect(stored('ten_a')).toBe(kind === 'replaced' ? stored('ten_b') - served : 0);
    },
  );

  test('an archive that is being read is that of the moment before', async () => {
    await data.prepare('ten_a', info);
    fill('ten_a', 'old', count);
    const digest = await data.digest('ten_a');
    const copy: Uint8Array[] = [];
    const reading = data.archive('ten_a');
    copy.push((await reading.next()).value as Uint8Array);
    const removal = data.remove('ten_a');
    for await (const chunk of reading) {
      expect(data.isPrepared('ten_a')).toBe(false);
      copy.push(chunk);
    }
    await removal;
    await data.prepare('ten_a', info);
    expect(await data.restore('ten_a', chunks(copy))).toEqual(digest);
  });

  test('the log beside the file stays small although somebody reads, so that nobody has to wait for it in the end', async () => {
    const megabyte = 1_024 * 1_024;
    await data.prepare('ten_b', info);
    fill('ten_b', 'old', count);
    await data.prepare('ten_a', info);
    const tenant = data.for('ten_a');
    tenant.transaction(() => {
      for (let index = 0; index < 24; index += 1) tenant.table(notes).insert({ id: String(index), title: 'x'.repeat(megabyte) });
    });
    // Empties the log.
    data.close();
    data = open();
    const logMegabytes = () => Math.round(statSync(join(folder, 'pool.sqlite-wal')).size / megabyte);
    const reading = data.archive('ten_b');
    await reading.next();
    const removal = outcomeOf(data.remove('ten_a'));
    while (logMegabytes() < 8) await nextTurn();
    for (let turns = 0; turns < 1_000; turns += 1) {
      await nextTurn();
      expect(logMegabytes()).toBeLessThan(12);
    }
    expect(stored('ten_a')).toBeGreaterThan(8);
    await reading.return(undefined);
    expect(await removal).toBe('done');
    expect(logMegabytes()).toBe(0);
  });
});

describe('a restore, removal or preparation that breaks off', () => {
  const count = 1_500;
  /** Turns of the event loop in which some of the old rows are gone, and in which some of the new ones have come. */
  const [emptying, filling] = [3, 10];
  let a: Awaited<ReturnType<typeof archiveOf>>;
  beforeEach(async () => {
    a = await archiveOf('ten_a', 'new', count);
    await data.prepare('ten_b', info);
    fill('ten_b', 'old', 10);
    await data.prepare('ten_a', info);
    fill('ten_a', 'old', count);
  });
  const restore = (fence: number) => data.restore('ten_a', chunks(a.bytes), { fence });
  const remove = (fence: number) => data.remove('ten_a', { fence });
  const prepare = (fence: number) => data.prepare('ten_a', { ...info, name: 'Next' }, { fence });

  /** Ends what is under way as the end of the process does. */
  async function killed(work: Promise<unknown>, turns: number): Promise<void> {
    const outcome = outcomeOf(work);
    await turnsInto('ten_a', turns);
    data.close();
    expect(await outcome).not.toBe('done');
    data = open();
  }
  /** Ends it as another attempt does that comes with a higher fence, whatever it is about. */
  async function overtaken(work: Promise<unknown>, turns: number, fence: number): Promise<void> {
    const outcome = outcomeOf(work);
    await turnsInto('ten_a', turns);
    data.thaw('ten_a', { fence });
    const left = stored('ten_a');
    expect(await outcome).toBe('fenced');
    expect(stored('ten_a')).toBe(left);
  }

  const breaks: Record<string, () => Promise<void>> = {
    'a restore that is killed while the old rows go': () => killed(restore(1), emptying),
    'a restore that is killed while the new rows come': () => killed(restore(1), filling),
    'a restore that is overtaken': () => overtaken(restore(1), filling, 2),
    'a removal that is killed': () => killed(remove(1), emptying),
    'a removal that is overtaken': () => overtaken(remove(1), emptying, 2),
    async 'a preparation that is killed while it clears up after a restore'() {
      await killed(restore(1), emptying);
      await killed(prepare(2), 2);
    },
  };
  const isRestore = (name: string) => name.startsWith('a restore');

  test.each(Object.keys(breaks))('%s leaves an unfinished tenant: listed, and there for nobody', async (name) => {
    await breaks[name]?.();
    for (const again of [false, true]) {
      if (again) {
        data.close();
        data = open();
      }
      expect(data.isPrepared('ten_a')).toBe(false);
      expect(() => data.for('ten_a')).toThrow(notPrepared);
      expect(() => data.archive('ten_a')).toThrow(notPrepared);
      await expect(data.digest('ten_a')).rejects.toThrow(notPrepared);
      const [place, ...others] = await placesOf('ten_a');
      expect(others).toEqual([]);
      expect(place).toMatchObject({ place: 'pool', frozen: false, unfinished: true });
      const { rows } = data.usage('ten_a');
      expect(place?.rows).toEqual(rows);
      expect(rows.notes).toBeGreaterThan(0);
      expect(stored('ten_a')).toBe(Number(rows.notes) + Number(rows.tags));
      expect(rows.notes).toBeLessThan(count);
    }
    expect(await placesOf('ten_b')).toEqual([{ tenantId: 'ten_b', place: 'pool', frozen: false, rows: { notes: 11, tags: 1 } }]);
  });

  test.each(Object.keys(breaks))('%s is cleared up by a removal', async (name) => {
    await breaks[name]?.();
    expect(await remove(3)).toBe(true);
    expect(await remove(3)).toBe(false);
    expect([await placesOf('ten_a'), stored('ten_a')]).toEqual([[], 0]);
  });

  test.each(Object.keys(breaks))('%s makes way for an empty room when the tenant is prepared, and a restore fills that', async (name) => {
    await breaks[name]?.();
    expect(await prepare(3)).toEqual({ created: true });
    expect(data.for('ten_a').info.name).toBe('Next');
    expect(await placesOf('ten_a')).toEqual([{ tenantId: 'ten_a', place: 'pool', frozen: false, rows: { notes: 0, tags: 0 } }]);
    expect(await prepare(3)).toEqual({ created: false });
    expect(await restore(3)).toEqual(a.digest);
  });

  test.each(Object.keys(breaks).filter(isRestore))('%s begins anew when it is repeated, and ends as if nothing had been', async (name) => {
    await breaks[name]?.();
    expect(await restore(3)).toEqual(a.digest);
    expect(data.for('ten_a').info).toEqual(info);
    expect(await placesOf('ten_a')).toEqual([
      { tenantId: 'ten_a', place: 'pool', frozen: true, rows: { notes: count + 1, tags: count / 20 } },
    ]);
  });

  test.each(Object.keys(breaks).filter((name) => !isRestore(name)))('%s is not turned back by a restore', async (name) => {
    await breaks[name]?.();
    await expect(restore(3)).rejects.toThrow(notPrepared);
    expect(await placesOf('ten_a')).toMatchObject([{ unfinished: true }]);
  });

  test.each([
    ['a restore', restore],
    ['a removal', remove],
    ['a preparation', prepare],
  ] as const)('stays as it is when a late attempt comes (%s)', async (_name, late) => {
    await overtaken(restore(1), filling, 5);
    const left = stored('ten_a');
    await expect(late(4)).rejects.toThrow(fenced);
    expect(stored('ten_a')).toBe(left);
    expect(await placesOf('ten_a')).toMatchObject([{ unfinished: true }]);
  });

  test.each([
    ['a removal', remove, true],
    ['a preparation', prepare, { created: true }],
  ] as const)('leaves the tenant to what begins after it, also where that has the same fence (%s)', async (_name, later, result) => {
    for (const turns of [emptying, filling]) {
      if (!data.isPrepared('ten_a')) await prepare(1);
      if (stored('ten_a') === 0) fill('ten_a', 'old', count);
      const first = outcomeOf(restore(1));
      await turnsInto('ten_a', turns);
      expect(await later(1)).toEqual(result);
      expect(await first).toBe('fenced');
      expect(stored('ten_a')).toBe(0);
    }
  });
});

test('of what is removed in many slices nothing is left in the files', async () => {
  await data.prepare('ten_a', info);
  fill('ten_a', 'particular', 3_000);
  const isThere = () =>
    ['pool.sqlite', 'pool.sqlite-wal'].some((name) => readFileSync(join(folder, name), 'latin1').includes('particular'));
  expect(isThere()).toBe(true);
  await data.remove('ten_a');
  expect(isThere()).toBe(false);
});

test('a tenant whose rows have ids that only SQL can write is removed like any other', async () => {
  await data.prepare('ten_a', info);
  {
    using pool = new DatabaseSync(join(folder, 'pool.sqlite'));
    // Bytes that are no UTF-8, and ids before and behind any other.
    for (const id of ["''", "CAST(x'80' AS TEXT)", "CAST(x'ff' AS TEXT)", "CAST(x'efbfbd00ff' AS TEXT)"])
      pool.exec(`INSERT INTO notes (tenant_id, id, title) VALUES ('ten_a', ${id}, printf('%.*c', 3000000, 'x'))`);
  }
  expect(stored('ten_a')).toBe(4);
  await data.remove('ten_a');
  expect(stored('ten_a')).toBe(0);
});

test('whatever is begun, overtaken and killed when, a tenant is all there or for nobody, and others are as they were', async () => {
  const counts = { new: 700, other: 1_100 };
  const archives = { new: await archiveOf('ten_a', 'new', counts.new), other: await archiveOf('ten_a', 'other', counts.other) };
  await data.prepare('ten_b', info);
  fill('ten_b', 'old', 10);
  const neighbour = [await data.digest('ten_b'), known('ten_b')];
  const whole = ['nothing: 0, 0', archives.new.known, archives.other.known];
  let fence = 0;
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('new', 'other', 'remove', 'prepare'), isLater: fc.boolean() }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('turns'), turns: fc.nat(12) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('restart', 'raise') }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
      const begun: Promise<unknown>[] = [];
      const look = async () => {
        const [place] = await placesOf('ten_a');
        if (data.isPrepared('ten_a')) {
          expect(whole).toContain(known('ten_a'));
          expect(place?.unfinished).toBeUndefined();
        } else {
          expect(() => data.for('ten_a')).toThrow(notPrepared);
          expect(place === undefined ? stored('ten_a') === 0 : place.unfinished).toBe(true);
        }
        expect(known('ten_b')).toBe(neighbour[1]);
      };
      await data.prepare('ten_a', info, { fence });
      for (const one of steps) {
        const { kind } = one;
        if ('isLater' in one && one.isLater) fence += 1;
        if (kind === 'turns') {
          for (let turn = 0; turn < ('turns' in one ? one.turns : 0); turn += 1) await nextTurn();
        } else if (kind === 'restart') {
          data.close();
          // Of a process that has ended nothing goes on.
          await Promise.all(begun);
          data = open();
        } else if (kind === 'raise') {
          fence += 1;
          data.thaw('ten_a', { fence });
        } else if (kind === 'remove') begun.push(outcomeOf(data.remove('ten_a', { fence })));
        else if (kind === 'prepare') begun.push(outcomeOf(data.prepare('ten_a', info, { fence })));
        else begun.push(outcomeOf(data.restore('ten_a', chunks(archives[kind as 'new' | 'other'].bytes), { fence })));
        await look();
      }
      for (const outcome of await Promise.all(begun))
        expect(['done', 'fenced', 'tenant_not_prepared', 'ERR_INVALID_STATE', 'ENOENT']).toContain(outcome);
      await look();
      fence += 1;
      expect(await data.prepare('ten_a', info, { fence })).toBeDefined();
      expect(await data.restore('ten_a', chunks(archives.new.bytes), { fence })).toEqual(archives.new.digest);
      expect(known('ten_a')).toBe(archives.new.known);
      expect(await data.remove('ten_a', { fence })).toBe(true);
      expect([stored('ten_a'), await placesOf('ten_a')]).toEqual([0, []]);
      expect([await data.digest('ten_b'), known('ten_b')]).toEqual(neighbour);
      expect(readdirSync(join(folder, 'staging'))).toEqual([]);
    }),
    { numRuns: 25 },
  );
});
