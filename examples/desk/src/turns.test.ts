import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Asker, createTurns, type Turns, waitingPerClientMax, waitingPerLaneMax } from './turns.ts';

/** Asks whose work ends when the test says so; `started` has their names in the order of their turns. */
let turns: Turns;
let started: string[];
let ends: (() => void)[];
let asked: Promise<string>[];
let pauses: { ms: number; end: () => void }[];
beforeEach(() => {
  started = [];
  ends = [];
  asked = [];
  pauses = [];
  turns = createTurns({ sleep: (ms) => new Promise((end) => pauses.push({ ms, end })) });
});
afterEach(async () => {
  await finish(started.length + asked.length);
  expect(ends).toEqual([]);
});

function ask(tenantId: string, client: string, { trusted = false, pauseMs = 0 }: { trusted?: boolean; pauseMs?: number } = {}): void {
  const asker: Asker = { tenantId, client, trusted };
  const work = () => {
    started.push(tenantId);
    return new Promise<void>((end) => ends.push(end));
  };
  asked.push(
    turns(asker, work, pauseMs).then(
      () => 'done',
      (error) => error.code,
    ),
  );
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Ends so many checks, one after the other. */
async function finish(count: number): Promise<void> {
  await settle();
  for (let ended = 0; ended < count; ended += 1) {
    ends.shift()?.();
    await settle();
  }
}

test("a flood on one tenant fills its own places only, and another tenant's sign-in is next but one at the latest", async () => {
  for (let index = 0; index < 100; index += 1) ask('flooded', `client-${index}`);
  ask('quiet', 'owner');
  await finish(2);
  expect(started).toEqual(['flooded', 'flooded', 'flooded', 'quiet']);
  await finish(10);
  expect(await Promise.all(asked)).toEqual([
    ...Array.from({ length: 2 + waitingPerLaneMax }, () => 'done'),
    ...Array.from({ length: 100 - 2 - waitingPerLaneMax }, () => 'unavailable'),
    'done',
  ]);
});

test('tenants with waiters take turns, however many each of them has', async () => {
  for (const tenant of ['a', 'a', 'a', 'a', 'a', 'b', 'b', 'c']) ask(tenant, `client-${asked.length}`);
  await finish(8);
  expect(started.join(' ')).toBe('a a a b c a b a');
});

test("a client that waits in many tenants' lanes holds nobody else up", async () => {
  for (let index = 0; index < 50; index += 1) ask(`tenant-${index}`, 'flooder');
  ask('quiet', 'owner');
  await finish(1);
  expect(started).toEqual(['tenant-0', 'tenant-1', 'quiet']);
  await finish(50);
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['done']));
});

test("one client cannot take all of a tenant's places, and strangers none of those of trusted askers", async () => {
  for (let index = 0; index < 2 + waitingPerLaneMax; index += 1) ask('tenant', 'flooder');
  for (let index = waitingPerClientMax; index < waitingPerLaneMax; index += 1) ask('tenant', `another-${index}`);
  ask('tenant', 'one too many');
  ask('tenant', 'flooder', { trusted: true });
  await finish(2);
  expect(started).toHaveLength(4);
  await finish(10);
  expect(await Promise.all(asked)).toEqual([
    'done',
    'done',
    'done',
    'done',
    'unavailable',
    'unavailable',
    'done',
    'done',
    'unavailable',
    'done',
  ]);
});

test('a pause takes a place and no turn, and places become free again', async () => {
  for (let index = 0; index <= waitingPerLaneMax; index += 1) ask('slowed', `client-${index}`, { pauseMs: 2_000 });
  ask('quiet', 'owner');
  await settle();
  expect(started).toEqual(['quiet']);
  expect(await asked.at(waitingPerLaneMax)).toBe('unavailable');
  expect(pauses.map(({ ms }) => ms)).toEqual(Array.from({ length: waitingPerLaneMax }, () => 2_000));
  for (const { end } of pauses) end();
  await finish(10);
  ask('slowed', 'client-9', { pauseMs: 2_000 });
  pauses.at(-1)?.end();
  await finish(1);
  expect(await asked.at(-1)).toBe('done');
});

test('work that fails gives its turn on', async () => {
  const failing = () => turns({ tenantId: 'a', client: 'x', trusted: false }, () => Promise.reject(new Error('wrong')));
  for (const answer of await Promise.allSettled([failing(), failing(), failing(), failing()]))
    expect(answer).toMatchObject({ reason: { message: 'wrong' } });
  ask('a', 'x');
  await finish(1);
  expect(await asked[0]).toBe('done');
});
