import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defineTable } from './table.ts';
import { openTenantData, type Place, type TenantData } from './tenant-data.ts';

const notes = defineTable({ name: 'notes', columns: { title: 'text' } });
const migrations = [
  'CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, PRIMARY KEY (tenant_id, id)) STRICT',
];
const info = { slug: 'slug', name: 'Name', color: '#000000' };
const note = (id: string) => ({ id, title: 't' });
const places = ['pool', 'own'] as const;
const code = (expected: string) => expect.objectContaining({ code: expected });

let folder: string;
let data: TenantData;
const open = (openFilesMax = 64) => openTenantData({ folder, migrations, tables: [notes], openFilesMax });
const reopen = () => {
  data.close();
  data = open();
};
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'app-kit-places-')), 'data');
  data = open();
});
afterEach(() => {
  data.close();
  rmSync(join(folder, '..'), { recursive: true });
});
const insert = (tenantId: string, place: Place, id: string) => data.for(tenantId, place).table(notes).insert(note(id));

describe("a tenant's own database", () => {
  test('is a file of its own that only the owner reads, is not there before it is prepared, and knows nothing of the pool', async () => {
    expect(() => data.for('ten_a', 'own')).toThrow(code('tenant_not_prepared'));
    expect(existsSync(join(folder, 'own'))).toBe(false);
    await data.prepare('ten_a', info);
    expect(() => data.for('ten_a', 'own')).toThrow(code('tenant_not_prepared'));
    await data.prepare('ten_a', info, { place: 'own' });
    insert('ten_a', 'own', '1');
    expect(data.for('ten_a').table(notes).count()).toBe(0);
    expect(data.for('ten_a', 'own').table(notes).count()).toBe(1);
    expect(readdirSync(join(folder, 'own')).filter((name) => name.endsWith('.sqlite'))).toEqual(['ten_a.sqlite']);
    for (const name of readdirSync(join(folder, 'own'))) expect(statSync(join(folder, 'own', name)).mode & 0o777, name).toBe(0o600);
    expect(statSync(join(folder, 'own')).mode & 0o777).toBe(0o700);
    data.close();
    expect(readdirSync(join(folder, 'own'))).toEqual(['ten_a.sqlite']);
    data = open();
    expect(data.for('ten_a', 'own').table(notes).count()).toBe(1);
  });

  test('that is removed is gone with its log; a handle from before writes nothing, and one prepared again begins empty', async () => {
    await data.prepare('ten_a', info, { place: 'own' });
    const handle = data.for('ten_a', 'own');
    handle.table(notes).insert(note('1'));
    expect(await data.remove('ten_a', { place: 'own' })).toBe(true);
    expect(readdirSync(join(folder, 'own'))).toEqual([]);
    expect(await data.remove('ten_a', { place: 'own' })).toBe(false);
    expect(() => handle.table(notes).insert(note('2'))).toThrow(code('tenant_not_prepared'));
    expect(readdirSync(join(folder, 'own'))).toEqual([]);
    // What a process that was killed may have left.
    writeFileSync(join(folder, 'own', 'ten_a.sqlite-wal'), 'an old log');
    await data.prepare('ten_a', info, { place: 'own' });
    expect(data.for('ten_a', 'own').table(notes).count()).toBe(0);
  });

  test('is refused an id that is not one, and never touches a file elsewhere', async () => {
    writeFileSync(join(folder, '..', 'x.sqlite'), 'mine');
    for (const id of ['', '.', '..', '../../x', 'a/b', 'a\\b', '/x', '.x', 'a b', 'ä', 'a\0', 'x'.repeat(129), 'platform']) {
      await expect(data.prepare(id, info, { place: 'own' }), id).rejects.toThrow(code('invalid_argument'));
      expect(() => data.for(id, 'own'), id).toThrow(code('tenant_not_prepared'));
      expect(await data.remove(id, { place: 'own' }), id).toBe(false);
    }
    expect(readFileSync(join(folder, '..', 'x.sqlite'), 'utf8')).toBe('mine');
    expect(existsSync(join(folder, 'own'))).toBe(false);
  });

  test('is never taken for that of another tenant, where file names do not tell them apart', async () => {
    await data.prepare('ten_a', info, { place: 'own' });
    data.close();
    const file = join(folder, 'own', 'ten_a.sqlite');
    writeFileSync(join(folder, 'own', 'ten_A.sqlite'), readFileSync(file));
    data = open();
    expect(() => data.for('ten_A', 'own')).toThrow('belongs to another tenant');
    await expect(data.prepare('ten_A', info, { place: 'own' })).rejects.toThrow('belongs to another tenant');
  });

  test('is closed when others are needed more, and opened again, in the middle of whatever', async () => {
    data.close();
    data = open(2);
    const ids = ['ten_1', 'ten_2', 'ten_3', 'ten_4'];
    for (const id of ids) await data.prepare(id, info, { place: 'own' });
    const handles = ids.map((id) => data.for(id, 'own'));
    for (let round = 0; round < 3; round += 1) for (const handle of handles) handle.table(notes).insert(note(String(round)));
    // A file that is not open has no log beside it.
    expect(readdirSync(join(folder, 'own')).filter((name) => name.endsWith('-wal'))).toHaveLength(2);
    const [first, ...others] = handles;
    first?.transaction(() => {
      first.table(notes).insert(note('in'));
      for (const other of others) other.table(notes).insert(note('in'));
      first.table(notes).insert(note('still in'));
    });
    expect(handles.map((handle) => handle.table(notes).count())).toEqual([5, 4, 4, 4]);
  });

  test('follows the migrations when it is opened', async () => {
    await data.prepare('ten_a', info, { place: 'own' });
    insert('ten_a', 'own', '1');
    data.close();
    const later = defineTable({ name: 'notes', columns: { title: 'text', author: 'text?' } });
    data = openTenantData({ folder, migrations: [...migrations, 'ALTER TABLE notes ADD COLUMN author TEXT'], tables: [later] });
    expect(data.for('ten_a', 'own').table(later).get('1')).toEqual({ ...note('1'), author: null });
  });
});

describe('a fence', () => {
  test.each(places)('lets later attempts pass and refuses earlier ones, over restarts and after the rows are gone (%s)', async (place) => {
    await data.prepare('ten_a', info, { place });
    await data.prepare('ten_a', info, { place, fence: 5 });
    const attempts: [string, (fence: number) => Promise<unknown>][] = [
      ['prepare', (fence) => data.prepare('ten_a', info, { place, fence })],
      ['change', async (fence) => data.change('ten_a', { place, fence }, (tenant) => tenant.table(notes).count())],
      ['freeze', async (fence) => data.freeze('ten_a', 'r', { place, fence })],
      ['thaw', async (fence) => data.thaw('ten_a', { place, fence })],
      ['remove', (fence) => data.remove('ten_a', { place, fence })],
    ];
    for (const [name, attempt] of attempts) {
      for (const late of [4, 0])
        await expect(attempt(late), name).rejects.toThrow(
          expect.objectContaining({ code: 'fenced', status: 409, metadata: { seen: '5' } }),
        );
      await attempt(5);
    }
    expect(data.isPrepared('ten_a', place)).toBe(false);
    reopen();
    await expect(data.prepare('ten_a', info, { place, fence: 4 })).rejects.toThrow(code('fenced'));
    await data.prepare('ten_a', info, { place, fence: 6 });
    await expect(data.remove('ten_a', { place, fence: 5 })).rejects.toThrow(code('fenced'));
    expect(data.isPrepared('ten_a', place)).toBe(true);
    // Other places and tenants have fences of their own.
    const elsewhere = place === 'pool' ? 'own' : 'pool';
    await data.prepare('ten_a', info, { place: elsewhere, fence: 1 });
    await data.prepare('ten_b', info, { place, fence: 1 });
  });

  test.each(places)('that was seen stays seen when its work fails, and nothing of the work stays (%s)', async (place) => {
    await data.prepare('ten_a', info, { place });
    const failing = () =>
      data.change('ten_a', { place, fence: 9 }, (tenant) => {
        tenant.table(notes).insert(note('1'));
        throw new RangeError('no');
      });
    expect(failing).toThrow(RangeError);
    expect(data.for('ten_a', place).table(notes).count()).toBe(0);
    expect(() => data.thaw('ten_a', { place, fence: 8 })).toThrow(code('fenced'));
  });
});

describe('a frozen tenant', () => {
  test.each(places)('is read and not written, over restarts, until it is thawed or removed (%s)', async (place) => {
    for (const id of ['ten_a', 'ten_b']) await data.prepare(id, info, { place });
    insert('ten_a', place, '1');
    data.freeze('ten_a', 'a move', { place });
    data.freeze('ten_a', 'a move', { place });
    const attempts = () => {
      const handle = data.for('ten_a', place);
      const table = handle.table(notes);
      return [
        () => table.insert(note('2')),
        () => table.update('1', { title: 'x' }),
        () => table.updateWhere({}, { title: 'x' }),
        () => table.delete('1'),
        () => table.deleteWhere({}),
        () => handle.transaction(() => table.insert(note('2'))),
        () => data.change('ten_a', { place }, (tenant) => tenant.table(notes).delete('1')),
      ];
    };
    for (const again of [false, true]) {
      if (again) reopen();
      for (const attempt of attempts())
        expect(attempt).toThrow(expect.objectContaining({ code: 'tenant_moving', status: 503, retryAfterSeconds: 1 }));
      expect(data.isFrozen('ten_a', place)).toBe(true);
      expect(data.for('ten_a', place).table(notes).list().rows).toEqual([note('1')]);
    }
    expect(await data.prepare('ten_a', info, { place })).toEqual({ created: false });
    expect(data.isFrozen('ten_a', place)).toBe(true);
    insert('ten_b', place, '1');
    data.thaw('ten_a', { place });
    insert('ten_a', place, '2');
    data.freeze('ten_a', 'a move', { place });
    await data.remove('ten_a', { place });
    await data.prepare('ten_a', info, { place });
    insert('ten_a', place, '1');
  });

  test.each(places)('keeps nothing of a transaction in whose middle it was frozen (%s)', async (place) => {
    await data.prepare('ten_a', info, { place });
    const handle = data.for('ten_a', place);
    const late = () =>
      handle.transaction(() => {
        handle.table(notes).insert(note('1'));
        data.freeze('ten_a', 'a move', { place });
        handle.table(notes).insert(note('2'));
      });
    expect(late).toThrow(code('tenant_moving'));
    expect(handle.table(notes).count()).toBe(0);
  });

  test('has in its archive every write that was acknowledged before, and none that came after, in any order of events', async () => {
    const event = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('write' as const), id: fc.nat(30).map(String) }) },
      { weight: 1, arbitrary: fc.constantFrom({ kind: 'freeze' as const }, { kind: 'thaw' as const }, { kind: 'restart' as const }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), fc.array(event, { maxLength: 25 }), async (place, events) => {
        await data.remove('ten_a', { place });
        await data.prepare('ten_a', info, { place });
        const acknowledged = new Set<string>();
        let frozen = false;
        for (const step of events) {
          if (step.kind === 'freeze') data.freeze('ten_a', 'r', { place });
          if (step.kind === 'thaw') data.thaw('ten_a', { place });
          if (step.kind === 'freeze' || step.kind === 'thaw') frozen = step.kind === 'freeze';
          if (step.kind === 'restart') reopen();
          if (step.kind !== 'write') continue;
          try {
            insert('ten_a', place, step.id);
            expect(frozen).toBe(false);
            acknowledged.add(step.id);
          } catch (error) {
            expect(error).toMatchObject({ code: frozen ? 'tenant_moving' : 'already_exists' });
          }
        }
        let archive = '';
        for await (const chunk of data.archive('ten_a', place)) archive += Buffer.from(chunk).toString();
        const rows = archive.split('\n').flatMap((line) => (line === '' ? [] : (JSON.parse(line).r ?? []))) as [string, string][];
        expect(rows.map(([id]) => id)).toEqual([...acknowledged].sort());
      }),
      { numRuns: 30 },
    );
  });
});

describe('the list of places', () => {
  test('names every place of every tenant once, page by page, also what nobody can use', async () => {
    for (let index = 0; index < 101; index += 1) await data.prepare(`ten_${String(index).padStart(3, '0')}`, info);
    for (const id of ['ten_000', 'ten_100', 'ten_zzz']) await data.prepare(id, info, { place: 'own' });
    insert('ten_100', 'own', '1');
    data.freeze('ten_100', 'r', { place: 'own' });
    mkdirSync(join(folder, 'own'), { recursive: true });
    // Killed while it was made: a file without a tenant.
    writeFileSync(join(folder, 'own', 'ten_half.sqlite'), '');
    writeFileSync(join(folder, 'own', 'ten_junk.sqlite'), 'junk'.repeat(1_000));
    reopen();
    const first = await data.places();
    expect(first.next).toBe('ten_099');
    expect(first.places).toHaveLength(101);
    expect(first.places.slice(0, 2)).toEqual([
      { tenantId: 'ten_000', place: 'pool', frozen: false, rows: { notes: 0 } },
      { tenantId: 'ten_000', place: 'own', frozen: false, rows: { notes: 0 } },
    ]);
    expect(await data.places(first.next)).toEqual({
      places: [
        { tenantId: 'ten_100', place: 'pool', frozen: false, rows: { notes: 0 } },
        { tenantId: 'ten_100', place: 'own', frozen: true, rows: { notes: 1 } },
        { tenantId: 'ten_half', place: 'own', frozen: false, rows: { notes: 0 } },
        { tenantId: 'ten_junk', place: 'own', frozen: false, rows: {} },
        { tenantId: 'ten_zzz', place: 'own', frozen: false, rows: { notes: 0 } },
      ],
    });
    for (const id of ['ten_half', 'ten_junk']) expect(await data.remove(id, { place: 'own' })).toBe(true);
    expect((await data.places('ten_100')).places.map(({ tenantId }) => tenantId)).toEqual(['ten_zzz']);
  });
});

test('what is removed leaves nothing in the files, also when an archive of another tenant was being read', async () => {
  for (const id of ['ten_a', 'ten_b']) await data.prepare(id, info);
  data.for('ten_a').table(notes).insert({ id: '1', title: 'a very particular sentence' });
  const everything = () =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(folder, entry.name), 'latin1'))
      .join();
  const reading = data.archive('ten_b');
  await reading.next();
  await data.remove('ten_a');
  await reading.return(undefined);
  expect(everything()).not.toContain('particular');
});
