// How fast the MongoDB store is on the lab's server with its writes flushed: about half a minute, and a small table.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startServer } from '@burgage/lab';
import type { Documents, Store } from '../src/index.ts';
import { openMongoStore } from '../src/mongodb/store.ts';
import type { AppenderOrder } from './appender.ts';
import { callsPerSecond, compareAndSet, listPages, percentile, type Row, type Tenant, tenantAt, tenants } from './store.ts';

const appenderFile = fileURLToPath(new URL('./appender.ts', import.meta.url));
const tenantCount = 10_000;
const insertedAtOnce = 32;
const appendForMs = 3_000;
const pendingCount = 1_000;

/** Appends a second of `processes` processes together, each with as many callers. */
async function appendsPerSecond(url: string, database: string, processes: number, callers: number): Promise<number> {
  const order: AppenderOrder = { url, database, journal: `log-${processes}-${callers}`, callers, forMs: appendForMs };
  const children = Array.from({ length: processes }, () => {
    const child = spawn(process.execPath, [appenderFile, JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'inherit'] });
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  });
  const said = () => Promise.all(children.map(async ({ lines }) => (await lines.next()).value));
  try {
    await said();
    for (const { child } of children) child.stdin.write('go\n');
    const counts = await said();
    await Promise.all(children.map(({ child }) => (child.exitCode === null ? once(child, 'exit') : [])));
    return (counts.reduce((sum, count) => sum + Number(count), 0) / appendForMs) * 1_000;
  } finally {
    for (const { child } of children) child.kill('SIGKILL');
  }
}

async function fill(documents: Documents<Tenant>): Promise<readonly string[]> {
  const ids = Array.from({ length: tenantCount }, (_, index) => `ten_${String((index * 7_919) % tenantCount).padStart(26, '0')}`);
  const left = ids.entries();
  // They share the iterator: each takes the next that nobody has.
  const insert = async (): Promise<void> => {
    for (const [index, id] of left) await documents.insert(id, tenantAt(index));
  };
  await Promise.all(Array.from({ length: insertedAtOnce }, insert));
  return ids;
}

/** The 99th percentile, in ms, of a look for a hundred documents that have something to relay. */
async function pendingPages(documents: Documents<Tenant>, ids: readonly string[]): Promise<number> {
  for (const id of ids.slice(0, pendingCount)) {
    const current = await documents.get(id);
    if (current !== undefined) await documents.replace(id, current.version, current.value, [{ id: '1', target: 'event', payload: null }]);
  }
  const took: number[] = [];
  for (let look = 0; look < 100; look += 1) {
    const beganMs = performance.now();
    await documents.pendingOutbox(100);
    took.push(performance.now() - beganMs);
  }
  return percentile(took, 0.99);
}

/** The 99th percentile, in ms, from an append in one store until another one is woken by it. */
async function wakeUps(store: Store, other: Store): Promise<number> {
  const took: number[] = [];
  for (let round = 0; round < 100; round += 1) {
    const { revision } = await other.journal('wake').head();
    const woken = other
      .journal('wake')
      .waitBeyond(revision, 10_000)
      .then(() => performance.now());
    // It waits already when something comes, as a follower does.
    await new Promise((resolve) => setTimeout(resolve, 30));
    await store.journal('wake').append([round]);
    const appendedMs = performance.now();
    took.push((await woken) - appendedMs);
  }
  return percentile(took, 0.99);
}

/** Measures a store on the server at `url`, in a database of its own that stays behind. */
export async function runMongoBench(url: string): Promise<Row[]> {
  const database = `bench_${process.pid}`;
  const [store, other] = await Promise.all([openMongoStore({ url, database }), openMongoStore({ url, database })]);
  try {
    const documents = store.documents(tenants);
    const ids = await fill(documents);
    const get = async (): Promise<void> => void (await documents.get(ids[0] ?? ''));
    const findByKey = async (): Promise<void> => void (await documents.findByKey('slug', 'tenant-77'));
    return [
      { what: 'MongoDB: journal append, 2 processes, 1 caller each', value: await appendsPerSecond(url, database, 2, 1), unit: '/s' },
      {
        what: 'MongoDB: journal append, 2 processes, 8 callers each',
        value: await appendsPerSecond(url, database, 2, 8),
        unit: '/s',
        atLeast: 1_000,
      },
      { what: 'MongoDB: journal append, 2 processes, 64 callers each', value: await appendsPerSecond(url, database, 2, 64), unit: '/s' },
      { what: 'MongoDB: append to wake-up of another, p99', value: await wakeUps(store, other), unit: 'ms' },
      { what: 'MongoDB: compare-and-set, one writer', value: await compareAndSet(documents, ids.slice(0, 1)), unit: '/s' },
      { what: 'MongoDB: compare-and-set, 32 writers', value: await compareAndSet(documents, ids.slice(0, 32)), unit: '/s' },
      { what: 'MongoDB: get by id', value: await callsPerSecond([get]), unit: '/s' },
      { what: 'MongoDB: find by unique key', value: await callsPerSecond([findByKey]), unit: '/s' },
      { what: 'MongoDB: list page of 100 by id, p99', value: await listPages(documents, undefined), unit: 'ms' },
      { what: 'MongoDB: list page of 100, few match, p99', value: await listPages(documents, 'failed'), unit: 'ms' },
      { what: 'MongoDB: pending outboxes, 100 of 1,000, p99', value: await pendingPages(documents, ids), unit: 'ms' },
    ];
  } finally {
    await Promise.all([store.close(), other.close()]);
  }
}

if (import.meta.main) {
  await using server = await startServer('mongo');
  for (const { what, value, unit, atLeast } of await runMongoBench(server.url)) {
    const figure = value.toFixed(unit === 'ms' ? 2 : 0).padStart(9);
    process.stdout.write(`${what.padEnd(56)} ${figure} ${unit.padEnd(3)} ${atLeast === undefined ? '' : `asked ${atLeast}`}\n`);
  }
}
