import { type Tenant, TenantState } from '@burgage/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { routeItem } from './adapters/outbox.ts';
import { upstreamEntry } from './domain/upstream.ts';
import { dyingStore, withoutRelay } from './testing/faults.ts';
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

const fence = (token = 1) => ({ operationId: 'op_1', token: BigInt(token) });
const refused = (code: string, ...fields: string[]) => ({ code, fields: fields.map((field) => expect.objectContaining({ field })) });

async function provisioning(key: string, slug: string): Promise<Tenant> {
  const { tenant } = await registry.client.createTenant(tenantRequest(key, { slug }));
  const moved = await registry.client.transitionTenant({ tenantId: tenant?.id ?? '', state: TenantState.PROVISIONING, fence: fence() });
  if (!moved.tenant) throw new Error('no tenant came');
  return moved.tenant;
}

const put = (tenantId: string, token = 1, upstream = 'desk-shared') =>
  registry.client.putTenantRoute({ tenantId, upstream, isolation: 'pool', fence: fence(token) });
const resolve = async (host: string) => {
  const { host: found, tenant, upstream } = await registry.client.resolveHost({ host });
  return { host: found?.entity.value, tenant: tenant?.entity.value, upstream: upstream?.entity.value };
};

describe('PutTenantRoute', () => {
  it('leads the subdomain to the tenant, at the revision that it answers with', async () => {
    const { id } = await provisioning('k', 'acme');
    const { tenant, revision } = await put(id);
    expect(tenant).toMatchObject({ hosts: ['acme.localhost'], upstream: 'desk-shared', isolation: 'pool' });
    const shown = await journalled(registry, Number(revision));
    expect(shown.get('host acme.localhost')).toEqual({ kind: 'host', host: 'acme.localhost', tenantId: id });
    expect(shown.get(`tenant ${id}`)).toMatchObject({
      state: 'provisioning',
      upstream: 'desk-shared',
      limits: { requestsPerSecond: 20 },
      entitlementVersion: 1,
      platform: false,
    });
    expect(await resolve('ACME.localhost.:8080')).toMatchObject({
      host: { tenantId: id },
      tenant: { state: 'provisioning' },
      upstream: { endpoints: [{ address: '127.0.0.1:9100', weight: 1 }] },
    });
  });

  it('shows each later state of the tenant to gateways', async () => {
    const { id } = await provisioning('k', 'acme');
    await put(id);
    const { revision } = await registry.client.transitionTenant({ tenantId: id, state: TenantState.ACTIVE, fence: fence() });
    expect(revision).toBeGreaterThan(0n);
    expect((await journalled(registry, Number(revision))).get(`tenant ${id}`)).toMatchObject({ state: 'active' });
  });

  it('changes nothing when it is repeated', async () => {
    const { id } = await provisioning('k', 'acme');
    const first = await put(id);
    expect(await put(id)).toEqual(first);
    const many = await Promise.all(Array.from({ length: 20 }, () => put(id)));
    for (const answer of many) expect(answer).toEqual(first);
  });

  it('replaces the upstream that was said before', async () => {
    const { id } = await provisioning('k', 'acme');
    await put(id);
    await registry.client.putUpstream({ name: 'other', endpoints: [] });
    await put(id, 1, 'other');
    expect(await resolve('acme.localhost')).toMatchObject({ tenant: { upstream: 'other' }, upstream: { name: 'other', endpoints: [] } });
  });

  it('answers with a revision that shows the upstream, also where the call that made it was broken off before', async () => {
    const { id } = await provisioning('k', 'acme');
    const upstream = { name: 'other', endpoints: [] };
    await registry.documents.upstreams.insert('other', upstream, [routeItem(upstreamEntry(upstream, 1))]);
    const { revision } = await put(id, 1, 'other');
    expect(await journalled(registry, Number(revision))).toEqual(await documented(registry));
  });

  it('refuses an unknown tenant or upstream, no isolation, a lost fence, and a tenant that failed', async () => {
    const { id } = await provisioning('k', 'acme');
    await expect(put('ten_x')).rejects.toMatchObject({ code: 'tenant_not_found' });
    await expect(put(id, 1, 'nowhere')).rejects.toMatchObject({ code: 'upstream_not_found' });
    await expect(put(id, 1, '')).rejects.toMatchObject({ code: 'upstream_not_found' });
    await expect(
      registry.client.putTenantRoute({ tenantId: id, upstream: 'desk-shared', isolation: 'hut', fence: fence() }),
    ).rejects.toMatchObject(refused('invalid_argument', 'isolation'));
    await expect(registry.client.putTenantRoute({ tenantId: id, upstream: 'desk-shared', isolation: 'pool' })).rejects.toMatchObject(
      refused('invalid_argument', 'fence.operation_id', 'fence.token'),
    );
    await registry.client.transitionTenant({ tenantId: id, state: TenantState.PROVISIONING, fence: fence(5) });
    await expect(put(id, 4)).rejects.toMatchObject({ code: 'fenced' });
    expect((await registry.client.getTenant({ tenant: id })).tenant).toMatchObject({ upstream: '' });
    await registry.client.transitionTenant({ tenantId: id, state: TenantState.FAILED, fence: fence(5) });
    await expect(put(id, 5)).rejects.toMatchObject({ code: 'transition_not_allowed' });
    expect(await resolve('acme.localhost')).toEqual({});
  });

  it('refuses a host that leads to another tenant, and takes over one that a failed tenant left behind', async () => {
    const { id } = await provisioning('k', 'acme');
    const other = await provisioning('k-2', 'other');
    // What only a crash at the worst moment leaves: a host claimed by a tenant that is not placed on it.
    await lead('acme.localhost', other.id);
    await put(id);
    expect(await resolve('acme.localhost')).toMatchObject({ host: { tenantId: id } });
    const { version } = (await registry.documents.hosts.get('acme.localhost')) ?? { version: 0 };
    await lead('other.localhost', id);
    const placed = (await registry.documents.tenants.get(id)) ?? { version: 0, value: undefined };
    if (!placed.value) throw new Error('no tenant');
    await registry.documents.tenants.replace(id, placed.version, { ...placed.value, hosts: ['acme.localhost', 'other.localhost'] });
    await expect(put(other.id)).rejects.toMatchObject({ code: 'already_exists', metadata: { host: 'other.localhost' } });
    expect((await registry.client.getTenant({ tenant: other.id })).tenant?.upstream).toBe('');
    expect((await registry.documents.hosts.get('acme.localhost'))?.version).toBe(version);
  });
});

async function lead(host: string, tenantId: string): Promise<void> {
  const { hosts } = registry.documents;
  await hosts.replace(host, (await hosts.get(host))?.version ?? 0, { host, tenantId });
}

describe('RemoveTenantRoute', () => {
  it('takes the tenant and its hosts out of the routes, keeps its slug, and can be repeated', async () => {
    const { id } = await provisioning('k', 'acme');
    await put(id);
    for (let times = 0; times < 2; times++) {
      const { tenant, revision } = await registry.client.removeTenantRoute({ tenantId: id, fence: fence() });
      expect(tenant).toMatchObject({ slug: 'acme', hosts: [], upstream: '' });
      expect([...(await journalled(registry, Number(revision))).keys()]).toEqual(['upstream desk-shared']);
    }
    expect(await resolve('acme.localhost')).toEqual({});
    await put(id);
    expect(await resolve('acme.localhost')).toMatchObject({ host: { tenantId: id }, tenant: { tenantId: id } });
  });

  it('takes one off that nothing serves yet, whom no repeat of an earlier call brings back', async () => {
    const { id } = await provisioning('k', 'acme');
    await registry.client.removeTenantRoute({ tenantId: id, fence: fence() });
    await provisioning('k', 'acme');
    expect(await resolve('acme.localhost')).toEqual({});
    expect([...(await journalled(registry)).keys()]).toEqual(['upstream desk-shared']);
  });

  it('refuses a lost fence and an unknown tenant', async () => {
    const { id } = await provisioning('k', 'acme');
    await registry.client.removeTenantRoute({ tenantId: id, fence: fence(3) });
    await expect(registry.client.removeTenantRoute({ tenantId: id, fence: fence(2) })).rejects.toMatchObject({ code: 'fenced' });
    await expect(registry.client.removeTenantRoute({ tenantId: 'ten_x', fence: fence() })).rejects.toMatchObject({
      code: 'tenant_not_found',
    });
  });
});

describe('a failed tenant', () => {
  it('is off the routes at the revision of the answer, and its address can be given to another', async () => {
    const { id } = await provisioning('k', 'acme');
    await put(id);
    const { revision } = await registry.client.transitionTenant({ tenantId: id, state: TenantState.FAILED, fence: fence(), reason: 'no' });
    expect([...(await journalled(registry, Number(revision))).keys()]).toEqual(['upstream desk-shared']);
    const next = await provisioning('k-2', 'acme');
    await put(next.id);
    expect(await resolve('acme.localhost')).toMatchObject({ host: { tenantId: next.id } });
    expect((await documented(registry)).get('host acme.localhost')).toMatchObject({ tenantId: next.id });
  });
});

describe('PutUpstream', () => {
  it('answers an equal set with the same revision, and a changed one with a higher', async () => {
    const endpoints = [{ address: '127.0.0.1:1' }, { address: '127.0.0.1:2', weight: 1 }];
    const first = await registry.client.putUpstream({ name: 'x', endpoints });
    expect(await registry.client.putUpstream({ name: 'x', endpoints: endpoints.toReversed() })).toEqual(first);
    const changed = await registry.client.putUpstream({ name: 'x', endpoints: endpoints.slice(1) });
    expect(changed.revision).toBeGreaterThan(first.revision);
    expect((await registry.client.getUpstream({ name: 'x' })).upstream?.endpoints).toMatchObject([{ address: '127.0.0.1:2', weight: 1 }]);
  });

  it('refuses names, addresses and weights that are none, every field named, and changes nothing', async () => {
    await expect(registry.client.putUpstream({ name: 'No!', endpoints: [{ address: 'x', weight: 101 }] })).rejects.toMatchObject(
      refused('invalid_argument', 'name', 'endpoints[0].address', 'endpoints[0].weight'),
    );
    await expect(registry.client.putUpstream({ name: 'desk-shared', endpoints: [{ address: 'x:0' }] })).rejects.toMatchObject(
      refused('invalid_argument', 'endpoints[0].address'),
    );
    expect((await registry.client.getUpstream({ name: 'desk-shared' })).upstream?.endpoints).toHaveLength(1);
    await expect(registry.client.getUpstream({ name: 'nowhere' })).rejects.toMatchObject({ code: 'upstream_not_found' });
    await expect(registry.client.getUpstream({ name: '' })).rejects.toMatchObject({ code: 'upstream_not_found' });
  });

  it('of an operation is remembered with its fence, which no earlier one and nobody without one writes over', async () => {
    const name = 'x';
    const one = [{ address: '127.0.0.1:1' }];
    const two = [{ address: '127.0.0.1:2' }];
    await registry.client.putUpstream({ name, endpoints: one });
    const first = await registry.client.putUpstream({ name, endpoints: one, fence: fence(2) });
    // Gateways have nothing to hear of it.
    expect(await registry.client.putUpstream({ name, endpoints: one, fence: fence(3) })).toMatchObject({ revision: first.revision });
    await expect(registry.client.putUpstream({ name, endpoints: two, fence: fence(2) })).rejects.toMatchObject({ code: 'fenced' });
    const without = { code: 'invalid_argument', fields: [{ field: 'fence.operation_id' }, { field: 'fence.token' }] };
    await expect(registry.client.putUpstream({ name, endpoints: two })).rejects.toMatchObject(without);
    await expect(registry.client.removeUpstream({ name })).rejects.toMatchObject(without);
    await expect(registry.client.putUpstream({ name, endpoints: two, fence: { operationId: '', token: 1n } })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    expect((await registry.client.getUpstream({ name })).upstream?.endpoints).toMatchObject(one);
    await registry.client.putUpstream({ name, endpoints: two, fence: fence(3) });
    expect((await registry.client.getUpstream({ name })).upstream?.endpoints).toMatchObject(two);
  });
});

describe('PutPlatformRoute', () => {
  it('leads a reserved name to an upstream, without limits or tenant context', async () => {
    const first = await registry.client.putPlatformRoute({ label: 'api', upstream: 'desk-shared' });
    expect(first.host).toBe('api.localhost');
    expect((await journalled(registry, Number(first.revision))).get('tenant platform_api')).toMatchObject({
      platform: true,
      state: 'active',
      upstream: 'desk-shared',
      isolation: '',
    });
    expect((await resolve('api.localhost')).tenant).not.toHaveProperty('limits');
    expect(await registry.client.putPlatformRoute({ label: 'api', upstream: 'desk-shared' })).toEqual(first);
    expect((await registry.client.listTenants({})).tenants).toEqual([]);
  });

  it('refuses a name that a tenant could have, and an unknown upstream', async () => {
    await expect(registry.client.putPlatformRoute({ label: 'acme', upstream: 'desk-shared' })).rejects.toMatchObject(
      refused('invalid_argument', 'label'),
    );
    await expect(registry.client.putPlatformRoute({ label: '', upstream: 'desk-shared' })).rejects.toMatchObject(
      refused('invalid_argument', 'label'),
    );
    await expect(registry.client.putPlatformRoute({ label: 'api', upstream: 'nowhere' })).rejects.toMatchObject({
      code: 'upstream_not_found',
    });
    expect(await resolve('api.localhost')).toEqual({});
  });
});

describe('ResolveHost', () => {
  it('takes the exact name before wildcards, one label before many, the longest first', async () => {
    const hosts = ['a.b.example.com', '*.b.example.com', '**.b.example.com', '**.example.com'];
    for (const host of hosts) await registry.documents.hosts.insert(host, { host, tenantId: `of ${host}` });
    const matched = async (host: string) => (await registry.client.resolveHost({ host })).host?.entity.value;
    expect(await matched('a.b.example.com')).toMatchObject({ host: 'a.b.example.com' });
    expect(await matched('x.b.example.com')).toMatchObject({ host: '*.b.example.com' });
    expect(await matched('x.y.b.example.com')).toMatchObject({ host: '**.b.example.com' });
    expect(await matched('x.y.z.example.com')).toMatchObject({ host: '**.example.com' });
    expect(await matched('example.com')).toBeUndefined();
    expect(await matched('b.example.com')).toMatchObject({ host: '**.example.com' });
  });

  it('names epoch and revision, also where nothing matches', async () => {
    const { epoch, revision } = await registry.documents.routes.head();
    expect(await registry.client.resolveHost({ host: 'nobody.localhost' })).toMatchObject({ epoch, revision: BigInt(revision) });
  });

  it.each(['', 'a..b', 'a b', 'user@host', 'host/path', '%41.example', '0x7f.1', 'x'.repeat(300)])('refuses the host %j', async (host) => {
    await expect(registry.client.resolveHost({ host })).rejects.toMatchObject(refused('bad_request', 'host'));
  });
});

describe('a crash', () => {
  it('between commit and relay is repaired by the next start', async () => {
    await registry.stop();
    const store = await folder.openStore();
    // A registry whose relay never gets to anything: killed right after each commit.
    const tenantId = await halfDone(store);
    await store.close();
    registry = await folder.start();
    await eventually(async () => (await journalled(registry)).has(`tenant ${tenantId}`));
    await eventually(async () => (await registry.documents.tenants.pendingOutbox(10)).length === 0);
    expect(await journalled(registry)).toEqual(await documented(registry));
  });

  async function halfDone(store: Awaited<ReturnType<TestFolder['openStore']>>): Promise<string> {
    const dying = await folder.start({ store: withoutRelay(store) });
    const { tenant } = await dying.client.createTenant(tenantRequest('k'));
    const tenantId = tenant?.id ?? '';
    await dying.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fence() }).catch(() => {});
    await dying.client.putTenantRoute({ tenantId, upstream: 'desk-shared', isolation: 'pool', fence: fence() }).catch(() => {});
    expect((await dying.documents.hosts.get('acme.localhost'))?.outbox).toHaveLength(1);
    await dying.stop();
    expect((await dying.documents.tenants.get(tenantId))?.outbox.length).toBeGreaterThan(0);
    return tenantId;
  }

  // Some sixty registries are started one after the other, each twice.
  it.each(['before', 'after'] as const)(
    '%s any write of a tenant’s life is repaired by repeating the calls',
    {
      timeout: 180_000,
    },
    async (when) => {
      await registry.stop();
      const life = async (of: TestRegistry, key: string): Promise<void> => {
        const { client } = of;
        await client.putUpstream({ name: `up-${key}`, endpoints: [{ address: '127.0.0.1:9100' }] });
        await client.putPlatformRoute({ label: 'status', upstream: `up-${key}` });
        await client.putUpstream({ name: `gone-${key}`, endpoints: [{ address: '127.0.0.1:9200' }] });
        await client.removeUpstream({ name: `gone-${key}` });
        const { tenant } = await client.createTenant(tenantRequest(key, { slug: `slug-${key}` }));
        const tenantId = tenant?.id ?? '';
        const fail = () => client.transitionTenant({ tenantId, state: TenantState.FAILED, fence: fence(), reason: 'undone' });
        if (tenant?.state === TenantState.FAILED) return void (await fail());
        await client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence: fence() });
        await client.putTenantRoute({ tenantId, upstream: `up-${key}`, isolation: 'pool', fence: fence() });
        await client.addTenantHold({ tenantId, hold: 'unpaid', fence: fence() });
        await client.setTenantPlan({ tenantId, plan: 'free', fence: fence() });
        await client.removeTenantRoute({ tenantId, fence: fence() });
        await client.putTenantRoute({ tenantId, upstream: `up-${key}`, isolation: 'pool', fence: fence() });
        await fail();
      };
      const store = await folder.openStore();
      for (let at = 0, ended = false; !ended; at++) {
        const dying = dyingStore(store, at, when);
        const first = await folder.start({ store: dying });
        const outcome = await life(first, `k${at}`).then(
          () => 'ended',
          () => 'died',
        );
        await first.stop();
        ended = outcome === 'ended' && !dying.dead();
        expect(at).toBeLessThan(60);
        const second = await folder.start({ store });
        await life(second, `k${at}`);
        expect(await second.client.getTenant({ tenant: `slug-k${at}` }).catch(({ code }: { code: string }) => code)).toBe(
          'tenant_not_found',
        );
        expect((await second.client.resolveHost({ host: `slug-k${at}.localhost` })).host).toBeUndefined();
        await expect(second.client.getUpstream({ name: `gone-k${at}` })).rejects.toMatchObject({ code: 'upstream_not_found' });
        expect(await journalled(second)).toEqual(await documented(second));
        await second.stop();
      }
      await store.close();
    },
  );
});
