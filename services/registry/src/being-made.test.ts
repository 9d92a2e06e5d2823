import { type Tenant, TenantState } from '@burgage/contracts';
import { systemClock, systemRandom } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPlacement } from './placement.ts';
import { dyingStore } from './testing/faults.ts';
import { eventually, type TestFolder, type TestRegistry, tenantRequest, testFolder } from './testing/registry.ts';
import { documented, journalled } from './testing/shown.ts';

let folder: TestFolder;
let registry: TestRegistry;

beforeEach(async () => {
  folder = await testFolder();
  registry = await folder.start();
  await registry.client.putUpstream({ name: 'desk-shared', endpoints: [{ address: '127.0.0.1:9100' }] });
});
afterEach(() => folder.remove());

const fence = { operationId: 'op_1', token: 1n };

async function provisioning(key: string, slug: string): Promise<Tenant> {
  const { tenant } = await registry.client.createTenant(tenantRequest(key, { slug }));
  const moved = await registry.client.transitionTenant({ tenantId: tenant?.id ?? '', state: TenantState.PROVISIONING, fence });
  if (!moved.tenant) throw new Error('no tenant came');
  return moved.tenant;
}

const put = (tenantId: string) => registry.client.putTenantRoute({ tenantId, upstream: 'desk-shared', isolation: 'pool', fence });
const resolve = async (host: string) => {
  const { host: found, tenant, upstream } = await registry.client.resolveHost({ host });
  return { host: found?.entity.value, tenant: tenant?.entity.value, upstream: upstream?.entity.value };
};

describe('a tenant that is being made', () => {
  it('is shown at its address as soon as it is created', async () => {
    const { tenant } = await registry.client.createTenant(tenantRequest('k'));
    const id = tenant?.id ?? '';
    expect(tenant?.hosts).toEqual(['acme.localhost']);
    expect(await resolve('acme.localhost')).toEqual({
      host: expect.objectContaining({ tenantId: id }),
      tenant: expect.objectContaining({ tenantId: id, state: 'requested', upstream: '' }),
    });
    await eventually(async () => (await journalled(registry)).has('host acme.localhost'));
    expect((await journalled(registry)).get(`tenant ${id}`)).toMatchObject({
      state: 'requested',
      upstream: '',
      limits: { requestsPerSecond: 20 },
    });
    expect(await journalled(registry)).toEqual(await documented(registry));
  });

  it('is shown as provisioning at the revision that the transition answers with', async () => {
    const { tenant } = await registry.client.createTenant(tenantRequest('k'));
    const tenantId = tenant?.id ?? '';
    const { revision } = await registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence });
    const shown = await journalled(registry, Number(revision));
    expect(shown.get(`tenant ${tenantId}`)).toMatchObject({ state: 'provisioning', upstream: '' });
    expect(shown.get('host acme.localhost')).toMatchObject({ tenantId });
  });

  it('is created although its host leads elsewhere, which stays as it is until the tenant is placed', async () => {
    const other = await provisioning('k', 'other');
    const placed = await registry.documents.tenants.get(other.id);
    if (!placed) throw new Error('no tenant');
    const hosts = ['other.localhost', 'acme.localhost'];
    await registry.documents.tenants.replace(other.id, placed.version, { ...placed.value, hosts });
    await registry.documents.hosts.insert('acme.localhost', { host: 'acme.localhost', tenantId: other.id });
    const { id } = await provisioning('k-2', 'acme');
    expect(await resolve('acme.localhost')).toMatchObject({ host: { tenantId: other.id } });
    await expect(put(id)).rejects.toMatchObject({ code: 'already_exists', metadata: { host: 'acme.localhost' } });
  });

  it('leaves nothing behind when a late repeat of its creation claims the host after it has failed', async () => {
    const { id } = await provisioning('k', 'acme');
    const before = await registry.documents.tenants.get(id);
    if (!before) throw new Error('no tenant');
    await registry.client.transitionTenant({ tenantId: id, state: TenantState.FAILED, fence });
    const placement = createPlacement({
      documents: registry.documents,
      baseDomain: 'localhost',
      clock: systemClock,
      random: systemRandom,
      publisher: { publish: async () => 0, ring: () => {} },
    });
    await placement.showHost(before);
    expect((await registry.documents.hosts.get('acme.localhost'))?.value.tenantId).toBeNull();
  });

  it.each([
    ['creation', async () => void (await registry.client.createTenant(tenantRequest('k')))],
    [
      'transition',
      async (tenantId: string) => void (await registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence })),
    ],
  ] as const)('is shown by a repeat of the %s when the process was killed before its host was claimed', async (_, repeat) => {
    await registry.stop();
    const store = await folder.openStore();
    const dying = await folder.start({ store: dyingStore(store, 1, 'before') });
    await expect(dying.client.createTenant(tenantRequest('k'))).rejects.toMatchObject({ code: 'internal' });
    await dying.stop();
    await store.close();
    registry = await folder.start();
    const { tenant } = await registry.client.getTenant({ tenant: 'acme' });
    expect(await resolve('acme.localhost')).toEqual({});
    await repeat(tenant?.id ?? '');
    expect(await resolve('acme.localhost')).toMatchObject({ host: { tenantId: tenant?.id }, tenant: { tenantId: tenant?.id } });
  });
});
