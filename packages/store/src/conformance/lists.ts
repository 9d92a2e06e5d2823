// Conformance: lists.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Condition, Documents, IndexValue, ListQuery } from '../port.ts';
import { type Bench, codeOf, listAll, typeOf } from './context.ts';

interface Row {
  readonly run: string;
  readonly name?: string;
  readonly size?: number;
  readonly on?: boolean;
  readonly touched?: number;
}

const rows = typeOf<Row>({
  name: 'rows',
  indexes: { run: ({ run }) => run, name: ({ name }) => name, size: ({ size }) => size, on: ({ on }) => on },
});

const sample: Readonly<Record<string, Omit<Row, 'run'>>> = {
  a: { name: 'x', size: 3, on: true },
  b: { name: 'y', size: -1.5, on: false },
  c: { name: 'y', size: 0, on: true },
  d: { name: 'Z' },
  e: { name: '', size: 10 },
  f: {},
};

async function openSample(bench: Bench): Promise<Documents<Row>> {
  const documents = (await bench.open()).documents(rows);
  await Promise.all(Object.entries(sample).map(([id, row]) => documents.insert(id, { run: '', ...row })));
  return documents;
}

export function listTests(bench: Bench): void {
  describe('lists', () => {
    it('give all by id, and pages of a hundred', async () => {
      const documents = (await bench.open()).documents(rows);
      expect(await documents.list()).toEqual({ items: [] });
      const ids = Array.from({ length: 101 }, (_, index) => `id-${String(index).padStart(3, '0')}`);
      await Promise.all(ids.toReversed().map((id) => documents.insert(id, { run: '' })));
      const page = await documents.list();
      expect(page.items.map(({ id }) => id)).toEqual(ids.slice(0, 100));
      expect((await documents.list({ cursor: page.nextCursor ?? '' })).items.map(({ id }) => id)).toEqual(ids.slice(100));
      expect(await listAll(documents, { pageSize: 1_000 })).toEqual(ids);
    });

    it('filter by every operator on text, numbers and booleans', async () => {
      const documents = await openSample(bench);
      const cases: [field: string, op: Condition['op'], value: Condition['value'], ids: string][] = [
        ['name', 'eq', 'y', 'bc'],
        ['name', 'eq', '', 'e'],
        ['name', 'lt', 'a', 'de'],
        ['name', 'gte', 'x', 'abc'],
        ['name', 'in', ['x', 'Z', 'none'], 'ad'],
        ['size', 'eq', 0, 'c'],
        ['size', 'gt', 0, 'ae'],
        ['size', 'lte', 0, 'bc'],
        ['size', 'in', [10, -1.5], 'be'],
        ['size', 'in', [], ''],
        ['on', 'eq', true, 'ac'],
        ['on', 'eq', false, 'b'],
        ['on', 'in', [true, false], 'abc'],
        ['id', 'gt', 'd', 'ef'],
        ['id', 'in', ['b', 'f'], 'bf'],
      ];
      for (const [field, op, value, ids] of cases) {
        expect(await listAll(documents, { where: [{ field, op, value }] }), `${field} ${op} ${value}`).toEqual([...ids]);
      }
      expect(
        await listAll(documents, {
          where: [
            { field: 'name', op: 'eq', value: 'y' },
            { field: 'on', op: 'eq', value: true },
          ],
        }),
      ).toEqual(['c']);
    });

    it('sort both ways, ties by id in the same direction, without documents that have no sort value', async () => {
      const documents = await openSample(bench);
      for (const pageSize of [1, 2, 1_000]) {
        const ascending = async (field: string) => (await listAll(documents, { sort: { field }, pageSize })).join('');
        const descending = async (field: string) => (await listAll(documents, { sort: { field, descending: true }, pageSize })).join('');
        expect([await ascending('size'), await descending('size')]).toEqual(['bcae', 'eacb']);
        expect([await ascending('name'), await descending('name')]).toEqual(['edabc', 'cbade']);
        expect([await ascending('on'), await descending('on')]).toEqual(['bac', 'cab']);
        expect([await ascending('id'), await descending('id')]).toEqual(['abcdef', 'fedcba']);
      }
    });

    it('follow a document whose index values change', async () => {
      const documents = await openSample(bench);
      await documents.replace('a', 1, { run: '', name: 'moved', size: 99 });
      expect(await listAll(documents, { where: [{ field: 'on', op: 'eq', value: true }] })).toEqual(['c']);
      expect(await listAll(documents, { sort: { field: 'size' } })).toEqual(['b', 'c', 'e', 'a']);
      await documents.remove('a', 2);
      expect(await listAll(documents, { sort: { field: 'size' } })).toEqual(['b', 'c', 'e']);
    });

    it('refuse a cursor that is damaged or was given by another list', async () => {
      const documents = await openSample(bench);
      const query: ListQuery = { sort: { field: 'size' }, where: [{ field: 'run', op: 'eq', value: '' }], pageSize: 2 };
      const cursor = (await documents.list(query)).nextCursor ?? '';
      expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
      expect((await documents.list({ ...query, cursor, pageSize: 1 })).items.map(({ id }) => id)).toEqual(['a']);
      const others: ListQuery[] = [
        { ...query, cursor: '' },
        { ...query, cursor: 'nonsense' },
        { ...query, cursor: cursor.slice(0, -2) },
        { ...query, cursor: Buffer.from('null').toString('base64url') },
        { ...query, cursor, sort: { field: 'size', descending: true } },
        { ...query, cursor, sort: { field: 'name' } },
        { ...query, cursor, where: [{ field: 'run', op: 'eq', value: 'other' }] },
        { cursor },
      ];
      for (const other of others) expect(await codeOf(documents.list(other)), JSON.stringify(other)).toBe('invalid_page_token');
    });

    it('refuse what no index was declared for and values that cannot be compared, naming the field', async () => {
      const documents = await openSample(bench);
      const wrong: [query: unknown, field: string][] = [
        [{ sort: { field: 'touched' } }, 'sort.field'],
        [{ where: [{ field: 'touched', op: 'eq', value: 1 }] }, 'where[0].field'],
        [{ where: [{ field: 'constructor', op: 'eq', value: 1 }] }, 'where[0].field'],
        [{ where: [{ field: 'size', op: 'like', value: 1 }] }, 'where[0].op'],
        [{ where: [{ field: 'size', op: 'eq', value: [1] }] }, 'where[0].value'],
        [{ where: [{ field: 'size', op: 'in', value: 1 }] }, 'where[0].value'],
        [{ where: [{ field: 'size', op: 'lt', value: Number.NaN }] }, 'where[0].value'],
        [{ where: [{ field: 'size', op: 'eq', value: null }] }, 'where[0].value'],
        [{ where: [{ field: 'size', op: 'eq', value: 1n }], cursor: 'x' }, 'where[0].value'],
        [{ where: Array.from({ length: 17 }, () => ({ field: 'size', op: 'gt', value: 0 })) }, 'where'],
        [{ pageSize: 0 }, 'pageSize'],
        [{ pageSize: 1_001 }, 'pageSize'],
      ];
      for (const [query, field] of wrong) {
        await expect(documents.list(query as ListQuery), field).rejects.toMatchObject({ code: 'invalid_argument', fields: [{ field }] });
      }
    });

    it('show every document that stays, once, whatever is inserted, changed and removed between the pages', async () => {
      const documents = (await bench.open()).documents(rows);
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(walk, async (plan) => {
          runs += 1;
          await checkWalk(documents, `run-${runs}`, plan);
        }),
        { numRuns: bench.times(150) },
      );
    });
  });
}

type Write =
  | { readonly kind: 'insert'; readonly name: string; readonly size: number; readonly on: boolean }
  | { readonly kind: 'remove' | 'touch'; readonly which: number }
  | { readonly kind: 'move'; readonly which: number; readonly size: number };

interface Walk {
  readonly sizes: readonly { readonly name: string; readonly size: number; readonly on: boolean }[];
  readonly query: ListQuery;
  /** What happens after each page. */
  readonly writes: readonly (readonly Write[])[];
}

const size = fc.integer({ min: 0, max: 4 });
const name = fc.string({ minLength: 1, maxLength: 3, unit: 'grapheme-ascii' });
const which = fc.nat({ max: 30 });
const row = fc.record({ name, size, on: fc.boolean() });
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), name, size, on: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('remove' as const, 'touch' as const), which }),
  fc.record({ kind: fc.constant('move' as const), which, size }),
);
const walk: fc.Arbitrary<Walk> = fc.record({
  sizes: fc.array(row, { minLength: 3, maxLength: 15 }),
  query: fc.record({
    sort: fc.record({ field: fc.constantFrom('size', 'id'), descending: fc.boolean() }),
    where: fc.constantFrom<Condition[]>([], [{ field: 'on', op: 'eq', value: true }], [{ field: 'size', op: 'gte', value: 1 }]),
    pageSize: fc.integer({ min: 1, max: 4 }),
  }),
  writes: fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 10 }),
});

async function checkWalk(documents: Documents<Row>, run: string, { sizes, query, writes }: Walk): Promise<void> {
  const current = new Map<string, { version: number; value: Row }>();
  let count = 0;
  const insert = async (value: Omit<Row, 'run'>): Promise<void> => {
    count += 1;
    const { id, version } = await documents.insert(`${run} ${value.name} ${count}`, { run, ...value });
    current.set(id, { version, value: { run, ...value } });
  };
  for (const value of sizes) await insert(value);

  const matches = ({ on, size }: Row): boolean =>
    (query.where ?? []).every(({ field }) => (field === 'on' ? on === true : (size ?? 0) >= 1));
  const staying = new Set([...current].filter(([, { value }]) => matches(value)).map(([id]) => id));
  const moved = new Set<string>();

  const apply = async (what: Write): Promise<void> => {
    if (what.kind === 'insert') return await insert({ name: what.name, size: what.size, on: what.on });
    const id = [...current.keys()][what.which % Math.max(current.size, 1)];
    const before = id === undefined ? undefined : current.get(id);
    if (id === undefined || before === undefined) return;
    if (what.kind === 'remove') {
      await documents.remove(id, before.version);
      current.delete(id);
      staying.delete(id);
      return;
    }
    const value: Row =
      what.kind === 'move' ? { ...before.value, size: what.size } : { ...before.value, touched: (before.value.touched ?? 0) + 1 };
    const { version } = await documents.replace(id, before.version, value);
    current.set(id, { version, value });
    if (what.kind === 'move' && what.size !== before.value.size) {
      moved.add(id);
      staying.delete(id);
    }
  };

  const where: Condition[] = [{ field: 'run', op: 'eq', value: run }, ...(query.where ?? [])];
  const seen: { id: string; sorted: IndexValue }[] = [];
  let cursor: string | undefined;
  for (let pageNumber = 0; ; pageNumber += 1) {
    const page = await documents.list({ ...query, where, ...(cursor === undefined ? {} : { cursor }) });
    for (const { id, value } of page.items) seen.push({ id, sorted: query.sort?.field === 'size' ? (value.size ?? 0) : '' });
    cursor = page.nextCursor;
    if (cursor === undefined) break;
    for (const what of writes[pageNumber] ?? []) await apply(what);
  }

  const seenIds = seen.map(({ id }) => id);
  expect([...staying].filter((id) => !seenIds.includes(id))).toEqual([]);
  expect(seenIds.filter((id, index) => seenIds.indexOf(id) !== index && !moved.has(id))).toEqual([]);
  // The pages together are in order, also where documents came and went.
  const ordered = seen.toSorted(
    (one, other) => compare(one.sorted, other.sorted) || Buffer.compare(Buffer.from(one.id), Buffer.from(other.id)),
  );
  expect(seen).toEqual(query.sort?.descending ? ordered.toReversed() : ordered);
}

function compare(one: IndexValue, other: IndexValue): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
