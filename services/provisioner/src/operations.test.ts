// Operations as they are asked for: what is refused and how, what may be asked twice, and days on which something stays wrong.
import type { ErrorCode } from '@burgage/contracts';
import type { Isolation } from '@burgage/tenancy';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Operation } from './domain/operation.ts';
import { checkLeftovers, Simulation, tenantIdOf } from './testing/simulation/run.ts';

const rows = ['one', 'two', 'three'];
const asked = (tenant: string, key = 'key') => ({ tenant, key });

let simulation: Simulation;
const { pool, bridge, silo, requested } = Object.fromEntries(
  ['pool', 'bridge', 'silo', 'requested'].map((name) => [name, tenantIdOf(name)]),
) as Record<Isolation | 'requested', string>;

beforeEach(() => {
  simulation = new Simulation(1, () => undefined);
  simulation.world.active(pool, 'pool', rows);
  simulation.world.active(bridge, 'bridge', rows);
  simulation.world.active(silo, 'silo', rows);
  simulation.world.requested(requested, 'silo');
});

afterEach(() => simulation.stop());

const slugOf = (id: string): string => simulation.world.tenants.get(id)?.slug ?? '';

async function refusal(work: Promise<Operation>): Promise<{ code: string; message: string }> {
  const operation = await work.catch((error: unknown) => error);
  expect(operation).toBeInstanceOf(Error);
  return operation as Error & { code: string };
}

async function settled(operation: Operation): Promise<Operation> {
  const [ended] = await simulation.settle([operation.id]);
  if (!ended) throw new Error('it is gone');
  return ended;
}

/** Every tenant that was active is as it was; the requested one is what an operation made of it. */
async function expectAsBefore(operation: Operation): Promise<void> {
  const { world } = simulation;
  world.tenants.delete(requested);
  await checkLeftovers(simulation, [operation], new Map([pool, bridge, silo].map((id) => [id, rows])));
  expect([pool, bridge, silo].map((id) => world.tenants.get(id)?.isolation)).toEqual(['pool', 'bridge', 'silo']);
}

describe('what is asked for', () => {
  test.each<[string, () => Promise<Operation>, ErrorCode, RegExp]>([
    [
      'a move to where it is',
      () => simulation.operations.move(asked(silo), 'silo'),
      'transition_not_allowed',
      /lives in isolation silo already/,
    ],
    [
      'a move to nowhere',
      () => simulation.operations.move(asked(silo), 'cloud'),
      'invalid_argument',
      /isolation: got "cloud", expected pool, bridge, silo/,
    ],
    [
      'a move of who is not live yet',
      () => simulation.operations.move(asked(requested), 'pool'),
      'transition_not_allowed',
      /is requested; only an active one/,
    ],
    [
      'an unknown hold',
      () => simulation.operations.suspend(asked(pool), 'bored'),
      'invalid_argument',
      /hold: got "bored", expected operator/,
    ],
    [
      'a hold that is not there',
      () => simulation.operations.resume(asked(pool), 'unpaid'),
      'transition_not_allowed',
      /no hold unpaid: it has none/,
    ],
    [
      'the plan that it has',
      () => simulation.operations.changePlan(asked(pool), 'trial'),
      'transition_not_allowed',
      /on the plan trial already/,
    ],
    ['a plan of another catalog', () => simulation.operations.changePlan(asked(pool), 'gold'), 'unknown_plan', /./],
    [
      'an end without confirmation',
      () => simulation.operations.terminate(asked(pool), true, ''),
      'confirmation_missing',
      /confirm: is missing, expected the tenant's slug/,
    ],
    [
      'an end of somebody else',
      () => simulation.operations.terminate(asked(pool), true, slugOf(silo)),
      'confirmation_missing',
      /expected the tenant's slug/,
    ],
    ['a tenant that nobody knows', () => simulation.operations.move(asked('nobody'), 'silo'), 'tenant_not_found', /./],
    ['a key that is none', () => simulation.operations.move(asked(pool, ' '), 'silo'), 'invalid_argument', /idempotency_key/],
    ['an operation that nobody knows, to cancel', () => simulation.operations.cancel('op_x'), 'operation_not_found', /op_x/],
    ['an operation that nobody knows, to retry', () => simulation.operations.retry(''), 'operation_not_found', /./],
  ])('is refused where it is %s', async (_, work, code, message) => {
    const refused = await refusal(work());
    expect(refused.code).toBe(code);
    expect(refused.message).toMatch(message);
    expect((await simulation.repository.list({ pageSize: 10 })).operations).toEqual([]);
  });

  test('is one operation, however often it is asked under one key at once, and refused where the key asked for something else', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => simulation.operations.move(asked(pool), 'silo')));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect((await simulation.repository.list({ pageSize: 10 })).operations).toHaveLength(1);
    expect((await refusal(simulation.operations.move(asked(pool), 'bridge'))).code).toBe('idempotency_key_reused');
    await simulation.start('one');
    const [first] = all;
    if (first) expect((await settled(first)).state).toBe('succeeded');
    // Also when it has long ended, and would not be allowed any more.
    expect((await simulation.operations.move(asked(pool), 'silo')).id).toBe(first?.id);
  });

  test('is no move to anything of its own where dedicated instances are switched off; back into the pool it is', async () => {
    const off = new Simulation(1, () => undefined, { dedicated: false });
    off.world.active(pool, 'pool', rows);
    off.world.active(silo, 'silo', rows);
    for (const isolation of ['bridge', 'silo']) {
      expect(await refusal(off.operations.move(asked(pool), isolation))).toMatchObject({
        code: 'dedicated_off',
        message: expect.stringContaining(`isolation: got "${isolation}", expected pool`),
      });
    }
    await off.start('one');
    const [ended] = await off.settle([(await off.operations.move(asked(silo), 'pool')).id]);
    expect(ended?.state).toBe('succeeded');
    await off.stop();
  });

  test('waits in order behind what was asked before', async () => {
    const first = await simulation.operations.move(asked(pool, 'a'), 'silo');
    const second = await simulation.operations.suspend(asked(pool, 'b'), 'unpaid');
    const third = await simulation.operations.move(asked(pool, 'c'), 'bridge');
    await simulation.start('one');
    const ended = await simulation.settle([first.id, second.id, third.id]);
    expect(ended.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    // The third was asked for when the tenant was in the pool: it begins where the first has brought it.
    expect(ended.map(({ summary }) => summary)).toEqual(['pool → silo', 'hold unpaid', 'silo → bridge']);
    expect(simulation.world.tenants.get(pool)?.isolation).toBe('bridge');
    expect(ended.map(({ startedAt = '' }) => startedAt)).toEqual(ended.map(({ startedAt = '' }) => startedAt).toSorted());
  });

  test('a move to where an earlier one brings it is refused, unless that one is cancelled', async () => {
    const first = await simulation.operations.move(asked(pool, 'a'), 'silo');
    const again = await refusal(simulation.operations.move(asked(pool, 'b'), 'silo'));
    expect(again).toMatchObject({
      code: 'transition_not_allowed',
      message: `The tenant is on its way to isolation silo already, with operation ${first.id}.`,
    });
    const back = await simulation.operations.move(asked(pool, 'c'), 'pool');
    expect(back.summary).toBe('silo → pool');
    await simulation.operations.cancel(back.id);
    await simulation.operations.cancel(first.id);
    expect((await simulation.operations.move(asked(pool, 'd'), 'silo')).summary).toBe('pool → silo');
  });

  test('a move that begins where the tenant has not come to fails at once, and says where it is', async () => {
    const first = await simulation.operations.move(asked(pool, 'a'), 'silo');
    const second = await simulation.operations.move(asked(pool, 'b'), 'bridge');
    await simulation.operations.cancel(first.id);
    await simulation.start('one');
    const [ended] = await simulation.settle([second.id]);
    expect(ended).toMatchObject({ state: 'failed', error: { message: expect.stringContaining('lives in isolation pool, expected silo') } });
  });

  test('is not taken beyond twenty that wait', async () => {
    for (let count = 0; count < 20; count += 1)
      await simulation.operations.move(asked(pool, `key-${count}`), count % 2 === 0 ? 'silo' : 'pool');
    const refused = await refusal(simulation.operations.move(asked(pool, 'one-more'), 'silo'));
    expect(refused).toMatchObject({ code: 'transition_not_allowed', message: expect.stringContaining('20 operations waiting') });
  });
});

describe('an operation that somebody cancels', () => {
  test('while it waits ends at once, with nothing done', async () => {
    const operation = await simulation.operations.move(asked(pool), 'silo');
    expect((await simulation.operations.cancel(operation.id)).state).toBe('cancelled');
    await expectAsBefore((await simulation.repository.get(operation.id)) as Operation);
  });

  test('before its first tenant is made takes that back too: nobody waits for it for ever', async () => {
    const operation = await simulation.operations.provision(requested);
    await simulation.operations.cancel(operation.id);
    await simulation.start('one');
    const ended = await settled(operation);
    expect(ended.state).toBe('cancelled');
    expect(simulation.world.tenants.get(requested)).toMatchObject({ state: 'failed', slug: '' });
    await expectAsBefore(ended);
  });

  test('in the middle is undone; asked twice it is the same', async () => {
    simulation.world.refusals.set('app.archive', 'unavailable');
    const operation = await simulation.operations.move(asked(pool), 'silo');
    await simulation.start('one');
    await simulation.until(
      async () =>
        (await simulation.repository.get(operation.id))?.steps.some(({ name, state }) => name === 'copy' && state === 'retrying') === true,
    );
    await simulation.operations.cancel(operation.id);
    await simulation.operations.cancel(operation.id);
    const ended = await settled(operation);
    expect(ended).toMatchObject({ state: 'cancelled', error: { code: 'cancelled' } });
    await expectAsBefore(ended);
  });

  test('after the point of no return goes on, and says why', async () => {
    simulation.world.refusals.set('app.thaw', 'unavailable');
    const operation = await simulation.operations.move(asked(pool), 'silo');
    await simulation.start('one');
    await simulation.until(
      async () =>
        (await simulation.repository.get(operation.id))?.steps.some(({ name, state }) => name === 'open' && state === 'retrying') === true,
    );
    const refused = await refusal(simulation.operations.cancel(operation.id));
    expect(refused).toMatchObject({ code: 'cancel_too_late', message: expect.stringContaining('its step open has begun') });
    simulation.world.refusals.clear();
    await simulation.operations.retry(operation.id);
    expect((await settled(operation)).state).toBe('succeeded');
    expect((await refusal(simulation.operations.retry(operation.id))).code).toBe('retry_not_possible');
  });
});

test('an operation that has not come to its point of no return by its deadline goes back', async () => {
  const operation = await simulation.operations.move(asked(pool), 'silo');
  await simulation.clock.advance(25 * 60 * 60_000);
  await simulation.start('one');
  const ended = await settled(operation);
  expect(ended).toMatchObject({
    state: 'failed',
    error: { code: 'deadline_exceeded', message: expect.stringContaining(operation.deadlineAt ?? 'none') },
  });
  await expectAsBefore(ended);
});

describe('what stays wrong', () => {
  const cases: [string, ErrorCode, string, () => Promise<Operation>][] = [
    ['a disk that is full in the middle of a copy', 'disk_full', 'app.restore', () => simulation.operations.move(asked(pool), 'bridge')],
    ['an instance that never comes up', 'app_unhealthy', 'compute.ensure', () => simulation.operations.move(asked(pool), 'silo')],
    [
      'a disk that is full in the middle of a backup',
      'disk_full',
      'archives.write',
      () => simulation.operations.terminate(asked(silo), true, slugOf(silo)),
    ],
    ['an app that never becomes healthy', 'app_unhealthy', 'app.checkReady', () => simulation.operations.provision(requested)],
  ];

  test.each(cases)('%s: the operation is undone, and all is as before', async (_, code, question, ask) => {
    simulation.world.refusals.set(question, code);
    const operation = await ask();
    await simulation.start('one');
    const ended = await settled(operation);
    expect(ended).toMatchObject({ state: 'failed', error: { code } });
    await expectAsBefore(ended);
  });

  test('a backup that does not read back: the tenant stays', async () => {
    simulation.world.spoilsArchives = true;
    const operation = await simulation.operations.terminate(asked(bridge), true, slugOf(bridge));
    await simulation.start('one');
    const ended = await settled(operation);
    expect(ended).toMatchObject({ state: 'failed', failedStep: 'verify', error: { code: 'copy_differs' } });
    expect(simulation.world.archives.size).toBe(0);
    await expectAsBefore(ended);
  });

  test('damaged data: nothing is undone, a person is asked, and afterwards it goes on', async () => {
    simulation.world.refusals.set('app.digest', 'data_corrupt');
    const operation = await simulation.operations.move(asked(pool), 'bridge');
    await simulation.start('one');
    const now = async () => simulation.repository.get(operation.id);
    await simulation.until(async () => (await now())?.state === 'needs_attention');
    expect(await now()).toMatchObject({ attention: expect.stringContaining('Step compare'), failedStep: 'compare' });
    simulation.world.refusals.clear();
    await simulation.operations.retry(operation.id);
    expect((await settled(operation)).state).toBe('succeeded');
  });
});

test('the second of two terminations that were asked for ends in failure, as there is nothing left to end', async () => {
  const first = await simulation.operations.terminate(asked(pool, 'a'), true, slugOf(pool));
  const second = await simulation.operations.terminate(asked(pool, 'b'), true, slugOf(pool));
  await simulation.start('one');
  const ended = await simulation.settle([first.id, second.id]);
  expect(ended.map(({ state }) => state)).toEqual(['succeeded', 'failed']);
  expect(ended[1]?.error?.code).toBe('transition_not_allowed');
});

test('a termination waits for the end of the grace period, and can be taken back until then', async () => {
  const operation = await simulation.operations.terminate(asked(pool), false, slugOf(pool));
  await simulation.start('one');
  const now = async () => simulation.repository.get(operation.id);
  await simulation.until(async () => (await now())?.steps[1]?.state === 'waiting');
  expect(simulation.world.tenants.get(pool)?.state).toBe('terminating');
  expect((await now())?.dueAt).toBe(new Date(Date.parse(operation.createdAt) + 3 * 24 * 60 * 60_000).toISOString());
  await simulation.operations.cancel(operation.id);
  const ended = await settled(operation);
  expect(ended.state).toBe('cancelled');
  await expectAsBefore(ended);
});
