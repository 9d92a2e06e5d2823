// The provisioner through its gRPC door: what it refuses, what it finds by itself, and how it tells of progress.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperationState, ProvisionerService, RegistryService, TenantState } from '@burgage/contracts';
import { type Events, openEmbeddedEvents } from '@burgage/events';
import { createRpcClient, createRpcServer, implement, type RpcClient, type RpcHandlers } from '@burgage/rpc';
import { type Component, createLogger, createMetrics, systemClock, systemRandom } from '@burgage/runtime';
import { openSqliteStore, type Store } from '@burgage/store';
import { tenantIdFromKey } from '@burgage/tenancy';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Infrastructure } from './domain/ports.ts';
import { createProvisionerService } from './service.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const nothing = async (): Promise<void> => undefined;
const unused = (): Promise<never> => Promise.reject(new Error('no operation here asks for it'));
const made = async () => ({ needed: true, detail: 'made' }) as const;

let folder: string;
let store: Store;
let events: Events;
let states: Map<string, TenantState>;
let client: RpcClient<typeof ProvisionerService> & { close(): Promise<void> };
let closing: (() => Promise<void>)[];

/** A registry with just what operations ask of it, over real gRPC. */
function registryServer(address: string): Component {
  const tenantOf = (id: string) => ({
    id,
    slug: id.slice(4, 12).toLowerCase(),
    isolation: 'pool',
    company: 'Acme',
    state: states.get(id) ?? TenantState.UNSPECIFIED,
  });
  return createRpcServer({
    address,
    logger,
    metrics: createMetrics(),
    services: [
      implement(RegistryService, {
        getTenant: async ({ tenant }) => ({ tenant: tenantOf(tenant) }),
        listTenants: async ({ state }) => ({ tenants: [...states].filter(([, other]) => other === state).map(([id]) => tenantOf(id)) }),
        transitionTenant: async ({ tenantId, state }) => {
          states.set(tenantId, state);
          return { tenant: tenantOf(tenantId), revision: 1n };
        },
        putTenantRoute: async ({ tenantId }) => ({ tenant: { ...tenantOf(tenantId), hosts: ['acme.localhost'] }, revision: 1n }),
        getUpstream: async ({ name }) => ({ upstream: { name, endpoints: [{ address: '127.0.0.1:1' }] } }),
        listGateways: async () => ({ gateways: [{ gatewayId: 'g', epoch: 'e', appliedRevision: 1n }], epoch: 'e', revision: 1n }),
        // The provisioner calls no other method; one that it did call would be answered with an error.
      } as Partial<RpcHandlers<typeof RegistryService>> as RpcHandlers<typeof RegistryService>),
    ],
  });
}

const drivers: Omit<Infrastructure, 'tenants'> = {
  app: {
    prepare: nothing,
    remove: nothing,
    putOwner: nothing,
    removeOwner: nothing,
    checkReady: nothing,
    inviteOwner: async () => '/welcome',
    freeze: nothing,
    thaw: nothing,
    digest: async () => ({}),
    archive: unused,
    restore: unused,
    digestOfArchive: unused,
    holdings: async function* () {},
  },
  compute: { ensure: unused, remove: unused, release: unused, list: async () => [] },
  databases: { ensure: made },
  files: { ensure: made, remove: nothing, list: async () => [] },
  archives: { write: unused, read: async function* () {}, remove: unused },
  certificates: { ensure: async () => ({ needed: false, reason: 'plain HTTP' }) },
  dns: { ensure: async () => ({ needed: false, reason: 'localhost' }) },
  mail: { send: made },
  urlOf: (slug) => `http://${slug}.localhost`,
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-provisioner-'));
  store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
  events = await openEmbeddedEvents({ file: join(folder, 'events.sqlite'), logger });
  states = new Map();
  const registry = registryServer(`unix:${join(folder, 'registry.sock')}`);
  await registry.start();
  const registryClient = createRpcClient(RegistryService, { address: `unix:${join(folder, 'registry.sock')}` });
  const service = createProvisionerService({
    address: `unix:${join(folder, 'provisioner.sock')}`,
    store,
    events,
    registry: registryClient,
    drivers,
    sharedUpstream: 'desk-shared',
    logger,
    metrics: createMetrics(),
    clock: systemClock,
    random: systemRandom,
    workerName: 'test',
    boot: 'first',
  });
  await service.start();
  client = createRpcClient(ProvisionerService, { address: service.address() });
  closing = [
    () => client.close(),
    () => service.stop(),
    () => registryClient.close(),
    () => registry.stop(),
    () => events.close(),
    () => store.close(),
  ];
});

afterEach(async () => {
  for (const close of closing) await close();
  await rm(folder, { recursive: true, force: true });
});

async function ended(operationId: string): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { progress } of client.watchOperation({ operationId }, { timeoutMs: 20_000 }))
    sequences.push(Number(progress?.sequence));
  return sequences;
}

describe('the provisioner', () => {
  test('provisions a requested tenant once, however often it is asked', async () => {
    const tenantId = tenantIdFromKey('a');
    states.set(tenantId, TenantState.REQUESTED);
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.provisionTenant({ tenantId })));
    const ids = new Set(answers.map(({ operation }) => operation?.id));
    expect(ids.size).toBe(1);
    const operationId = [...ids][0] ?? '';
    await ended(operationId);
    expect(states.get(tenantId)).toBe(TenantState.ACTIVE);
    expect((await client.getOperation({ operationId })).operation?.state).toBe(OperationState.SUCCEEDED);
    expect((await client.provisionTenant({ tenantId })).operation?.id).toBe(operationId);
  });

  test('finds a requested tenant that nobody told it of', async () => {
    const tenantId = tenantIdFromKey('swept');
    states.set(tenantId, TenantState.REQUESTED);
    await events.publish({
      id: 'evt_1',
      subject: 'burgage.registry.tenant.requested',
      source: 'burgage.registry',
      entity: tenantId,
      time: systemClock.now().toISOString(),
      data: new Uint8Array(),
    });
    for (let turn = 0; turn < 500 && states.get(tenantId) !== TenantState.ACTIVE; turn += 1) await systemClock.sleep(20);
    expect(states.get(tenantId)).toBe(TenantState.ACTIVE);
  });

  test('tells of every entry once, in order, and from where a watcher left off', async () => {
    const tenantId = tenantIdFromKey('watched');
    states.set(tenantId, TenantState.REQUESTED);
    const operationId = (await client.provisionTenant({ tenantId })).operation?.id ?? '';
    const all = await ended(operationId);
    expect(all).toEqual(all.map((_, index) => index + 1));
    const rest: number[] = [];
    for await (const { progress } of client.watchOperation({ operationId, afterSequence: 5n }, {})) rest.push(Number(progress?.sequence));
    expect(rest).toEqual(all.slice(5));
  });

  test('lists operations newest first, in pages', async () => {
    for (const key of ['1', '2', '3', '4', '5']) {
      const tenantId = tenantIdFromKey(key);
      states.set(tenantId, TenantState.REQUESTED);
      await ended((await client.provisionTenant({ tenantId })).operation?.id ?? '');
    }
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await client.listOperations({ pageSize: 2, pageToken });
      seen.push(...page.operations.map(({ tenantId }) => tenantId));
      pageToken = page.nextPageToken;
    } while (pageToken);
    expect(seen).toEqual(['5', '4', '3', '2', '1'].map(tenantIdFromKey));
    const one = await client.listOperations({ tenantId: tenantIdFromKey('3') });
    expect(one.operations.map(({ tenantId }) => tenantId)).toEqual([tenantIdFromKey('3')]);
  });

  test.each([
    ['an unknown operation', () => client.getOperation({ operationId: 'op_provision_X' }), 'operation_not_found'],
    ['no operation id', () => client.getOperation({}), 'operation_not_found'],
    ['no tenant', () => client.provisionTenant({}), 'invalid_argument'],
    ['a page token of another list', () => client.listOperations({ pageToken: 'x' }), 'invalid_page_token'],
    ['a page that is too large', () => client.listOperations({ pageSize: 501 }), 'invalid_argument'],
  ])('refuses %s', async (_, call, code) => {
    await expect(call()).rejects.toMatchObject({ code });
  });

  test('refuses to provision a tenant that is live without an operation of its own', async () => {
    const tenantId = tenantIdFromKey('live');
    states.set(tenantId, TenantState.ACTIVE);
    await expect(client.provisionTenant({ tenantId })).rejects.toMatchObject({ code: 'transition_not_allowed' });
  });
});
