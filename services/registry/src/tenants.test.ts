import { type Tenant, TenantState } from '@burgage/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, type TestFolder, type TestRegistry, tenantRequest, testFolder } from './testing/registry.ts';

let folder: TestFolder;
let registry: TestRegistry;

beforeEach(async () => {
  folder = await testFolder();
  registry = await folder.start();
});
afterEach(() => folder.remove());

async function created(key: string, more: Parameters<typeof tenantRequest>[1] = {}): Promise<Tenant> {
  const { tenant } = await registry.client.createTenant(tenantRequest(key, more));
  if (!tenant) throw new Error('no tenant came');
  return tenant;
}

const refused = (code: string, ...fields: string[]) => ({ code, fields: fields.map((field) => expect.objectContaining({ field })) });

describe('CreateTenant', () => {
  it('makes a requested tenant with its slug, its plan and its trial', async () => {
    const answer = await registry.client.createTenant(tenantRequest('k', { company: ' Größe & Söhne GmbH ' }));
    expect(answer.created).toBe(true);
    expect(answer.tenant).toMatchObject({
      slug: 'grosse-sohne',
      company: 'Größe & Söhne GmbH',
      plan: 'trial',
      isolation: 'pool',
      state: TenantState.REQUESTED,
      holds: [],
      ownerEmail: 'owner@acme.test',
      version: 1n,
      catalog: 'test',
      hosts: ['grosse-sohne.localhost'],
      upstream: '',
      limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 1_048_576n },
      features: ['contacts'],
      formerSlug: '',
    });
    const { tenant } = answer;
    expect(tenant?.id).toMatch(/^ten_[0-9A-Z]{26}$/);
    expect(Number(tenant?.trialEndTime?.seconds) - Number(tenant?.createTime?.seconds)).toBe(15 * 24 * 60 * 60);
  });

  it('answers the same key and body with the same tenant', async () => {
    const first = await created('k');
    const again = await registry.client.createTenant(tenantRequest('k'));
    expect(again).toMatchObject({ created: false, tenant: { id: first.id, slug: first.slug, version: 1n } });
  });

  it.each([{ company: 'Other' }, { plan: 'free' }, { ownerEmail: 'other@acme.test' }, { slug: 'other' }, { plan: 'no plan at all' }])(
    'refuses the same key with %j',
    async (more) => {
      const first = await created('k');
      await expect(registry.client.createTenant(tenantRequest('k', more))).rejects.toMatchObject(
        refused('idempotency_key_reused', 'idempotency_key'),
      );
      expect(await registry.client.getTenant({ tenant: first.id })).toMatchObject({ tenant: { version: 1n, company: 'Acme' } });
    },
  );

  it('makes one tenant of a hundred identical calls at once, through two registries', async () => {
    const other = await folder.start();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => (index % 2 ? registry : other).client.createTenant(tenantRequest('k'))),
    );
    expect(new Set(answers.map(({ tenant }) => tenant?.id)).size).toBe(1);
    expect(answers.filter((answer) => answer.created)).toHaveLength(1);
    expect((await registry.client.listTenants({})).tenants).toHaveLength(1);
  });

  it('gives fifty companies of one name fifty slugs', async () => {
    const tenants = await Promise.all(Array.from({ length: 50 }, (_, index) => created(`k-${index}`)));
    const slugs = new Set(tenants.map(({ slug }) => slug));
    expect(slugs.size).toBe(50);
    expect(slugs).toContain('acme');
    for (const slug of slugs) expect(slug).toMatch(/^acme(-[a-z0-9]+)?$/);
  });

  it('refuses a slug that is taken without saying by whom', async () => {
    const first = await created('k', { slug: 'acme-1' });
    const call = registry.client.createTenant(tenantRequest('k-2', { slug: 'acme-1' }));
    await expect(call).rejects.toMatchObject(refused('slug_taken', 'slug'));
    await expect(call).rejects.not.toMatchObject({ message: expect.stringContaining(first.id) });
    const error: unknown = await call.catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error)).not.toContain(first.id);
  });

  it('reports every field of a request at once, and changes nothing', async () => {
    await expect(
      registry.client.createTenant({ idempotencyKey: '', company: '', plan: 'gold', ownerEmail: 'nobody', slug: 'www' }),
    ).rejects.toMatchObject(refused('invalid_argument', 'idempotency_key', 'company', 'plan', 'owner_email', 'slug'));
    await expect(registry.client.createTenant(tenantRequest('k', { plan: 'gold' }))).rejects.toMatchObject({
      ...refused('unknown_plan', 'plan'),
      metadata: { plans: 'trial,free,starter,professional' },
    });
    await expect(registry.client.createTenant(tenantRequest('k', { slug: 'Not A Slug' }))).rejects.toMatchObject(
      refused('slug_invalid', 'slug'),
    );
    await expect(registry.client.createTenant(tenantRequest('k', { slug: 'api' }))).rejects.toMatchObject(refused('slug_reserved', 'slug'));
    expect((await registry.client.listTenants({})).tenants).toEqual([]);
    // The key was not used up.
    expect((await registry.client.createTenant(tenantRequest('k'))).created).toBe(true);
  });

  it('tells the other services', async () => {
    const heard: string[] = [];
    const subscription = await registry.events.subscribe({
      consumer: 'test',
      subjects: ['burgage.registry.>'],
      handler: async (event) => void heard.push(`${event.subject} ${event.entity}`),
    });
    const tenant = await created('k');
    await eventually(() => heard.length === 1);
    expect(heard).toEqual([`burgage.registry.tenant.requested ${tenant.id}`]);
    await subscription.stop();
  });
});

describe('GetTenant', () => {
  it('finds a tenant by id and by slug', async () => {
    const { id } = await created('k');
    expect((await registry.client.getTenant({ tenant: id })).tenant?.slug).toBe('acme');
    expect((await registry.client.getTenant({ tenant: 'acme' })).tenant?.id).toBe(id);
  });

  it.each(['', 'nobody', 'ten_00000000000000000000000000', 'x'.repeat(5_000), '\u0000', "' OR 1=1 --"])(
    'says that there is no tenant %j',
    async (tenant) => {
      await created('k');
      await expect(registry.client.getTenant({ tenant })).rejects.toMatchObject({ code: 'tenant_not_found' });
    },
  );
});

describe('ListTenants', () => {
  it('pages through every tenant once, newest or oldest first, while others come', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 12; index++) ids.push((await created(`k-${index}`)).id);
    for (const oldestFirst of [true, false]) {
      const seen: string[] = [];
      let pageToken = '';
      do {
        const page = await registry.client.listTenants({ pageSize: 5, pageToken, oldestFirst });
        seen.push(...page.tenants.map(({ id }) => id));
        pageToken = page.nextPageToken;
        await created(`later-${oldestFirst}-${seen.length}`);
      } while (pageToken !== '');
      expect(seen.filter((id) => ids.includes(id)).toSorted()).toEqual(ids.toSorted());
      expect(new Set(seen).size).toBe(seen.length);
    }
    const times = (await registry.client.listTenants({ oldestFirst: true })).tenants.map(
      ({ createTime }) => Number(createTime?.seconds) * 1e9 + (createTime?.nanos ?? 0),
    );
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('filters by state and plan', async () => {
    const one = await created('k-1');
    const other = await created('k-2', { plan: 'free' });
    await registry.client.transitionTenant({
      tenantId: other.id,
      state: TenantState.PROVISIONING,
      fence: { operationId: 'op', token: 1n },
    });
    const ids = async (filter: object) => (await registry.client.listTenants(filter)).tenants.map(({ id }) => id);
    expect(await ids({ state: TenantState.REQUESTED })).toEqual([one.id]);
    expect(await ids({ state: TenantState.PROVISIONING })).toEqual([other.id]);
    expect(await ids({ plan: 'free' })).toEqual([other.id]);
    expect(await ids({ plan: 'trial', state: TenantState.PROVISIONING })).toEqual([]);
  });

  it('refuses a page that is too large, a token that is not its own and a state that is none', async () => {
    await expect(registry.client.listTenants({ pageSize: 501 })).rejects.toMatchObject(refused('invalid_argument', 'page_size'));
    await expect(registry.client.listTenants({ pageToken: 'nonsense' })).rejects.toMatchObject({ code: 'invalid_page_token' });
    await expect(registry.client.listTenants({ state: 77 as TenantState })).rejects.toMatchObject(refused('invalid_argument', 'state'));
    for (let index = 0; index < 3; index++) await created(`k-${index}`);
    const { nextPageToken } = await registry.client.listTenants({ pageSize: 1 });
    await expect(registry.client.listTenants({ pageSize: 1, pageToken: nextPageToken, plan: 'free' })).rejects.toMatchObject({
      code: 'invalid_page_token',
    });
  });
});

describe('TransitionTenant', () => {
  const fence = (token: number) => ({ operationId: 'op_1', token: BigInt(token) });

  it('moves a tenant through its life, and answers a repeat with the tenant as it is', async () => {
    const { id: tenantId } = await created('k');
    for (const state of [TenantState.PROVISIONING, TenantState.ACTIVE]) {
      const moved = await registry.client.transitionTenant({ tenantId, state, fence: fence(1) });
      expect(moved).toMatchObject({ tenant: { state, operationId: 'op_1' } });
      expect(moved.revision).toBeGreaterThan(0n);
      expect(await registry.client.transitionTenant({ tenantId, state, fence: fence(1) })).toEqual(moved);
    }
  });

  it('refuses a worker that lost the tenant, also one that repeats', async () => {
    const { id: tenantId } = await created('k');
    await registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fence(2) });
    for (const state of [TenantState.PROVISIONING, TenantState.ACTIVE, TenantState.FAILED]) {
      await expect(registry.client.transitionTenant({ tenantId, state, fence: fence(1) })).rejects.toMatchObject({ code: 'fenced' });
    }
    // A repeat by the next worker takes the tenant over without moving it.
    await registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fence(3) });
    await expect(registry.client.transitionTenant({ tenantId, state: TenantState.ACTIVE, fence: fence(2) })).rejects.toMatchObject({
      code: 'fenced',
    });
  });

  it('lets one of two workers win, and only the one with the higher token in the end', async () => {
    const { id: tenantId } = await created('k');
    await registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fence(1) });
    const outcomes = await Promise.allSettled([
      registry.client.transitionTenant({ tenantId, state: TenantState.FAILED, fence: fence(1) }),
      registry.client.transitionTenant({ tenantId, state: TenantState.ACTIVE, fence: fence(2) }),
    ]);
    const { tenant } = await registry.client.getTenant({ tenant: tenantId });
    const [failed, active] = outcomes.map(({ status }) => status);
    expect(tenant?.state).toBe(active === 'fulfilled' ? TenantState.ACTIVE : TenantState.FAILED);
    expect([failed, active].filter((status) => status === 'fulfilled')).toHaveLength(1);
  });

  it('refuses what the state does not allow, what is no state, and a fence that is none', async () => {
    const { id: tenantId } = await created('k');
    await expect(registry.client.transitionTenant({ tenantId, state: TenantState.ACTIVE, fence: fence(1) })).rejects.toMatchObject({
      code: 'transition_not_allowed',
    });
    await expect(registry.client.transitionTenant({ tenantId, fence: fence(1) })).rejects.toMatchObject(
      refused('invalid_argument', 'state'),
    );
    await expect(registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING })).rejects.toMatchObject(
      refused('invalid_argument', 'fence.operation_id', 'fence.token'),
    );
    await expect(
      registry.client.transitionTenant({ tenantId: 'ten_x', state: TenantState.PROVISIONING, fence: fence(1) }),
    ).rejects.toMatchObject({ code: 'tenant_not_found' });
    expect((await registry.client.getTenant({ tenant: tenantId })).tenant?.version).toBe(1n);
  });

  it('frees the slug of a tenant that failed at once, and keeps its name and the reason', async () => {
    const first = await created('k', { slug: 'acme-1' });
    await registry.client.transitionTenant({ tenantId: first.id, state: TenantState.PROVISIONING, fence: fence(1) });
    const { tenant } = await registry.client.transitionTenant({
      tenantId: first.id,
      state: TenantState.FAILED,
      fence: fence(1),
      reason: 'the disk is full',
    });
    expect(tenant).toMatchObject({ state: TenantState.FAILED, slug: '', formerSlug: 'acme-1', failure: 'the disk is full' });
    expect((await created('k-2', { slug: 'acme-1' })).slug).toBe('acme-1');
    // The key still stands for the one that failed.
    expect(await registry.client.createTenant(tenantRequest('k', { slug: 'acme-1' }))).toMatchObject({
      created: false,
      tenant: { id: first.id },
    });
  });

  it('tells the other services who moved it from where to where', async () => {
    const heard: string[] = [];
    const subscription = await registry.events.subscribe({
      consumer: 'test',
      subjects: ['burgage.registry.tenant.transitioned'],
      handler: async ({ entity }) => void heard.push(entity),
    });
    const { id: tenantId } = await created('k');
    await registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fence(1) });
    await registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fence(1) });
    await registry.client.transitionTenant({ tenantId, state: TenantState.ACTIVE, fence: fence(1) });
    await eventually(() => heard.length === 2);
    expect(heard).toEqual([tenantId, tenantId]);
    await subscription.stop();
  });
});
