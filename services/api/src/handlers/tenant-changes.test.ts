// Suspending, resuming, moving and ending tenants, through real HTTP and real gRPC.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Rig, startRig } from '../../test/rig.ts';
import { AuditPageSchema } from '../schemas/audit.ts';
import { OperationAnswerSchema } from '../schemas/tenant-changes.ts';
import type { SignUpAnswer, Tenant } from '../schemas/tenants.ts';

let rig: Rig;
let tenantId: string;
beforeEach(async () => {
  rig = await startRig();
  const response = await rig.ask('/v1/tenants', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ company: 'Acme', plan: 'trial', owner: 'owner@acme.test' }),
  });
  tenantId = ((await response.json()) as SignUpAnswer).tenant.id;
});
afterEach(() => rig.stop());

const post = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
  rig.ask(
    path,
    body === undefined
      ? { method: 'POST', headers }
      : { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) },
  );
const tenant = async () => (await (await rig.ask(`/v1/tenants/${tenantId}`)).json()) as Tenant;
const audit = async () => AuditPageSchema.strict().parse(await (await rig.ask('/v1/audit')).json()).items;
const changes = () => rig.provisioner.operations.filter(({ operation }) => operation.kind !== 'provision');

const verbs: [string, object, string, string, string, object][] = [
  ['suspend', { hold: 'unpaid' }, 'suspend', 'tenant.suspend', 'hold unpaid', { holds: ['unpaid'] }],
  ['resume', { hold: 'unpaid' }, 'resume', 'tenant.resume', 'hold unpaid', { holds: [] }],
  ['plan', { plan: 'starter' }, 'change_plan', 'tenant.change_plan', 'to starter', { plan: 'starter', pendingIsolation: 'bridge' }],
  ['move', { isolation: 'silo' }, 'move', 'tenant.move', 'to silo', { isolation: 'silo' }],
  ['terminate', { confirm: 'acme', now: true }, 'terminate', 'tenant.terminate', 'at once', { state: 'terminated', formerSlug: 'acme' }],
];

describe.each(verbs)('%s', (verb, body, kind, action, detail, after) => {
  test.each(['acme', 'its id'])('of %s answers 202 with the operation, its place and the key, and is in the audit', async (name) => {
    const response = await post(`/v1/tenants/${name === 'acme' ? name : tenantId}/${verb}`, body, { 'idempotency-key': 'k-1' });
    expect(response.status).toBe(202);
    const { operation } = OperationAnswerSchema.strict().parse(await response.json());
    expect(operation).toMatchObject({ kind, state: 'succeeded', tenant: { id: tenantId, slug: 'acme' }, pastReturn: true });
    expect(operation.pointOfNoReturn).toBeDefined();
    expect(response.headers.get('location')).toBe(`/v1/operations/${operation.id}`);
    expect(response.headers.get('idempotency-key')).toBe('k-1');
    expect(await tenant()).toMatchObject(after);
    expect((await audit())[0]).toMatchObject({
      actor: 'admin',
      action,
      target: tenantId,
      targetName: 'acme',
      detail,
      outcome: 'succeeded',
      idempotencyKeyHash: expect.any(String),
    });
  });

  test('under one key makes one operation, without a key one each', async () => {
    rig.provisioner.mode = 'by_hand';
    const ids = [];
    for (const headers of [{ 'idempotency-key': 'k-1' }, { 'idempotency-key': 'k-1' }, {}]) {
      const response = await post(`/v1/tenants/acme/${verb}`, body, headers as Record<string, string>);
      expect(response.headers.get('idempotency-key')).toMatch(/^(k-1|[0-9A-Z]{26})$/);
      ids.push(OperationAnswerSchema.parse(await response.json()).operation.id);
    }
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(changes()).toHaveLength(2);
  });

  test('of nobody is a 404 that is in the audit, with what was asked', async () => {
    expect(await (await post(`/v1/tenants/nobody/${verb}`, body)).json()).toMatchObject({ status: 404, code: 'tenant_not_found' });
    expect((await audit())[0]).toMatchObject({ action, detail, outcome: 'failed', code: 'tenant_not_found' });
  });

  test('that the state does not allow is refused with the words of the provisioner', async () => {
    await post('/v1/tenants/acme/terminate', { confirm: 'acme', now: true });
    const response = await post(`/v1/tenants/${tenantId}/${verb}`, body);
    expect(await response.json()).toMatchObject({
      status: 409,
      code: 'transition_not_allowed',
      detail: `The tenant is terminated and allows no ${kind}.`,
    });
    expect((await audit())[0]).toMatchObject({ target: tenantId, targetName: 'acme', code: 'transition_not_allowed' });
  });

  test('while the provisioner is away is a 503 that leaves nothing behind', async () => {
    rig.provisioner.mode = 'down';
    expect((await post(`/v1/tenants/acme/${verb}`, body)).status).toBe(503);
    expect(changes()).toEqual([]);
  });
});

test.each(['suspend', 'resume'])('%s without a body, or with an empty object, means the hold of an operator', async (verb) => {
  for (const body of [undefined, {}]) {
    const { operation } = OperationAnswerSchema.parse(await (await post(`/v1/tenants/acme/${verb}`, body)).json());
    expect(operation.summary).toBe('hold operator');
  }
});

test.each([
  [
    'an unknown hold',
    'suspend',
    { hold: 'bored' },
    422,
    'invalid_argument',
    'hold',
    'is "bored"; expected one of operator, unpaid, trial_ended',
  ],
  [
    'an unknown hold to lift',
    'resume',
    { hold: 7 },
    422,
    'invalid_argument',
    'hold',
    'is 7; expected one of operator, unpaid, trial_ended',
  ],
  ['a field that is none', 'suspend', { holds: [] }, 422, 'invalid_argument', 'holds', 'is not a field of this request'],
  ['a list', 'suspend', [], 422, 'invalid_argument', 'body', 'is []; expected an object with hold, or nothing'],
  [
    'an unknown plan',
    'plan',
    { plan: 'gold' },
    422,
    'unknown_plan',
    'plan',
    '"gold" is not in the catalog litedesk; expected one of trial, starter',
  ],
  ['no plan', 'plan', {}, 422, 'invalid_argument', 'plan', 'is missing; expected one of trial, starter'],
  [
    'an unknown isolation',
    'move',
    { isolation: 'gold' },
    422,
    'invalid_argument',
    'isolation',
    'is "gold"; expected one of pool, bridge, silo',
  ],
  ['no isolation', 'move', {}, 422, 'invalid_argument', 'isolation', 'is missing; expected one of pool, bridge, silo'],
  [
    'the isolation that it has',
    'move',
    { isolation: 'pool' },
    409,
    'transition_not_allowed',
    'isolation',
    'got "pool", where the tenant lives already, expected another one',
  ],
  [
    'no confirmation',
    'terminate',
    { now: true },
    422,
    'confirmation_missing',
    'confirm',
    'is missing; expected "acme", the slug of the tenant that is to end',
  ],
  [
    'the confirmation of another',
    'terminate',
    { confirm: 'acme2' },
    422,
    'confirmation_missing',
    'confirm',
    'is "acme2"; expected "acme", the slug of the tenant that is to end',
  ],
  [
    'a confirmation that is no text',
    'terminate',
    { confirm: true },
    422,
    'invalid_argument',
    'confirm',
    'is true; expected the slug of the tenant',
  ],
  [
    'a now that is no choice',
    'terminate',
    { confirm: 'acme', now: 'yes' },
    422,
    'invalid_argument',
    'now',
    'is "yes"; expected true or false',
  ],
])('%s is refused with its code and its field, and changes nothing', async (_name, verb, body, status, code, field, description) => {
  const response = await post(`/v1/tenants/acme/${verb}`, body);
  expect(await response.json()).toMatchObject({ status, code, fields: [{ field, description }] });
  expect(changes()).toEqual([]);
  expect((await audit())[0]).toMatchObject({ outcome: 'failed', code });
});

test('a key and a body that are not valid are refused at once', async () => {
  const problem = (await (await post('/v1/tenants/acme/move', { isolation: 'x' }, { 'idempotency-key': 'a b' })).json()) as {
    fields: { field: string }[];
  };
  expect(problem.fields.map(({ field }) => field).toSorted()).toEqual(['Idempotency-Key', 'isolation']);
});

test('a key that was used for another change is refused in the terms of the caller', async () => {
  await post('/v1/tenants/acme/suspend', {}, { 'idempotency-key': 'k-1' });
  expect(await (await post('/v1/tenants/acme/suspend', { hold: 'unpaid' }, { 'idempotency-key': 'k-1' })).json()).toMatchObject({
    status: 409,
    code: 'idempotency_key_reused',
    fields: [{ field: 'Idempotency-Key' }],
  });
});

test.each([
  ['suspend', 'text/plain', '{"hold":"unpaid"}', 415, 'unsupported_media_type'],
  ['suspend', 'application/json', '', 400, 'malformed_body'],
  ['suspend', 'application/json', '{', 400, 'malformed_body'],
  ['terminate', 'application/json', '', 400, 'malformed_body'],
])('%s with a body that is %s %j is refused, never taken for none', async (verb, type, body, status, code) => {
  const response = await rig.ask(`/v1/tenants/acme/${verb}`, { method: 'POST', headers: { 'content-type': type }, body });
  expect(await response.json()).toMatchObject({ status, code });
  expect(changes()).toEqual([]);
});

test('a tenant that ended is named by its id and its former slug when the same request comes again', async () => {
  const ended = { confirm: 'acme', now: true };
  const first = OperationAnswerSchema.parse(await (await post('/v1/tenants/acme/terminate', ended, { 'idempotency-key': 'k-1' })).json());
  const again = await post(`/v1/tenants/${tenantId}/terminate`, ended, { 'idempotency-key': 'k-1' });
  expect(OperationAnswerSchema.parse(await again.json()).operation.id).toBe(first.operation.id);
});
