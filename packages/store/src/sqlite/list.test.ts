// Lists in SQLite begin with an index, whatever is filtered and sorted by, and sort only what is few.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typeOf } from '../conformance/context.ts';
import type { Position } from '../cursor.ts';
import type { Condition, Documents, ListQuery, Store } from '../port.ts';
import { leadingColumn, listStatement, planList } from './list.ts';
import { openSqliteStore } from './store.ts';

interface Tenant {
  readonly state: string;
  readonly createdAt: number;
}

const tenants = typeOf<Tenant>({ name: 'tenants', indexes: { state: ({ state }) => state, createdAt: ({ createdAt }) => createdAt } });
const count = 3_000;

const active: Condition = { field: 'state', op: 'eq', value: 'active' };
const failed: Condition = { field: 'state', op: 'eq', value: 'failed' };

let folder: string;
let store: Store;
let documents: Documents<Tenant>;
let explainer: DatabaseSync;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-list-'));
  const file = join(folder, 'store.sqlite');
  store = await openSqliteStore({ file });
  documents = store.documents(tenants);
  const inserts = Array.from({ length: count }, (_, index) =>
    documents.insert(`ten_${(index * 7) % count}`, { state: index % 100 === 0 ? 'failed' : 'active', createdAt: index }),
  );
  await Promise.all(inserts);
  explainer = new DatabaseSync(file);
});

afterAll(async () => {
  explainer.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** How SQLite carries the query out, one line a step. */
function explain(query: ListQuery, position?: Position): string {
  const plan = planList(tenants, query);
  const leading = leadingColumn(plan, ({ sql, parameters }) => Number(explainer.prepare(sql).get(...parameters)?.count));
  const { sql, parameters } = listStatement(plan, 'id, value', position, leading);
  const steps = explainer.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters);
  return steps.map(({ detail }) => String(detail)).join('\n');
}

const conditions: Readonly<Record<string, Condition[]>> = {
  nothing: [],
  'what most are': [active],
  'what few are': [failed],
  'one of several': [{ field: 'state', op: 'in', value: ['active', 'failed'] }],
  'a range': [{ field: 'createdAt', op: 'gte', value: 10 }],
  'a narrow range': [
    { field: 'createdAt', op: 'gte', value: 10 },
    { field: 'createdAt', op: 'lt', value: 20 },
  ],
  'two fields': [active, { field: 'createdAt', op: 'lt', value: 2_990 }],
  'an id': [{ field: 'id', op: 'eq', value: 'ten_7' }, active],
};

describe.each(Object.entries(conditions))('a list filtered by %s', (_, where) => {
  it.each(['id', 'state', 'createdAt'])('and sorted by %s walks an index and never the table', (field) => {
    for (const descending of [false, true]) {
      for (const position of [undefined, { id: 'ten_5', sorted: field === 'createdAt' ? 5 : 'active' }]) {
        const steps = explain({ where, sort: { field, descending } }, position);
        expect(steps).toMatch(/^(SEARCH|SCAN) documents_tenants USING (COVERING )?INDEX /m);
        expect(steps).not.toMatch(/SCAN documents_tenants$/m);
      }
    }
  });
});

describe('a filter and an order by different fields', () => {
  const sort = { field: 'createdAt', descending: true };

  it('walk the order where many match, so that a page costs the same on every page', () => {
    const steps = explain({ where: [active], sort }, { id: 'ten_5', sorted: 1_000 });
    expect(steps).toContain('INDEX documents_tenants.by_createdAt');
    expect(steps).not.toContain('TEMP B-TREE');
  });

  it('sort the matches where few match, so that no long walk looks for them', () => {
    expect(explain({ where: [failed], sort })).toContain('INDEX documents_tenants.by_state (by_state=?)');
  });

  it('need no sorting where the order is by id', () => {
    for (const condition of [active, failed]) {
      expect(explain({ where: [condition] }, { id: 'ten_5' })).toBe(
        'SEARCH documents_tenants USING INDEX documents_tenants.by_state (by_state=? AND id>?)',
      );
    }
  });

  it('give the same documents whichever way is taken', async () => {
    const [all, few] = [await walk([active]), await walk([failed])];
    expect([...all, ...few].toSorted((one, other) => other - one)).toEqual(Array.from({ length: count }, (_, index) => count - 1 - index));
    expect(all).toEqual(all.toSorted((one, other) => other - one));
    expect(few).toEqual(few.toSorted((one, other) => other - one));
  });

  async function walk(where: Condition[]): Promise<number[]> {
    const created: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await documents.list({ where, sort, pageSize: 700, ...(cursor === undefined ? {} : { cursor }) });
      created.push(...page.items.map(({ value }) => value.createdAt));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return created;
  }
});

describe('other look-ups', () => {
  it('use an index too', () => {
    const plans = [
      "SELECT id FROM documents_tenants WHERE id = (SELECT id FROM unique_keys WHERE type = 'tenants' AND key = 'slug' AND value = 'acme')",
      "SELECT id FROM documents_tenants WHERE outbox IS NOT NULL AND id > '' AND schema <= 1 ORDER BY id LIMIT 10",
      'SELECT value FROM journal_entries WHERE journal = 1 AND revision > 5 ORDER BY revision LIMIT 10',
    ];
    const details = plans.flatMap((sql) =>
      explainer
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map(({ detail }) => String(detail)),
    );
    expect(details.filter((detail) => !detail.startsWith('SEARCH') && !detail.startsWith('SCALAR'))).toEqual([]);
    expect(details.join()).toContain('documents_tenants.pending');
  });
});
