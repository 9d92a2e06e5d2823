import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defineTable, type TenantTableDefinition } from './table.ts';
import { openTenantData } from './tenant-data.ts';

const notes = defineTable({ name: 'notes', columns: { title: 'text' } });
const create = 'CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, PRIMARY KEY (tenant_id, id)) STRICT;';
const info = { slug: 'slug', name: 'Name', color: '#000000' };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'app-kit-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const open = (migrations: string[] = [create], tables: TenantTableDefinition[] = [notes]) =>
  openTenantData({ folder: join(folder, 'data'), migrations, tables });

describe('a tenant', () => {
  test('has no handle before it is prepared and after it is removed, and a handle kept from before writes nothing', async () => {
    using data = disposable(open());
    const notPrepared = expect.objectContaining({ code: 'tenant_not_prepared', status: 503 });
    expect(() => data.for('ten_a')).toThrow(notPrepared);
    expect(await data.prepare('ten_a', info)).toEqual({ created: true });
    expect(await data.prepare('ten_a', { ...info, name: 'New name' })).toEqual({ created: false });
    expect(data.for('ten_a').info).toEqual({ ...info, name: 'New name' });
    const handle = data.for('ten_a');
    handle.table(notes).insert({ id: '1', title: 't' });
    expect(await data.remove('ten_a')).toBe(true);
    expect(await data.remove('ten_a')).toBe(false);
    expect(() => data.for('ten_a')).toThrow(notPrepared);
    expect(() => handle.table(notes).insert({ id: '1', title: 't' })).toThrow(notPrepared);
    await data.prepare('ten_a', info);
    expect(data.for('ten_a').table(notes).count()).toBe(0);
  });

  test('is refused an id that is not one', async () => {
    using data = disposable(open());
    for (const id of ['', 'platform', 'a b', 'ä', 'x'.repeat(129), '../x']) {
      await expect(data.prepare(id, info)).rejects.toThrow(/tenant id/);
      expect(() => data.for(id)).toThrow(expect.objectContaining({ code: 'tenant_not_prepared' }));
    }
  });

  test('that is removed leaves nothing of its rows in the files', async () => {
    using data = disposable(open());
    await data.prepare('ten_a', info);
    data.for('ten_a').table(notes).insert({ id: '1', title: 'a very particular sentence' });
    const everything = () =>
      readdirSync(join(folder, 'data'))
        .map((name) => readFileSync(join(folder, 'data', name), 'latin1'))
        .join();
    expect(everything()).toContain('particular');
    await data.remove('ten_a');
    expect(everything()).not.toContain('particular');
  });
});

describe('the file', () => {
  test('is readable by its owner only', () => {
    using _data = disposable(open());
    for (const name of readdirSync(join(folder, 'data'))) expect(statSync(join(folder, 'data', name)).mode & 0o777, name).toBe(0o600);
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700);
  });

  test('keeps its rows over a restart', async () => {
    const first = open();
    await first.prepare('ten_a', info);
    first.for('ten_a').table(notes).insert({ id: '1', title: 't' });
    first.close();
    using second = disposable(open());
    expect(second.for('ten_a').table(notes).get('1')).toEqual({ id: '1', title: 't' });
  });
});

describe('migrations', () => {
  const more = 'ALTER TABLE notes ADD COLUMN author TEXT;';
  const later = defineTable({ name: 'notes', columns: { title: 'text', author: 'text?' } });

  test('are applied once each, later ones to what is there', async () => {
    const first = open();
    await first.prepare('ten_a', info);
    first.for('ten_a').table(notes).insert({ id: '1', title: 't' });
    first.close();
    open([create, more], [later]).close();
    using third = disposable(open([create, more], [later]));
    expect(third.for('ten_a').table(later).get('1')).toEqual({ id: '1', title: 't', author: null });
  });

  test('that were changed afterwards, or that only a newer app knows, are refused', () => {
    open([create, more], [later]).close();
    expect(() => open([`${create} `, more], [later])).toThrow(/migration 1 was changed/);
    expect(() => open()).toThrow(/newer app/);
  });

  test('that fail, or leave a schema that does not fit, change nothing', () => {
    open().close();
    expect(() => open([create, 'ALTER TABLE notes ADD COLUMN author TEXT; SELECT nonsense'], [later])).toThrow(/nonsense/);
    expect(() => open([create, more])).toThrow(/author is not declared/);
    open([create, more], [later]).close();
  });
});

describe('a schema that could join tenants', () => {
  const other = 'CREATE TABLE other (tenant_id TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tenant_id, id)) STRICT;';
  const otherTable = defineTable({ name: 'other', columns: {} });
  const columns = 'tenant_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL';
  const key = 'PRIMARY KEY (tenant_id, id)';

  test.each([
    ['a primary key without the tenant', `CREATE TABLE notes (${columns}, PRIMARY KEY (id))`, /primary key/],
    ['a primary key in another order', `CREATE TABLE notes (${columns}, PRIMARY KEY (id, tenant_id))`, /primary key/],
    ['a unique value over all tenants', `CREATE TABLE notes (${columns}, ${key}, UNIQUE (title))`, /unique/],
    ['a unique index over all tenants', `${create} CREATE UNIQUE INDEX titles ON notes (title)`, /unique/],
    [
      'a foreign key that leaves the tenant',
      `CREATE TABLE notes (${columns}, ${key}, FOREIGN KEY (title, id) REFERENCES other (tenant_id, id)); ${other}`,
      /foreign key/,
    ],
    [
      'a unique index in which two tenants are equal without regard to case',
      `${create} CREATE UNIQUE INDEX titles ON notes (tenant_id COLLATE NOCASE, title)`,
      /unique index titles/,
    ],
    ['a table that takes the name of one of the kit', `${create} CREATE TABLE burgage_notes (id TEXT)`, /table burgage_notes/],
    [
      'a trigger that takes such a name',
      `${create} CREATE TRIGGER burgage_t AFTER INSERT ON notes BEGIN DELETE FROM notes; END`,
      /trigger burgage_t/,
    ],
    ['a view that takes such a name', `${create} CREATE VIEW burgage_v AS SELECT * FROM notes`, /view burgage_v/],
    [
      "a trigger on the kit's own table",
      `${create} CREATE TRIGGER t AFTER INSERT ON burgage_tenants BEGIN DELETE FROM notes; END`,
      /trigger t/,
    ],
    ["a unique index on the kit's own table", `${create} CREATE UNIQUE INDEX names ON burgage_tenants (name)`, /index names/],
    [
      "a change to the kit's own table",
      `${create} ALTER TABLE burgage_tenants ADD COLUMN note TEXT`,
      /burgage_tenants: it belongs to app-kit/,
    ],
    ["the kit's own table taken away", `${create} DROP TABLE burgage_tenants`, /burgage_tenants: it belongs to app-kit/],
    [
      'a trigger that is temporary',
      `${create} CREATE TEMP TRIGGER t AFTER INSERT ON main.notes BEGIN DELETE FROM notes; END`,
      /trigger t: it is temporary/,
    ],
    ['a table that is temporary', `${create} CREATE TEMP TABLE notes (id TEXT)`, /table notes: it is temporary/],
    ['a trigger', `${create} CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes; END`, /trigger t/],
    ['a view', `${create} CREATE VIEW v AS SELECT * FROM notes`, /view v/],
    ['a table that nobody declared', `${create} CREATE TABLE plain (id TEXT)`, /table plain/],
    [
      'ids that are equal without regard to case',
      `CREATE TABLE notes (tenant_id TEXT NOT NULL COLLATE NOCASE, id TEXT NOT NULL, title TEXT NOT NULL, ${key})`,
      /COLLATE/,
    ],
    [
      'a generated column',
      `CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL GENERATED ALWAYS AS (id) VIRTUAL, ${key})`,
      /generated/,
    ],
    [
      'a column of another type',
      `CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, title INTEGER NOT NULL, ${key})`,
      /title is INTEGER NOT NULL; expected TEXT NOT NULL/,
    ],
    ['a column that is missing', `CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, ${key})`, /title is declared/],
  ])('is refused: %s', (_name, sql, message) => {
    expect(() => open([sql], sql.includes('other') ? [notes, otherTable] : [notes])).toThrow(message);
  });

  test('is not what a unique index is that only compares titles without regard to case', () => {
    open([`${create} CREATE UNIQUE INDEX titles ON notes (tenant_id, title COLLATE NOCASE)`]).close();
  });

  test('is refused: a declared table without a migration', () => {
    expect(() => open([create], [notes, otherTable])).toThrow(/table other: it is declared/);
  });
});

describe('a table definition', () => {
  test('takes plain identifiers only', () => {
    for (const name of ['', 'Notes', '1', 'a b', 'a"', 'burgage_x', 'sqlite_x', 'x'.repeat(64)])
      expect(() => defineTable({ name, columns: {} }), name).toThrow(TypeError);
    for (const column of ['', 'id', 'tenant_id', 'tenant_ID', 'a-b', 'a"b'])
      expect(() => defineTable({ name: 'notes', columns: { [column]: 'text' } }), column).toThrow(TypeError);
    expect(() => defineTable({ name: 'notes', columns: { a: 'text', aA: 'text', aa: 'text' } })).toThrow(/twice/);
    expect(() => defineTable({ name: 'notes', columns: { a: 'integer' }, search: ['a'] })).toThrow(/text/);
  });

  test('must have been given to openTenantData', async () => {
    using data = disposable(open());
    await data.prepare('ten_a', info);
    const stranger = defineTable({ name: 'burgageTenants', columns: {} });
    expect(() => data.for('ten_a').table(stranger)).toThrow(TypeError);
  });
});

function disposable<T extends { close(): void }>(value: T): T & Disposable {
  return Object.assign(value, { [Symbol.dispose]: () => value.close() });
}
