// Random histories: several tenants, workers, users and faults at once. A seed that fails is run again with SEED=…
import { expect, test } from 'vitest';
import { runHistory } from './random.ts';

const given = process.env.SEED;
const first = given === undefined ? 0 : Number(given);
const count = given === undefined ? Number(process.env.SEEDS ?? 500) : 1;

test(`the histories of the seeds ${first} to ${first + count - 1} end as they may, and leave nothing behind`, {
  timeout: 60 * 60_000,
}, async () => {
  const wrong: string[] = [];
  let acknowledged = 0;
  let fenced = 0;
  const ends = new Set<string>();
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      const history = await runHistory(seed);
      acknowledged += history.acknowledged;
      fenced += history.fenced;
      for (const end of history.ends) ends.add(end);
    } catch (error) {
      wrong.push(`SEED=${seed}: ${(error as Error).message}`);
    }
  }
  expect(wrong).toEqual([]);
  if (given !== undefined) return;
  // Otherwise they have not seen much.
  expect(acknowledged).toBeGreaterThan(count * 10);
  expect(fenced).toBeGreaterThan(0);
  for (const kind of ['provision', 'move', 'terminate'])
    for (const end of ['succeeded', 'cancelled']) expect([...ends]).toContain(`${kind} ${end}`);
});
