// Signing up, listing and reading tenants, through real HTTP and real gRPC.
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { PossessionSchema } from '@burgage/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Rig, startRig } from '../../test/rig.ts';
import { type SignUpAnswer, SignUpAnswerSchema, TenantPageSchema, TenantSchema } from '../schemas/tenants.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.stop());

const body = { company: 'Größe & Söhne GmbH', plan: 'trial', owner: 'owner@acme.test' };

function signUp(content: unknown = body, headers: Record<string, string> = {}): Promise<Response> {
  return rig.ask('/v1/tenants', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof content === 'string' ? content : JSON.stringify(content),
  });
}

test('signing up answers 202 with the tenant, the operation, the address and the estimate', async () => {
  const response = await signUp(body, { 'idempotency-key': 'order-1' });
  expect(response.status).toBe(202);
  const answer = SignUpAnswerSchema.strict().parse(await response.json());
  expect(answer).toMatchObject({
    url: 'http://grosse-sohne.localhost:8080',
    estimateMs: 1000,
    tenant: { slug: 'grosse-sohne', company: body.company, owner: body.owner, plan: 'trial' },
  });
  expect(answer.operation.id).toBe(answer.tenant.id.replace('ten_', 'op_provision_'));
  expect(response.headers.get('location')).toBe(`/v1/operations/${answer.operation.id}`);
  expect(response.headers.get('retry-after')).toBe('1');
  expect(response.headers.get('idempotency-key')).toBe('order-1');
});

test('the same key with the same body makes one tenant, with another body it is refused', async () => {
  const first = (await (await signUp(body, { 'idempotency-key': 'order-1' })).json()) as SignUpAnswer;
  const again = (await (await signUp(body, { 'idempotency-key': 'order-1' })).json()) as SignUpAnswer;
  expect(again.tenant.id).toBe(first.tenant.id);
  expect(rig.registry.tenants).toHaveLength(1);
  const other = await signUp({ ...body, company: 'Other' }, { 'idempotency-key': 'order-1' });
  expect(other.status).toBe(409);
  expect(await other.json()).toMatchObject({ code: 'idempotency_key_reused', fields: [{ field: 'Idempotency-Key' }] });
});

test('a key is made up and given back where the caller sends none', async () => {
  const [one, two] = await Promise.all([signUp({ ...body, company: 'One' }), signUp({ ...body, company: 'Two' })]);
  const keys = [one.headers.get('idempotency-key'), two.headers.get('idempotency-key')];
  expect(keys.every((key) => key && key.length >= 20)).toBe(true);
  expect(new Set(keys).size).toBe(2);
});

test('a provisioner that is down does not lose the tenant: the operation that its sweep will start is named', async () => {
  rig.provisioner.mode = 'down';
  const response = await signUp();
  expect(response.status).toBe(202);
  const { operation, tenant } = SignUpAnswerSchema.parse(await response.json());
  expect(operation).toMatchObject({ id: tenant.id.replace('ten_', 'op_provision_'), state: 'queued', steps: [] });
});

test('every field that is not valid is named at once, headers included, in the terms of the caller', async () => {
  const response = await signUp(
    { company: ' ', plan: 'gold', owner: 'nobody', slug: 'Bad_Slug', colour: 'red' },
    { 'idempotency-key': 'a b' },
  );
  expect(response.status).toBe(422);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as { code: string; fields: { field: string; description: string }[] };
  expect(problem.code).toBe('invalid_argument');
  expect(problem.fields.map(({ field }) => field).toSorted()).toEqual(['Idempotency-Key', 'colour', 'company', 'owner', 'plan', 'slug']);
  for (const { description } of problem.fields) expect(description).not.toMatch(/undefined|Invalid input|zod/i);
  expect(rig.registry.tenants).toHaveLength(0);
});

test.each([
  ['an unknown plan', { ...body, plan: 'gold' }, 422, 'unknown_plan', 'plan'],
  ['a plan named like a part of every object', { ...body, plan: 'constructor' }, 422, 'unknown_plan', 'plan'],
  ['a reserved slug', { ...body, slug: 'admin' }, 422, 'slug_reserved', 'slug'],
  ['a slug that is not valid', { ...body, slug: '-a' }, 422, 'slug_invalid', 'slug'],
  ['an address that is none', { ...body, owner: 'owner' }, 422, 'invalid_argument', 'owner'],
  ['a missing company', { plan: 'trial', owner: 'a@b.test' }, 422, 'invalid_argument', 'company'],
  ['a company that is no text', { ...body, company: 7 }, 422, 'invalid_argument', 'company'],
  ['a company on two lines', { ...body, company: 'a\nb' }, 422, 'invalid_argument', 'company'],
  ['a body that is no object', '[]', 422, 'invalid_argument', 'body'],
  ['what only the registry refuses', { ...body, owner: 'refused@acme.test' }, 422, 'invalid_argument', 'owner'],
])('%s is refused with its code and its field, and changes nothing', async (_name, content, status, code, field) => {
  const response = await signUp(content);
  expect(response.status).toBe(status);
  const problem = (await response.json()) as { fields: { field: string; description: string }[] };
  expect(problem).toMatchObject({ code, status, fields: [{ field }] });
  expect(problem.fields[0]?.description).not.toBe('');
  expect(rig.registry.tenants).toHaveLength(0);
});

test('a taken slug is refused', async () => {
  await signUp({ ...body, slug: 'acme' });
  const second = await signUp({ ...body, company: 'Acme Two', slug: 'acme' });
  expect(second.status).toBe(409);
  expect(await second.json()).toMatchObject({ code: 'slug_taken', fields: [{ field: 'slug' }] });
});

test('lists go page by page, say where the next is, and keep their filters', async () => {
  for (const name of ['One', 'Two', 'Three']) await signUp({ ...body, company: `Company ${name}` });
  const first = await rig.ask('/v1/tenants?pageSize=2&state=active&plan=trial');
  const page = TenantPageSchema.strict().parse(await first.json());
  expect(page.items.map(({ company }) => company)).toEqual(['Company Three', 'Company Two']);
  const link = /^<([^>]+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1];
  expect(link).toContain('state=active');
  const last = TenantPageSchema.parse(await (await rig.ask(link ?? '')).json());
  expect(last.items.map(({ company }) => company)).toEqual(['Company One']);
  expect(last.next).toBeUndefined();
  expect(TenantPageSchema.parse(await (await rig.ask('/v1/tenants?state=failed')).json()).items).toEqual([]);
});

test.each(['pageSize=0', 'pageSize=501', 'pageSize=x', 'pageSize=', 'state=asleep', 'color=red', 'plan=', 'pageToken='])(
  'the query %s is refused with its field',
  async (query) => {
    const response = await rig.ask(`/v1/tenants?${query}`);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 'invalid_argument', fields: [{ field: query.split('=')[0] }] });
  },
);

test('a plan that neither the catalog nor a tenant has is refused, one that has left the catalog is not', async () => {
  await signUp();
  const unknown = await rig.ask('/v1/tenants?plan=gold');
  expect(await unknown.json()).toMatchObject({
    status: 422,
    code: 'unknown_plan',
    fields: [{ field: 'plan', description: '"gold" is not in the catalog litedesk; expected one of trial, starter' }],
  });
  expect(TenantPageSchema.parse(await (await rig.ask('/v1/tenants?plan=starter')).json()).items).toEqual([]);
  for (const tenant of rig.registry.tenants) tenant.plan = 'classic';
  expect(TenantPageSchema.parse(await (await rig.ask('/v1/tenants?plan=classic')).json()).items).toHaveLength(1);
});

test('a page token of another list is refused', async () => {
  const response = await rig.ask('/v1/tenants?pageToken=nonsense');
  expect(await response.json()).toMatchObject({
    status: 422,
    code: 'invalid_page_token',
    fields: [
      { field: 'pageToken', description: 'is not one that this list gave; expected `next` of the page before, with the same filters' },
    ],
  });
});

test('a tenant is read by id and by slug; its ETag answers 304 while it does not change', async () => {
  const { tenant } = (await (await signUp()).json()) as SignUpAnswer;
  const byId = await rig.ask(`/v1/tenants/${tenant.id}`);
  const read = TenantSchema.strict().parse(await byId.json());
  expect(read).toMatchObject({
    id: tenant.id,
    state: 'active',
    isolation: 'pool',
    hosts: ['grosse-sohne.localhost'],
    url: 'http://grosse-sohne.localhost:8080',
  });
  const etag = byId.headers.get('etag') ?? '';
  expect(etag).toBe(`"${read.version}"`);
  const unchanged = await rig.ask('/v1/tenants/grosse-sohne', { headers: { 'if-none-match': `"x", W/${etag}` } });
  expect(unchanged.status).toBe(304);
  expect(await unchanged.text()).toBe('');
  expect((await rig.ask('/v1/tenants/grosse-sohne', { headers: { 'if-none-match': '"1"' } })).status).toBe(200);
});

test('a tenant says where its plan would have it, why it is not there, and how long its slug is kept', async () => {
  const { tenant } = (await (await signUp()).json()) as SignUpAnswer;
  const found = rig.registry.find(tenant.id);
  found.moving = true;
  found.pendingIsolation = 'silo';
  found.isolationNote = 'Dedicated instances are switched off here.';
  found.slugQuarantineEndTime = timestampFromDate(new Date('2026-06-01T00:00:00Z'));
  expect(TenantSchema.strict().parse(await (await rig.ask(`/v1/tenants/${tenant.id}`)).json())).toMatchObject({
    isolation: 'pool',
    moving: true,
    pendingIsolation: 'silo',
    isolationNote: 'Dedicated instances are switched off here.',
    slugQuarantineEndsAt: '2026-06-01T00:00:00.000Z',
  });
});

describe('a tenant with a process of its own', () => {
  let id: string;
  beforeEach(async () => {
    id = ((await (await signUp()).json()) as SignUpAnswer).tenant.id;
    rig.registry.find(id).isolation = 'silo';
    rig.provisioner.addPossession({ id: `database/own/${id}`, kind: 'database', tenantId: id });
    rig.provisioner.addPossession({ id: 'instance/ten_other', kind: 'instance', tenantId: 'ten_other', state: 'running' });
  });
  const read = async () => TenantSchema.strict().parse(await (await rig.ask(`/v1/tenants/${id}`)).json());

  test('is shown with it, alone and in a list', async () => {
    expect(await read()).not.toHaveProperty('instance');
    rig.provisioner.addPossession({
      id: `instance/${id}`,
      kind: 'instance',
      tenantId: id,
      state: 'backing_off',
      restarts: 7,
      lastExit: 'exit code 1',
    });
    const instance = { state: 'backing_off', restarts: 7, lastExit: 'exit code 1' };
    expect((await read()).instance).toEqual(instance);
    expect(TenantPageSchema.strict().parse(await (await rig.ask('/v1/tenants')).json()).items).toMatchObject([{ instance }]);
  });

  test('is shown with its own among several', async () => {
    const { tenant: other } = (await (await signUp({ ...body, company: 'Other' })).json()) as SignUpAnswer;
    rig.registry.find(other.id).isolation = 'silo';
    for (const [tenantId, state] of [
      [id, 'running'],
      [other.id, 'stopped'],
    ] as const)
      rig.provisioner.addPossession({ id: `instance/${tenantId}`, kind: 'instance', tenantId, state });
    const { items } = TenantPageSchema.parse(await (await rig.ask('/v1/tenants')).json());
    expect(items.map((tenant) => [tenant.id, tenant.instance?.state])).toEqual([
      [other.id, 'stopped'],
      [id, 'running'],
    ]);
  });

  test('is another one for its readers once the process does something else', async () => {
    const instance = create(PossessionSchema, { id: `instance/${id}`, kind: 'instance', tenantId: id, state: 'running' });
    rig.provisioner.possessions.push(instance);
    const etag = (await rig.ask(`/v1/tenants/${id}`)).headers.get('etag') ?? '';
    const again = () => rig.ask(`/v1/tenants/${id}`, { headers: { 'if-none-match': etag } });
    expect((await again()).status).toBe(304);
    instance.state = 'backing_off';
    expect((await again()).status).toBe(200);
  });

  test('is read without it while the provisioner does not answer', async () => {
    rig.provisioner.mode = 'down';
    const tenant = await read();
    expect(tenant).toMatchObject({ id, isolation: 'silo' });
    expect(tenant).not.toHaveProperty('instance');
    expect((await rig.ask('/v1/tenants')).status).toBe(200);
  });
});

test('an unknown tenant is a 404 that names it', async () => {
  const response = await rig.ask('/v1/tenants/nobody');
  expect(await response.json()).toMatchObject({ status: 404, code: 'tenant_not_found', detail: 'There is no tenant "nobody".' });
});

test('a tenant that failed has no slug and no address, and says why', async () => {
  rig.provisioner.failingStep = 'health';
  const { tenant } = (await (await signUp()).json()) as SignUpAnswer;
  const read = TenantSchema.parse(await (await rig.ask(`/v1/tenants/${tenant.id}`)).json());
  expect(read).toMatchObject({
    state: 'failed',
    formerSlug: 'grosse-sohne',
    failure: 'The application did not become healthy for this tenant.',
  });
  expect(read).not.toHaveProperty('slug');
  expect(read).not.toHaveProperty('url');
});

test('plans are those of the catalog', async () => {
  expect(await (await rig.ask('/v1/plans')).json()).toMatchObject({
    catalog: 'litedesk',
    currency: 'USD',
    items: [
      { name: 'trial', isolation: 'pool', trialDays: 15 },
      { name: 'starter', isolation: 'bridge', priceMinor: 9900 },
    ],
  });
});
