// Group commit: what shares a transaction, and what a failure takes with it.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invalidField } from '@burgage/contracts';
import { systemClock, systemRandom } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf } from '../conformance/context.ts';
import { Database } from './database.ts';
import { GroupCommit } from './group-commit.ts';

let folder: string;
let database: Database;
let writes: GroupCommit;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-group-commit-'));
  database = await Database.open(join(folder, 'store.sqlite'), systemClock, systemRandom);
  database.execute('CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT)');
  writes = new GroupCommit(database);
});

afterEach(async () => {
  await writes.close();
  database.close();
  await rm(folder, { recursive: true, force: true });
});

function put(number: number, text = ''): () => void {
  return () => void database.run('INSERT INTO numbers VALUES (?, ?)', number, text);
}

function stored(): number[] {
  return database.all<{ number: number }>('SELECT number FROM numbers ORDER BY number').map(({ number }) => number);
}

async function walBytes(): Promise<number> {
  return (await stat(`${database.file}-wal`)).size;
}

describe('writes of one turn', () => {
  it('share one flush to the disk', async () => {
    const before = await walBytes();
    await Promise.all(Array.from({ length: 100 }, (_, number) => writes.write(put(number))));
    // A commit writes at least one page of 4,096 bytes; a hundred commits would have written a hundred.
    expect((await walBytes()) - before).toBeLessThan(10 * 4_096);
    expect(stored()).toHaveLength(100);
  });

  it('are undone alone where they fail, with everything that they had done', async () => {
    const half = (): void => {
      put(2)();
      throw invalidField('number', 'is 2');
    };
    const outcomes = await Promise.all([put(1), half, put(3)].map((work) => codeOf(writes.write(work))));
    expect(outcomes).toEqual(['no error', 'invalid_argument', 'no error']);
    expect(stored()).toEqual([1, 3]);
  });

  it('are all refused when the disk is full, and the next ones are taken when it is not', async () => {
    await writes.write(put(1));
    const { page_count: pages } = database.one<{ page_count: number }>('PRAGMA page_count') ?? { page_count: 0 };
    database.execute(`PRAGMA max_page_count = ${pages}`);
    const outcomes = await Promise.all([put(2), put(3, 'x'.repeat(100_000))].map((work) => codeOf(writes.write(work))));
    expect(outcomes).toEqual(['unavailable', 'unavailable']);
    expect(stored()).toEqual([1]);
    database.execute('PRAGMA max_page_count = 1000000');
    await writes.write(put(4));
    expect(stored()).toEqual([1, 4]);
  });
});

it('takes nothing after it was closed', async () => {
  const last = writes.write(put(1));
  await writes.close();
  await last;
  expect(await codeOf(writes.write(put(2)))).toBe('unavailable');
  expect(stored()).toEqual([1]);
});
