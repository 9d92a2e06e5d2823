import { type Tenant, TenantState } from '@burgage/contracts';
import { systemClock, systemRandom } from '@burgage/runtime';
import type { Documents } from '@burgage/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPlacement } from './placement.ts';
import { hello, TestGateway } from './testing/gateway.ts';
import { eventually, type TestFolder, type TestRegistry, tenantRequest, testFolder } from './testing/registry.ts';
import { documented, journalled } from './testing/shown.ts';

let folder: TestFolder;
let registry: TestRegistry;

beforeEach(async () => {
  folder = await testFolder();
  registry = await folder.start();
});
afterEach(() => folder.remove());

const fence = { operationId: 'op_1', token: 1n };
const endpoints = [{ address: '127.0.0.1:9100' }];

async function provisioning(key: string): Promise<Tenant> {
  const { tenant } = await registry.client.createTenant(tenantRequest(key, { slug: key }));
  const moved = await registry.client.transitionTenant({ tenantId: tenant?.id ?? '', state: TenantState.PROVISIONING, fence });
  if (!moved.tenant) throw new Error('no tenant came');
  return moved.tenant;
}

const place = (tenantId: string, upstream: string) =>
  registry.client.putTenantRoute({ tenantId, upstream, isolation: 'silo', fence }).then(
    () => 'placed',
    ({ code }: { code: string }) => code,
  );
const remove = (name: string) =>
  registry.client.removeUpstream({ name }).then(
    () => 'removed',
    ({ code }: { code: string }) => code,
  );
const names = async () => (await registry.client.listUpstreams({})).upstreams.map(({ name }) => name);

describe('RemoveUpstream', () => {
  it('takes it off the routes at the revision of the answer, and is no error where there is none', async () => {
    await registry.client.putUpstream({ name: 'one', endpoints });
    const first = await registry.client.removeUpstream({ name: 'one' });
    expect((await journalled(registry, Number(first.revision))).size).toBe(0);
    expect(await registry.client.removeUpstream({ name: 'one' })).toEqual(first);
    expect(await registry.client.removeUpstream({ name: 'nobody' })).toEqual(first);
    expect(await registry.client.removeUpstream({ name: '' })).toEqual(first);
    await expect(registry.client.getUpstream({ name: 'one' })).rejects.toMatchObject({ code: 'upstream_not_found' });
    expect(await names()).toEqual([]);
    expect(await place((await provisioning('acme')).id, 'one')).toBe('upstream_not_found');
  });

  it('is refused while it serves somebody, who is named, and changes nothing then', async () => {
    for (const name of ['one', 'two']) await registry.client.putUpstream({ name, endpoints });
    const { id } = await provisioning('acme');
    expect(await place(id, 'one')).toBe('placed');
    await registry.client.putPlatformRoute({ label: 'api', upstream: 'two' });
    const before = await documented(registry);
    await expect(registry.client.removeUpstream({ name: 'one' })).rejects.toMatchObject({
      code: 'transition_not_allowed',
      message: expect.stringContaining(id),
      metadata: { serves: id },
    });
    await expect(registry.client.removeUpstream({ name: 'two' })).rejects.toMatchObject({ metadata: { serves: 'platform_api' } });
    expect(await documented(registry)).toEqual(before);
    await registry.client.removeTenantRoute({ tenantId: id, fence });
    expect(await remove('one')).toBe('removed');
  });

  it('leaves nothing of itself when the name comes back: a late entry of before does not apply', async () => {
    await registry.client.putUpstream({ name: 'one', endpoints });
    await registry.client.removeUpstream({ name: 'one' });
    const { revision } = await registry.client.putUpstream({ name: 'one', endpoints: [{ address: '127.0.0.1:9200' }] });
    const entries = await registry.documents.routes.readAfter(0, 100);
    await registry.documents.routes.append(entries.slice(0, 2).map(({ value }) => value));
    for (const shown of [await journalled(registry, Number(revision)), await journalled(registry), await documented(registry)])
      expect(shown.get('upstream one')).toMatchObject({ endpoints: [{ address: '127.0.0.1:9200' }] });
    expect(await names()).toEqual(['one']);
  });

  it('reaches a gateway that was away, whether it is sent what came since or everything', async () => {
    for (const name of ['one', 'two']) await registry.client.putUpstream({ name, endpoints });
    const gateway = new TestGateway(registry.client, hello('gw'));
    await eventually(() => gateway.table.shown.size === 2);
    await gateway.vanish();
    const { epoch, revision, seen } = gateway.table.position;
    await registry.client.removeUpstream({ name: 'one' });
    const says = { epoch, revision: BigInt(revision), seenRevision: BigInt(seen.revision), stamp: seen.stamp };
    const since = new TestGateway(registry.client, hello('gw', says));
    await eventually(() => since.table.entries.get('upstream one')?.removed === true);
    await since.vanish();
    const head = await registry.documents.routes.head();
    await registry.documents.routes.trim(head.revision);
    const all = new TestGateway(registry.client, hello('gw', says));
    await eventually(() => all.table.snapshots === 1);
    expect([...all.table.shown.keys()]).toEqual(['upstream two']);
    await all.vanish();
  });

  /** A placement that does `first` before each write to documents of one type. */
  function interrupted(type: 'tenants' | 'upstreams', first: () => Promise<unknown>) {
    const { documents } = registry;
    const replace = async (...args: Parameters<Documents<never>['replace']>) => {
      await first();
      return await documents[type].replace(...args);
    };
    const changed = new Proxy(documents[type], {
      get: (real, name) => (name === 'replace' ? replace : Reflect.get(real, name).bind(real)),
    });
    return createPlacement({
      documents: { ...documents, [type]: changed },
      baseDomain: 'localhost',
      clock: systemClock,
      random: systemRandom,
      publisher: { publish: async () => 0, ring: () => {} },
    });
  }

  it('is taken back where a tenant is placed on it after the look at whom it serves', async () => {
    await registry.client.putUpstream({ name: 'one', endpoints });
    const { id } = await provisioning('acme');
    const outcomes: string[] = [];
    const placement = interrupted('upstreams', async () => {
      if (outcomes.length === 0) outcomes.push(await place(id, 'one'));
    });
    await expect(placement.removeUpstream('one', undefined)).rejects.toMatchObject({
      code: 'transition_not_allowed',
      metadata: { serves: id },
    });
    expect(outcomes).toEqual(['placed']);
    expect((await registry.client.getUpstream({ name: 'one' })).upstream?.endpoints).toMatchObject(endpoints);
    await eventually(async () => (await journalled(registry)).has('upstream one'));
  });

  it('keeps a late operation from bringing it back, also where there was none', async () => {
    const fenced = (token: bigint) => ({ operationId: 'op_1', token });
    for (const name of ['one', 'two']) {
      if (name === 'one') await registry.client.putUpstream({ name, endpoints, fence: fenced(3n) });
      const { revision } = await registry.client.removeUpstream({ name, fence: fenced(4n) });
      expect([...(await journalled(registry, Number(revision))).keys()]).toEqual([]);
      await expect(registry.client.putUpstream({ name, endpoints, fence: fenced(3n) })).rejects.toMatchObject({
        code: 'fenced',
        metadata: { token: '3', seen: '4' },
      });
      await expect(registry.client.getUpstream({ name })).rejects.toMatchObject({ code: 'upstream_not_found' });
      await registry.client.putUpstream({ name, endpoints, fence: fenced(5n) });
      await expect(registry.client.removeUpstream({ name, fence: fenced(4n) })).rejects.toMatchObject({ code: 'fenced' });
      expect((await registry.client.getUpstream({ name })).upstream?.endpoints).toMatchObject(endpoints);
      await registry.client.removeUpstream({ name, fence: fenced(6n) });
    }
    await expect(registry.client.removeUpstream({ name: 'No!', fence: fenced(1n) })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('is heard of by whoever places a tenant on it after the look whether it is there', async () => {
    await registry.client.putUpstream({ name: 'one', endpoints });
    const { id } = await provisioning('acme');
    const placement = interrupted('tenants', async () => expect(await remove('one')).toBe('removed'));
    const placed = placement.putTenantRoute(id, { upstream: 'one', isolation: 'silo' }, { operationId: 'op_1', token: 1 });
    await expect(placed).rejects.toMatchObject({ code: 'upstream_not_found' });
  });

  it('and a tenant that is placed on it meanwhile: one of the two is refused, and the tenant is served by what there is', async () => {
    for (let round = 0; round < 20; round++) {
      const name = `up-${round}`;
      await registry.client.putUpstream({ name, endpoints });
      const { id } = await provisioning(`tenant-${round}`);
      const [placed, removed] = await Promise.all([place(id, name), remove(name)]);
      const there = (await names()).includes(name);
      if (placed === 'placed') {
        expect([removed, there]).toEqual(['transition_not_allowed', true]);
      } else {
        expect(placed).toBe('upstream_not_found');
        // Refused both: repeated, each is clear.
        if (removed !== 'removed') expect(await place(id, name)).toBe('placed');
        else expect(there).toBe(false);
      }
      expect(await journalled(registry)).toEqual(await documented(registry));
    }
  });
});

describe('ListUpstreams', () => {
  it('pages by name through those that there are, and no page is short before the last', async () => {
    const all = Array.from({ length: 25 }, (_, index) => `up-${String(index).padStart(2, '0')}`);
    for (const name of all) await registry.client.putUpstream({ name, endpoints });
    const left = all.filter((_, index) => index % 3 !== 0);
    for (const name of all) if (!left.includes(name)) await registry.client.removeUpstream({ name });
    const pages: string[][] = [];
    let pageToken = '';
    do {
      const page = await registry.client.listUpstreams({ pageSize: 5, pageToken });
      pages.push(page.upstreams.map(({ name }) => name));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(pages.flat()).toEqual(left);
    for (const page of pages.slice(0, -1)) expect(page).toHaveLength(5);
    expect((await registry.client.listUpstreams({})).upstreams[0]?.endpoints).toMatchObject(endpoints);
  });

  it('refuses a page that is too large and a token that is not its own', async () => {
    await expect(registry.client.listUpstreams({ pageSize: 501 })).rejects.toMatchObject({
      code: 'invalid_argument',
      fields: [{ field: 'page_size' }],
    });
    await expect(registry.client.listUpstreams({ pageToken: 'nonsense' })).rejects.toMatchObject({ code: 'invalid_page_token' });
  });
});
