// The audit trail: an entry for each change that was asked for, durable before the answer.
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Rig, startRig } from '../../test/rig.ts';
import { type AuditEntry, AuditPageSchema } from '../schemas/audit.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.stop());

const create = (body: unknown, headers: Record<string, string> = {}) =>
  rig.ask('/v1/tenants', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
const acme = { company: 'Acme', plan: 'trial', owner: 'owner@acme.test' };
const entries = async (query = ''): Promise<AuditEntry[]> => AuditPageSchema.parse(await (await rig.ask(`/v1/audit${query}`)).json()).items;

test('a change is written with who, what, target, key, outcome, request and time', async () => {
  const response = await create(acme, { 'idempotency-key': 'order-1', 'x-request-id': 'req-1' });
  const { tenant } = (await response.json()) as { tenant: { id: string } };
  const [entry] = AuditPageSchema.strict().parse(await (await rig.ask('/v1/audit')).json()).items;
  expect(entry).toEqual({
    revision: 1,
    time: expect.any(String),
    actor: 'admin',
    action: 'tenant.create',
    target: tenant.id,
    targetName: 'acme',
    idempotencyKeyHash: createHash('sha256').update('order-1').digest('hex'),
    outcome: 'succeeded',
    requestId: 'req-1',
  });
});

test('changes that were refused are written with their code, whatever refused them', async () => {
  await create({ ...acme, plan: 'gold' });
  await create({ ...acme, slug: 'acme' });
  await create({ ...acme, company: 'Two', slug: 'acme' });
  await rig.ask('/v1/tenants', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' });
  await rig.ask('/v1/tenants', { method: 'POST', headers: { 'content-type': 'application/json' }, body: 'x'.repeat(70_000) });
  await rig.ask('/v1/gateways/gw-9/accept-snapshot', { method: 'POST' });
  expect((await entries()).map(({ action, outcome, code }) => [action, outcome, code])).toEqual([
    ['gateway.accept_snapshot', 'failed', 'gateway_not_found'],
    ['tenant.create', 'failed', 'body_too_large'],
    ['tenant.create', 'failed', 'unsupported_media_type'],
    ['tenant.create', 'failed', 'slug_taken'],
    ['tenant.create', 'succeeded', undefined],
    ['tenant.create', 'failed', 'unknown_plan'],
  ]);
});

test('a request that is repeated under its key is written as one that changed nothing', async () => {
  for (let i = 0; i < 2; i++) expect((await create(acme, { 'idempotency-key': 'order-1' })).status).toBe(202);
  await create({ ...acme, company: 'Other' }, { 'idempotency-key': 'order-1' });
  const written = await entries();
  expect(written.map(({ outcome, code }) => code ?? outcome)).toEqual(['idempotency_key_reused', 'repeated', 'succeeded']);
  expect(written[1]?.target).toBe(written[2]?.target);
});

test('reads, and requests without a token, are not written', async () => {
  await rig.ask('/v1/tenants');
  await fetch(`${rig.url}/v1/tenants`, { method: 'POST', body: '{}' });
  expect(await entries()).toEqual([]);
});

test('where the entry cannot be written the caller is told, and repeating the request makes nothing twice', async () => {
  const journal = rig.store.journal('audit');
  await journal.head();
  await rig.store.close();
  const refused = await create(acme, { 'idempotency-key': 'order-1' });
  expect(refused.status).toBeGreaterThanOrEqual(500);
  expect(refused.headers.get('content-type')).toBe('application/problem+json');
  expect(refused.headers.get('idempotency-key')).toBe('order-1');
  await create(acme, { 'idempotency-key': 'order-1' });
  expect(rig.registry.tenants).toHaveLength(1);
});

test('pages go back in time without gap or repetition, while more is written', async () => {
  for (let i = 0; i < 5; i++) await create({ ...acme, company: `Company ${i}` });
  const first = AuditPageSchema.parse(await (await rig.ask('/v1/audit?pageSize=2')).json());
  await create({ ...acme, company: 'Meanwhile' });
  const second = AuditPageSchema.parse(await (await rig.ask(`/v1/audit?pageSize=2&pageToken=${first.next}`)).json());
  const third = AuditPageSchema.parse(await (await rig.ask(`/v1/audit?pageSize=2&pageToken=${second.next}`)).json());
  expect([first, second, third].map(({ items }) => items.map(({ revision }) => revision))).toEqual([[5, 4], [3, 2], [1]]);
  expect(third.next).toBeUndefined();
});

test.each(['x', 'MQ', Buffer.from('other-epoch 1').toString('base64url')])('the page token %s is refused', async (token) => {
  await create(acme);
  expect(await (await rig.ask(`/v1/audit?pageToken=${token}`)).json()).toMatchObject({
    status: 422,
    code: 'invalid_page_token',
    fields: [{ field: 'pageToken' }],
  });
});
