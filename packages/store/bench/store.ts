// How fast the SQLite store is with full durability: about ten seconds, and a small table.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Documents, type DocumentType, openSqliteStore, type Store } from '../src/index.ts';

export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What was asked for, where something was. */
  readonly atLeast?: number;
}

export interface Tenant {
  readonly slug: string;
  readonly state: string;
  readonly createdAt: number;
  readonly changes: number;
}

export const tenants: DocumentType<Tenant> = {
  name: 'tenants',
  schemaVersion: 1,
  unique: { slug: ({ slug }) => slug },
  indexes: { state: ({ state }) => state, createdAt: ({ createdAt }) => createdAt },
};

/** The median of several windows, so that one hiccup of the machine decides nothing. */
const windows = 5;
const windowMs = 400;
const tenantCount = 10_000;

export function tenantAt(index: number): Tenant {
  return { slug: `tenant-${index}`, state: index % 50 === 0 ? 'failed' : 'active', createdAt: index, changes: 0 };
}

/** Calls a second of `calls`, each repeated one after the other, all at once. */
export async function callsPerSecond(calls: readonly (() => Promise<void>)[]): Promise<number> {
  const rates: number[] = [];
  for (let window = 0; window < windows; window += 1) {
    let made = 0;
    const beganMs = performance.now();
    const repeat = async (call: () => Promise<void>): Promise<void> => {
      for (; performance.now() < beganMs + windowMs; made += 1) await call();
    };
    await Promise.all(calls.map(repeat));
    rates.push((made / (performance.now() - beganMs)) * 1_000);
  }
  return percentile(rates, 0.5);
}

export function percentile(values: readonly number[], part: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length * part)] ?? 0;
}

async function raise(documents: Documents<Tenant>, id: string): Promise<() => Promise<void>> {
  let current = await documents.get(id);
  return async () => {
    if (current === undefined) throw new Error(`no tenant ${id}`);
    current = await documents.replace(id, current.version, { ...current.value, changes: current.value.changes + 1 });
  };
}

/** Compare-and-set a second with as many writers as `ids`, each on a document of its own. */
export async function compareAndSet(documents: Documents<Tenant>, ids: readonly string[]): Promise<number> {
  return await callsPerSecond(await Promise.all(ids.map((id) => raise(documents, id))));
}

async function appendEntries(store: Store, batchSize: number): Promise<number> {
  const journal = store.journal('routes');
  const batch = Array.from({ length: batchSize }, (_, index) => ({ kind: 'host', key: `tenant-${index}.example.com` }));
  const batches = await callsPerSecond([
    async () => {
      await journal.append(batch);
    },
  ]);
  return batches * batchSize;
}

/** The 99th percentile, in ms, of a page of a hundred out of `tenantCount`: of one state by time, or of all by id. */
export async function listPages(documents: Documents<Tenant>, state: string | undefined): Promise<number> {
  const took: number[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 300; page += 1) {
    const beganMs = performance.now();
    const { nextCursor } = await documents.list({
      ...(state !== undefined && {
        where: [{ field: 'state', op: 'eq', value: state }],
        sort: { field: 'createdAt', descending: true },
      }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    took.push(performance.now() - beganMs);
    cursor = nextCursor;
  }
  return percentile(took, 0.99);
}

/** Measures a store in a temporary folder. */
export async function runStoreBench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'burgage-store-bench-'));
  const store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
  try {
    const documents = store.documents(tenants);
    const ids = Array.from({ length: tenantCount }, (_, index) => `ten_${String((index * 7_919) % tenantCount).padStart(26, '0')}`);
    await Promise.all(ids.map((id, index) => documents.insert(id, tenantAt(index))));
    await compareAndSet(documents, ids.slice(0, 1));
    return [
      { what: 'compare-and-set, one writer', value: await compareAndSet(documents, ids.slice(0, 1)), unit: '/s', atLeast: 5_000 },
      { what: 'compare-and-set, 32 writers', value: await compareAndSet(documents, ids.slice(0, 32)), unit: '/s' },
      { what: 'journal append, batches of 100', value: await appendEntries(store, 100), unit: '/s', atLeast: 5_000 },
      { what: 'journal append, one by one', value: await appendEntries(store, 1), unit: '/s' },
      { what: 'list page of 100, most match, p99', value: await listPages(documents, 'active'), unit: 'ms' },
      { what: 'list page of 100, few match, p99', value: await listPages(documents, 'failed'), unit: 'ms' },
    ];
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  for (const { what, value, unit, atLeast } of await runStoreBench()) {
    const figure = value.toFixed(unit === 'ms' ? 2 : 0).padStart(9);
    process.stdout.write(`${what.padEnd(36)} ${figure} ${unit.padEnd(3)} ${atLeast === undefined ? '' : `asked ${atLeast}`}\n`);
  }
}
