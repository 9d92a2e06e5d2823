// Many at once: tenants, repetitions of one request, and operations on one tenant.
import type { Operation, OperationAnswer, SignUpAnswer } from '@burgage/api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Operator } from './operator.ts';
import { Platform } from './platform.ts';

let platform: Platform;
let operator: Operator;

beforeAll(async () => {
  platform = await Platform.start();
  operator = await Operator.of(platform);
}, 60_000);

afterAll(() => platform?.remove());

async function signUp(company: string, plan: string, key: string): Promise<SignUpAnswer> {
  const answer = await operator.post('/v1/tenants', { company, plan, owner: 'owner@many.test' }, key);
  expect(answer.status, answer.body).toBe(202);
  return answer.json<SignUpAnswer>();
}

async function operationsOf(tenantId: string): Promise<readonly Operation[]> {
  return (await operator.get(`/v1/operations?tenant=${tenantId}`)).json<{ items: readonly Operation[] }>().items;
}

test('fifty tenants of all isolations that sign up at once are all live in the end, each by one operation', {
  timeout: 300_000,
}, async () => {
  const plans = Array.from({ length: 50 }, (_, index) => (index % 10 === 0 ? 'professional' : index % 2 === 0 ? 'starter' : 'trial'));
  const signedUp = await Promise.all(plans.map((plan, index) => signUp(`Many ${index}`, plan, `many-${index}`)));
  const ended = await Promise.all(signedUp.map(({ operation }) => operator.ended(operation.id, 240_000)));
  expect(ended.filter(({ state }) => state !== 'succeeded')).toEqual([]);
  for (const { tenant } of signedUp) {
    const page = await platform.ask(tenant.slug ?? '', '/', { headers: { accept: 'text/html' } });
    expect([page.status, page.body.includes(tenant.company)], `${tenant.slug}: ${page.body}`).toEqual([200, true]);
    expect(await operationsOf(tenant.id)).toHaveLength(1);
  }
  // The machine is somebody else's too: no fifty processes stay.
  for (const { tenant } of signedUp.filter((_, index) => plans[index] === 'professional')) {
    const { id } = await operator.change(tenant.id, 'terminate', { now: true, confirm: tenant.slug });
    expect((await operator.ended(id)).state).toBe('succeeded');
  }
});

test('the same idempotency key a hundred times at once makes one tenant, and one operation', { timeout: 60_000 }, async () => {
  const tenants = await Promise.all(Array.from({ length: 100 }, () => signUp('Once GmbH', 'trial', 'once')));
  expect(new Set(tenants.map(({ tenant }) => tenant.id)).size).toBe(1);
  expect(new Set(tenants.map(({ operation }) => operation.id)).size).toBe(1);
  const [first] = tenants;
  const tenantId = first?.tenant.id ?? '';
  expect((await operator.ended(first?.operation.id ?? '')).state).toBe('succeeded');

  const suspend = () => operator.post(`/v1/tenants/${tenantId}/suspend`, { hold: 'unpaid' }, 'suspended-once');
  const answers = await Promise.all(Array.from({ length: 100 }, suspend));
  expect(answers.filter(({ status }) => status !== 202).map(({ body }) => body)).toEqual([]);
  expect(new Set(answers.map((answer) => answer.json<OperationAnswer>().operation.id)).size).toBe(1);
  await operator.ended(answers[0]?.json<OperationAnswer>().operation.id ?? '');
  expect((await operationsOf(tenantId)).map(({ kind, state }) => [kind, state])).toEqual([
    ['suspend', 'succeeded'],
    ['provision', 'succeeded'],
  ]);
  expect((await operator.get(`/v1/tenants/${tenantId}`)).json()).toMatchObject({ holds: ['unpaid'] });
});

test('operations asked for one tenant are carried out one after the other, in the order in which they were asked for', {
  timeout: 60_000,
}, async () => {
  const signedUp = await signUp('Queue AG', 'trial', 'queue');
  expect((await operator.ended(signedUp.operation.id)).state).toBe('succeeded');
  const tenantId = signedUp.tenant.id;
  const asked: Operation[] = [];
  for (const [verb, body] of [
    ['move', { isolation: 'bridge' }],
    ['plan', { plan: 'starter' }],
    ['suspend', { hold: 'unpaid' }],
    ['plan', { plan: 'enterprise' }],
    ['suspend', { hold: 'operator' }],
  ] as const)
    asked.push(await operator.change(tenantId, verb, body));
  // They were asked for faster than the first was done: otherwise nothing has queued.
  expect(asked.slice(1).some(({ state }) => state === 'queued')).toBe(true);
  const ended: Operation[] = [];
  for (const { id } of asked) ended.push(await operator.ended(id));
  expect(ended.map(({ state }) => state)).toEqual(asked.map(() => 'succeeded'));
  for (const [index, { startedAt }] of ended.entries()) {
    const before = ended[index - 1];
    if (before) expect(Date.parse(startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(before.endedAt ?? ''));
  }
  expect((await operator.get(`/v1/tenants/${tenantId}`)).json()).toMatchObject({
    isolation: 'bridge',
    plan: 'enterprise',
    holds: expect.arrayContaining(['operator', 'unpaid']),
  });
});
