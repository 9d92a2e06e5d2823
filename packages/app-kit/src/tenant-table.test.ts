import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ProblemError } from './problem.ts';
import { defineTable, type Row } from './table.ts';
import { openTenantData, type TenantData, type TenantHandle } from './tenant-data.ts';

const notes = defineTable({ name: 'notes', columns: { title: 'text', size: 'integer', author: 'text?' }, search: ['title', 'author'] });
const migrations = [
  `CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, size INTEGER NOT NULL, author TEXT, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, title)) STRICT, WITHOUT ROWID`,
];
type Note = Row<typeof notes.columns>;

let folder: string;
let data: TenantData;
const info = { slug: 'slug', name: 'Name', color: '#000000' };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'app-kit-'));
  data = openTenantData({ folder, migrations, tables: [notes] });
  await data.prepare('ten_a', info);
});
afterEach(() => {
  data.close();
  rmSync(folder, { recursive: true });
});
const table = () => data.for('ten_a').table(notes);

/** The same table in plain JavaScript, one map a tenant: what the real one must always equal. */
function createModel() {
  const rows = new Map<string, Note>();
  const sorted = (): Note[] => [...rows.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  const titleTaken = (title: string, id: string): boolean => sorted().some((row) => row.title === title && row.id !== id);
  return {
    rows,
    all: sorted,
    insert(row: Note) {
      if (rows.has(row.id) || titleTaken(row.title, row.id)) return 'already_exists';
      rows.set(row.id, row);
      return row;
    },
    get: (id: string) => rows.get(id),
    update(id: string, changes: Partial<Note>, where: Partial<Note>) {
      const row = rows.get(id);
      if (!row || (where.size !== undefined && row.size !== where.size)) return undefined;
      if (changes.title !== undefined && titleTaken(changes.title, id)) return 'already_exists';
      const changed = { ...row, ...changes };
      rows.set(id, changed);
      return changed;
    },
    updateSmall(below: number, author: string | null) {
      const met = sorted().filter((row) => row.size < below);
      for (const row of met) rows.set(row.id, { ...row, author });
      return met.length;
    },
    delete: (id: string) => rows.delete(id),
    deleteLarge(atLeast: number) {
      const met = sorted().filter((row) => row.size >= atLeast);
      for (const row of met) rows.delete(row.id);
      return met.length;
    },
    search: (word: string) => sorted().filter(({ title, author }) => title.includes(word) || (author?.includes(word) ?? false)),
    sum: () => sorted().reduce((total, row) => total + row.size, 0),
  };
}

const tenant = fc.constantFrom('ten_a', 'ten_A');
const id = fc.constantFrom('1', '2', '3', "' OR 1=1 --", '%', 'tenant_id');
const title = fc.constantFrom('ab', 'bc', 'c', "x' OR '1'='1", '_');
const author = fc.option(fc.constantFrom('a', 'b'), { nil: null });
const size = fc.integer({ min: 0, max: 3 });
const operation = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), tenant, row: fc.record({ id, title, size, author }) }),
  fc.record({ kind: fc.constant('get' as const), tenant, id }),
  fc.record({
    kind: fc.constant('update' as const),
    tenant,
    id,
    changes: fc.record({ title, size }, { requiredKeys: [] }),
    where: fc.record({ size }, { requiredKeys: [] }),
  }),
  fc.record({ kind: fc.constant('updateWhere' as const), tenant, size, author }),
  fc.record({ kind: fc.constant('delete' as const), tenant, id }),
  fc.record({ kind: fc.constant('deleteWhere' as const), tenant, size }),
  fc.record({ kind: fc.constant('list' as const), tenant, limit: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('search' as const), tenant, word: fc.constantFrom('a', 'b', '%', "'", '_') }),
  fc.record({ kind: fc.constant('rollback' as const), tenant }),
  fc.record({ kind: fc.constant('remove' as const), tenant }),
);

const outcome = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    if (error instanceof ProblemError) return error.code;
    throw error;
  }
};

function everyPage(handle: TenantHandle, limit: number): Note[] {
  const rows: Note[] = [];
  for (let cursor: string | undefined, pages = 0; pages < 100; pages += 1) {
    const page = handle.table(notes).list({ limit, ...(cursor && { cursor }) });
    rows.push(...page.rows);
    cursor = page.nextCursor;
    if (!cursor) return rows;
  }
  throw new Error('the pages do not end');
}

describe('two tenants on the same ids', () => {
  test('never see or touch each other: every answer equals that of two separate models', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
        const models = { ten_a: createModel(), ten_A: createModel() };
        for (const tenantId of ['ten_a', 'ten_A']) {
          await data.remove(tenantId);
          await data.prepare(tenantId, info);
        }
        for (const step of operations) {
          const handle = data.for(step.tenant);
          const real = handle.table(notes);
          const model = models[step.tenant as keyof typeof models];
          switch (step.kind) {
            case 'insert':
              expect(outcome(() => real.insert(step.row))).toEqual(model.insert(step.row));
              break;
            case 'get':
              expect(real.get(step.id)).toEqual(model.get(step.id));
              break;
            case 'update':
              expect(outcome(() => real.update(step.id, step.changes, step.where))).toEqual(
                model.update(step.id, step.changes, step.where),
              );
              break;
            case 'updateWhere':
              expect(real.updateWhere({ size: { below: step.size } }, { author: step.author })).toBe(
                model.updateSmall(step.size, step.author),
              );
              break;
            case 'delete':
              expect(real.delete(step.id)).toBe(model.delete(step.id));
              break;
            case 'deleteWhere':
              expect(real.deleteWhere({ size: { atLeast: step.size } })).toBe(model.deleteLarge(step.size));
              break;
            case 'list':
              expect(everyPage(handle, step.limit)).toEqual(model.all());
              break;
            case 'search':
              expect(real.list({ search: step.word }).rows).toEqual(model.search(step.word));
              break;
            case 'rollback':
              expect(() =>
                handle.transaction(() => {
                  real.deleteWhere({});
                  throw new RangeError('no');
                }),
              ).toThrow(RangeError);
              break;
            case 'remove':
              await data.remove(step.tenant);
              await data.prepare(step.tenant, info);
              model.rows.clear();
              break;
            default:
              step satisfies never;
          }
          for (const [tenantId, expected] of Object.entries(models)) {
            const seen = data.for(tenantId).table(notes);
            expect(seen.list().rows).toEqual(expected.all());
            expect(seen.count()).toBe(expected.rows.size);
            expect(seen.sum('size')).toBe(expected.sum());
            expect(data.usage(tenantId).rows.notes).toBe(expected.rows.size);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test("one's cursor opens only the other's own rows", async () => {
    await data.prepare('ten_b', info);
    for (const name of ['1', '2', '3']) {
      table().insert({ id: name, title: `a${name}`, size: 1 });
      data
        .for('ten_b')
        .table(notes)
        .insert({ id: name, title: `b${name}`, size: 1 });
    }
    const cursor = table().list({ limit: 1 }).nextCursor;
    if (!cursor) throw new Error('expected a second page');
    expect(
      data
        .for('ten_b')
        .table(notes)
        .list({ cursor })
        .rows.map(({ title }) => title),
    ).toEqual(['b2', 'b3']);
  });
});

describe('a list', () => {
  test('gives every row exactly once in any order and page size, also while rows are written', () => {
    fc.assert(
      fc.property(
        fc.array(size, { minLength: 1, maxLength: 15 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom('ascending' as const, 'descending' as const),
        (sizes, limit, direction) => {
          table().deleteWhere({});
          const ids = sizes.map((rowSize, index) => table().insert({ id: `row-${index}`, title: `t${index}`, size: rowSize }).id);
          const seen: Note[] = [];
          // A row for each of the first pages only: rows that kept coming behind the cursor would be pages without end.
          for (let cursor: string | undefined, pages = 0; pages < 100; pages += 1) {
            const page = table().list({ limit, order: { by: 'size', direction }, ...(cursor && { cursor }) });
            seen.push(...page.rows);
            if (pages < 5) table().insert({ id: `new-${pages}`, title: `new-${pages}`, size: 2 });
            cursor = page.nextCursor;
            if (!cursor) break;
          }
          expect(
            seen
              .map((row) => row.id)
              .filter((rowId) => rowId.startsWith('row-'))
              .sort(),
          ).toEqual(ids.sort());
          const order = seen.map((row) => row.size);
          expect(order).toEqual(order.toSorted((one, other) => (direction === 'ascending' ? one - other : other - one)));
        },
      ),
      { numRuns: 100 },
    );
  });

  test('refuses a cursor that it did not give, or of another order', () => {
    for (const name of ['1', '2']) table().insert({ id: name, title: name, size: 1 });
    const { nextCursor = '' } = table().list({ limit: 1 });
    for (const cursor of ['x', '', Buffer.from('{}').toString('base64url'), Buffer.from('["id","ascending",7,"1"]').toString('base64url')])
      expect(() => table().list({ cursor }), cursor).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    expect(() => table().list({ cursor: nextCursor, order: { by: 'size', direction: 'ascending' } })).toThrow(/cursor/);
    expect(() => table().list({ limit: 0 })).toThrow(/limit/);
    expect(() => table().list({ limit: 1_001 })).toThrow(/limit/);
  });

  test('finds words without regard to case and accents, all of them, in any search column, and takes wildcards as text', () => {
    table().insert({ id: '1', title: 'Größe & Söhne', size: 1, author: 'Anna' });
    table().insert({ id: '2', title: '100 % wool', size: 1 });
    const found = (search: string) =>
      table()
        .list({ search })
        .rows.map((row) => row.id);
    expect(found('GROSSE')).toEqual(['1']);
    expect(found('sohne anna')).toEqual(['1']);
    expect(found('sohne wool')).toEqual([]);
    expect(found('%')).toEqual(['2']);
    expect(found('_')).toEqual([]);
    expect(found('  ')).toEqual(['1', '2']);
    expect(table().count({ search: 'anna' })).toBe(1);
  });
});

describe('what is written', () => {
  test('is read back as it was, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer(), (text, number) => {
        fc.pre(!text.includes('\0'));
        table().deleteWhere({});
        const row = { id: '1', title: text, size: number, author: null };
        expect(table().insert({ id: '1', title: text, size: number })).toEqual(row);
        expect(table().find({ title: text, size: number, author: null })).toEqual(row);
      }),
      { numRuns: 200 },
    );
  });

  test('is refused with the column named when it has the wrong type or cannot be kept exactly', () => {
    const insert = (row: object) => () =>
      table().insert({ id: '1', title: 't', size: 1, ...row } as Parameters<ReturnType<typeof table>['insert']>[0]);
    for (const [row, field] of [
      [{ id: '' }, 'id'],
      [{ id: 'x'.repeat(129) }, 'id'],
      [{ id: 7 }, 'id'],
      [{ title: null }, 'title'],
      [{ title: undefined }, 'title'],
      [{ title: 'a\0b' }, 'title'],
      [{ title: '\ud800' }, 'title'],
      [{ size: 1.5 }, 'size'],
      [{ size: 2 ** 53 }, 'size'],
      [{ size: Number.NaN }, 'size'],
      [{ author: {} }, 'author'],
    ] as const) {
      expect(insert(row), JSON.stringify(row)).toThrow(
        expect.objectContaining({ code: 'invalid_argument', fields: [expect.objectContaining({ field })] }),
      );
    }
    expect(table().count()).toBe(0);
  });

  test('never matches more because a value is undefined', () => {
    table().insert({ id: '1', title: 't', size: 1 });
    const anyTable = table() as unknown as Record<'get' | 'find' | 'deleteWhere' | 'delete', (argument: unknown) => unknown>;
    for (const work of [
      () => anyTable.get(undefined),
      () => anyTable.delete(undefined),
      () => anyTable.find({ size: undefined }),
      () => anyTable.deleteWhere({ author: undefined }),
    ])
      expect(work).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    expect(table().count()).toBe(1);
  });

  test('cannot name a column that is not declared, nor the tenant', () => {
    const anyTable = table() as unknown as {
      insert(row: object): unknown;
      list(request: object): unknown;
      update(id: string, changes: object): unknown;
      deleteWhere(where: object): unknown;
      sum(column: string): unknown;
    };
    for (const column of ['tenant_id', 'rowid', 'size" = 1 --', 'constructor', '__proto__x']) {
      expect(() => anyTable.insert({ id: '1', title: 't', size: 1, [column]: 'x' })).toThrow(TypeError);
      expect(() => anyTable.list({ where: { [column]: 'x' } })).toThrow(TypeError);
      expect(() => anyTable.list({ order: { by: column, direction: 'ascending' } })).toThrow(TypeError);
      expect(() => anyTable.update('1', { [column]: 'x' })).toThrow(TypeError);
      expect(() => anyTable.deleteWhere({ [column]: 'x' })).toThrow(TypeError);
      expect(() => anyTable.sum(column)).toThrow(TypeError);
    }
    expect(() => anyTable.update('1', { id: '2' })).toThrow(/id/);
    expect(() => anyTable.deleteWhere({ size: { above: 1 } })).toThrow(TypeError);
    expect(() => anyTable.list({ order: { by: 'author', direction: 'ascending' } })).toThrow(/may be null/);
  });
});

describe('a transaction', () => {
  test('leaves nothing when it throws, and an inner one only its own part', () => {
    const handle = data.for('ten_a');
    handle.transaction(() => {
      table().insert({ id: '1', title: 'kept', size: 1 });
      expect(() =>
        handle.transaction(() => {
          table().insert({ id: '2', title: 'dropped', size: 1 });
          throw new Error('inner');
        }),
      ).toThrow('inner');
      table().insert({ id: '3', title: 'kept too', size: 1 });
    });
    expect(
      table()
        .list()
        .rows.map((row) => row.id),
    ).toEqual(['1', '3']);
  });

  test('refuses asynchronous work, because other requests would run inside it', () => {
    expect(() => data.for('ten_a').transaction(async () => table().deleteWhere({}))).toThrow(TypeError);
  });
});
