// Documents that newer code has written: refused where they are asked for, in nobody else's way.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { tenantType } from './adapters/documents.ts';
import { routeSnapshot } from './snapshot.ts';
import { type TestFolder, type TestRegistry, tenantRequest, testFolder } from './testing/registry.ts';

let folder: TestFolder;
let registry: TestRegistry;

beforeEach(async () => {
  folder = await testFolder();
  registry = await folder.start();
});
afterEach(() => folder.remove());

it('keep no other tenant from lists and from the snapshots of gateways', async () => {
  const [newer, known] = await Promise.all(
    ['newer', 'known'].map(async (slug) => (await registry.client.createTenant(tenantRequest(slug, { slug }))).tenant?.id ?? ''),
  );
  const tomorrow = registry.store.documents({ ...tenantType, schemaVersion: 99, upgrade: (value) => value as never });
  const stored = await tomorrow.get(newer ?? '');
  if (stored === undefined) throw new Error('no tenant was made');
  const written = await tomorrow.replace(stored.id, stored.version, stored.value);

  await expect(registry.client.getTenant({ tenant: newer ?? '' })).rejects.toMatchObject({ code: 'document_too_new' });
  expect((await registry.client.listTenants({})).tenants.map(({ id }) => id)).toEqual([known]);
  const keys: string[] = [];
  for await (const page of routeSnapshot(registry.documents, 100)) keys.push(...page.map(({ kind, key }) => `${kind} ${key}`));
  expect(keys).toContain(`tenant ${known}`);
  expect(keys).not.toContain(`tenant ${newer}`);
  // And it is left as it is.
  expect(await tomorrow.get(newer ?? '')).toEqual(written);
});
