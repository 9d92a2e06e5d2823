// What operations change about a tenant that is there: holds, plan, move, and its end.
import { type Tenant, TenantState } from '@burgage/contracts';
import { systemClock } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestFolder, type TestRegistry, tenantRequest, testFolder } from './testing/registry.ts';
import { documented, journalled } from './testing/shown.ts';

let folder: TestFolder;
let registry: TestRegistry;
let aheadMs: number;

const clock = { ...systemClock, now: () => new Date(systemClock.now().getTime() + aheadMs) };
const dayMs = 24 * 60 * 60 * 1000;
const fence = (token = 1) => ({ operationId: 'op_1', token: BigInt(token) });

beforeEach(async () => {
  aheadMs = 0;
  folder = await testFolder();
  registry = await folder.start({ clock });
  await registry.client.putUpstream({ name: 'desk-shared', endpoints: [{ address: '127.0.0.1:9100' }] });
});
afterEach(() => folder.remove());

async function move(tenantId: string, ...states: TenantState[]): Promise<{ tenant: Tenant; revision: bigint }> {
  let last: { tenant: Tenant; revision: bigint } | undefined;
  for (const state of states) {
    const { tenant, revision } = await registry.client.transitionTenant({ tenantId, state, fence: fence() });
    if (tenant) last = { tenant, revision };
  }
  if (!last) throw new Error('no tenant came');
  return last;
}

async function active(key: string, more: Parameters<typeof tenantRequest>[1] = {}): Promise<Tenant> {
  const { tenant } = await registry.client.createTenant(tenantRequest(key, { slug: key, ...more }));
  const id = tenant?.id ?? '';
  await move(id, TenantState.PROVISIONING);
  await registry.client.putTenantRoute({ tenantId: id, upstream: 'desk-shared', isolation: tenant?.isolation ?? '', fence: fence() });
  return (await move(id, TenantState.ACTIVE)).tenant;
}

type Call = (tenantId: string, token?: number) => Promise<{ readonly tenant?: Tenant | undefined; readonly revision: bigint }>;
const calls: Readonly<Record<string, { call: Call; shown: object; stored: object }>> = {
  AddTenantHold: {
    call: (tenantId, token) => registry.client.addTenantHold({ tenantId, hold: 'unpaid', fence: fence(token) }),
    shown: { holds: ['unpaid'], entitlementVersion: 2 },
    stored: { holds: ['unpaid'] },
  },
  SetTenantPlan: {
    call: (tenantId, token) => registry.client.setTenantPlan({ tenantId, plan: 'starter', fence: fence(token) }),
    shown: { plan: 'starter', isolation: 'pool', entitlementVersion: 2 },
    stored: { plan: 'starter', isolation: 'pool', pendingIsolation: 'bridge', isolationNote: '' },
  },
  SetTenantMoving: {
    call: (tenantId, token) => registry.client.setTenantMoving({ tenantId, moving: true, fence: fence(token) }),
    shown: { moving: true, entitlementVersion: 1 },
    stored: { moving: true },
  },
};

describe.each(Object.entries(calls))('%s', (_, { call, shown, stored }) => {
  it('is shown by the revision that it answers with, and changes nothing when it is repeated', async () => {
    const { id } = await active('acme');
    const first = await call(id);
    expect(first.tenant).toMatchObject(stored);
    expect((await journalled(registry, Number(first.revision))).get(`tenant ${id}`)).toMatchObject(shown);
    const again = await Promise.all(Array.from({ length: 20 }, () => call(id)));
    for (const answer of again) expect(answer).toEqual(first);
    expect(await journalled(registry)).toEqual(await documented(registry));
  });

  it('is refused to a worker that lost the tenant, and where there is no such tenant', async () => {
    const { id } = await active('acme');
    await registry.client.transitionTenant({ tenantId: id, state: TenantState.ACTIVE, fence: fence(5) });
    const before = (await registry.client.getTenant({ tenant: id })).tenant;
    await expect(call(id, 4)).rejects.toMatchObject({ code: 'fenced', metadata: { seen: '5' } });
    await expect(call('ten_x', 5)).rejects.toMatchObject({ code: 'tenant_not_found' });
    await expect(call(id, 0)).rejects.toMatchObject({ code: 'invalid_argument', fields: [{ field: 'fence.token' }] });
    expect((await registry.client.getTenant({ tenant: id })).tenant).toEqual(before);
  });

  it('is refused in a state that does not allow it', async () => {
    const { tenant } = await registry.client.createTenant(tenantRequest('k', { slug: 'other' }));
    await expect(call(tenant?.id ?? '')).rejects.toMatchObject({
      code: 'transition_not_allowed',
      metadata: { state: 'requested', allowed: expect.stringContaining('active') },
    });
    const { id } = await active('acme');
    await move(id, TenantState.TERMINATING);
    await expect(call(id)).rejects.toMatchObject({ code: 'transition_not_allowed', metadata: { state: 'terminating' } });
  });
});

describe('changes of one tenant at once', () => {
  it('are all made, through two registries, and each counts once', async () => {
    const other = await folder.start({ clock });
    const { id: tenantId } = await active('acme');
    const client = (index: number) => (index % 2 ? registry : other).client;
    await Promise.all([
      ...['operator', 'unpaid', 'trial_ended'].flatMap((hold) =>
        [0, 1, 2].map((index) => client(index).addTenantHold({ tenantId, hold, fence: fence() })),
      ),
      ...[0, 1].map((index) => client(index).setTenantPlan({ tenantId, plan: 'free', fence: fence() })),
      ...[0, 1].map((index) => client(index).setTenantMoving({ tenantId, moving: true, fence: fence() })),
    ]);
    const lifted = await Promise.all([0, 1, 2].map((index) => client(index).liftTenantHold({ tenantId, hold: 'unpaid', fence: fence() })));
    expect(lifted[0]?.tenant).toMatchObject({ holds: ['operator', 'trial_ended'], plan: 'free', moving: true });
    const shown = (await journalled(registry, Number(lifted[0]?.revision))).get(`tenant ${tenantId}`);
    // Three holds, a plan, a hold lifted.
    expect(shown).toMatchObject({ holds: ['operator', 'trial_ended'], plan: 'free', moving: true, entitlementVersion: 6 });
    expect(await journalled(registry)).toEqual(await documented(registry));
  });
});

describe('LiftTenantHold', () => {
  it('lifts one hold and is no error where there is none', async () => {
    const { id: tenantId } = await active('acme');
    for (const hold of ['operator', 'unpaid']) await registry.client.addTenantHold({ tenantId, hold, fence: fence() });
    const first = await registry.client.liftTenantHold({ tenantId, hold: 'operator', fence: fence() });
    expect(first.tenant).toMatchObject({ holds: ['unpaid'] });
    expect((await journalled(registry, Number(first.revision))).get(`tenant ${tenantId}`)).toMatchObject({
      holds: ['unpaid'],
      entitlementVersion: 4,
    });
    expect(await registry.client.liftTenantHold({ tenantId, hold: 'operator', fence: fence() })).toEqual(first);
  });

  it.each(['', 'late', 'Unpaid'])('refuses %j, which is no hold, as adding it does', async (hold) => {
    const { id: tenantId } = await active('acme');
    for (const call of ['addTenantHold', 'liftTenantHold'] as const)
      await expect(registry.client[call]({ tenantId, hold, fence: fence() })).rejects.toMatchObject({
        code: 'invalid_argument',
        fields: [{ field: 'hold' }],
      });
  });
});

describe('the plan of a tenant', () => {
  it('gives a new tenant its isolation', async () => {
    expect(await active('in-pool', { plan: 'trial' })).toMatchObject({ isolation: 'pool', pendingIsolation: '' });
    expect(await active('in-bridge', { plan: 'starter' })).toMatchObject({ isolation: 'bridge', pendingIsolation: '' });
    expect(await active('in-silo', { plan: 'professional' })).toMatchObject({ isolation: 'silo', pendingIsolation: '' });
  });

  it('can be changed only to one that there is', async () => {
    const { id: tenantId } = await active('acme');
    await expect(registry.client.setTenantPlan({ tenantId, plan: 'gold', fence: fence() })).rejects.toMatchObject({
      code: 'unknown_plan',
      fields: [{ field: 'plan' }],
      metadata: { plans: 'trial,free,starter,professional' },
    });
  });

  it('can be asked for without changing anything, and without a fence', async () => {
    const tenant = await active('acme');
    const ask = (plan: string, tenantId = tenant.id) => registry.client.setTenantPlan({ tenantId, plan, validateOnly: true });
    expect(await ask('starter')).toMatchObject({ tenant, revision: 0n });
    await expect(ask('gold')).rejects.toMatchObject({ code: 'unknown_plan' });
    await expect(ask('starter', 'ten_x')).rejects.toMatchObject({ code: 'tenant_not_found' });
    await move(tenant.id, TenantState.TERMINATING);
    await expect(ask('starter')).rejects.toMatchObject({ code: 'transition_not_allowed' });
    expect((await registry.client.getTenant({ tenant: tenant.id })).tenant?.plan).toBe('trial');
  });

  it('gives pool whatever it says where dedicated instances are switched off, and the tenant says why', async () => {
    const silo = await active('earlier', { plan: 'professional' });
    await registry.stop();
    registry = await folder.start({ clock, dedicated: false });
    const note = expect.stringContaining('dedicated instances are switched off');
    expect(await active('in-pool', { plan: 'professional' })).toMatchObject({
      isolation: 'pool',
      pendingIsolation: '',
      isolationNote: note,
    });
    const { id: tenantId } = await active('changes', { plan: 'trial' });
    const { tenant } = await registry.client.setTenantPlan({ tenantId, plan: 'starter', fence: fence() });
    expect(tenant).toMatchObject({ plan: 'starter', isolation: 'pool', pendingIsolation: '', isolationNote: note });
    expect((await registry.client.getTenant({ tenant: silo.id })).tenant).toMatchObject({
      isolation: 'silo',
      pendingIsolation: 'pool',
      isolationNote: note,
    });
    const listed = (await registry.client.listTenants({ plan: 'professional' })).tenants;
    expect(listed.map(({ isolationNote }) => isolationNote)).toEqual([note, note]);
  });
});

describe('the end of a tenant', () => {
  it('can be taken back: it is served as before, at the revision of the answer', async () => {
    const { id } = await active('acme');
    const closing = await move(id, TenantState.TERMINATING);
    expect((await journalled(registry, Number(closing.revision))).get(`tenant ${id}`)).toMatchObject({ state: 'terminating' });
    const { tenant, revision } = await move(id, TenantState.ACTIVE);
    expect(tenant).toMatchObject({ state: TenantState.ACTIVE, slug: 'acme', hosts: ['acme.localhost'], upstream: 'desk-shared' });
    expect((await journalled(registry, Number(revision))).get(`tenant ${id}`)).toMatchObject({ state: 'active' });
  });

  it('takes it off the routes at the revision of the answer, also when it is repeated, and leaves it in the list', async () => {
    const { id } = await active('acme');
    const gone = await move(id, TenantState.TERMINATING, TenantState.TERMINATED);
    expect(gone.tenant).toMatchObject({ slug: '', formerSlug: 'acme', hosts: [], upstream: '' });
    expect([...(await journalled(registry, Number(gone.revision))).keys()]).toEqual(['upstream desk-shared']);
    expect(await move(id, TenantState.TERMINATED)).toEqual(gone);
    expect((await registry.client.listTenants({ state: TenantState.TERMINATED })).tenants).toMatchObject([{ id }]);
    expect((await registry.client.getTenant({ tenant: 'acme' })).tenant?.id).toBe(id);
    await expect(move(id, TenantState.ACTIVE)).rejects.toMatchObject({ code: 'transition_not_allowed' });
  });

  it('keeps its slug from everybody else for 90 days, says until when, and then frees it', async () => {
    const { id } = await active('acme');
    const { tenant } = await move(id, TenantState.TERMINATING, TenantState.TERMINATED);
    const endMs = Number(tenant.slugQuarantineEndTime?.seconds) * 1000;
    expect(Math.abs(endMs - clock.now().getTime() - 90 * dayMs)).toBeLessThan(60_000);
    aheadMs = 90 * dayMs - 60_000;
    const asked = registry.client.createTenant(tenantRequest('next', { slug: 'acme' }));
    await expect(asked).rejects.toMatchObject({
      code: 'slug_taken',
      fields: [{ field: 'slug' }],
      message: expect.stringContaining(new Date(endMs).toISOString().slice(0, 19)),
    });
    await expect(asked).rejects.not.toMatchObject({ message: expect.stringContaining(id) });
    // One that was not asked for by name gets another.
    expect((await registry.client.createTenant(tenantRequest('unnamed', { company: 'Acme' }))).tenant?.slug).toMatch(/^acme-/);
    aheadMs = 90 * dayMs + 60_000;
    await expect(registry.client.getTenant({ tenant: 'acme' })).rejects.toMatchObject({ code: 'tenant_not_found' });
    const outcomes = await Promise.allSettled(
      ['next', 'other', 'third'].map((key) => registry.client.createTenant(tenantRequest(key, { slug: 'acme' }))),
    );
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
    const next = (await registry.client.getTenant({ tenant: 'acme' })).tenant;
    expect(next?.id).not.toBe(id);
    await move(next?.id ?? '', TenantState.PROVISIONING);
    await registry.client.putTenantRoute({ tenantId: next?.id ?? '', upstream: 'desk-shared', isolation: 'pool', fence: fence() });
    expect((await registry.client.resolveHost({ host: 'acme.localhost' })).tenant?.entity.value).toMatchObject({ tenantId: next?.id });
    expect((await registry.client.getTenant({ tenant: id })).tenant).toMatchObject({ state: TenantState.TERMINATED, formerSlug: 'acme' });
    expect(await journalled(registry)).toEqual(await documented(registry));
  });

  it('of one that failed keeps no slug from others', async () => {
    const { tenant } = await registry.client.createTenant(tenantRequest('k', { slug: 'acme' }));
    await move(tenant?.id ?? '', TenantState.PROVISIONING, TenantState.FAILED);
    const next = await active('acme');
    const { tenant: gone } = await move(tenant?.id ?? '', TenantState.TERMINATING, TenantState.TERMINATED);
    expect(gone).toMatchObject({ formerSlug: 'acme' });
    expect(gone.slugQuarantineEndTime).toBeUndefined();
    expect((await registry.client.getTenant({ tenant: 'acme' })).tenant?.id).toBe(next.id);
    expect((await registry.client.resolveHost({ host: 'acme.localhost' })).tenant?.entity.value).toMatchObject({ tenantId: next.id });
  });
});
