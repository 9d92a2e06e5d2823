import { copyFile, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { create, toBinary } from '@bufbuild/protobuf';
import { epochNumber, RegistryService, TenantState, WatchRoutesRequestSchema } from '@burgage/contracts';
import { createDevelopmentCa, createRpcClient, readTlsIdentity } from '@burgage/rpc';
import { createLogger, createMetrics, systemClock, systemRandom } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDocuments } from './adapters/documents.ts';
import { routeItem } from './adapters/outbox.ts';
import { upstreamEntry } from './domain/upstream.ts';
import { createRegistryService } from './service.ts';
import { testCatalog } from './testing/catalog.ts';
import { withoutRelay } from './testing/faults.ts';
import { applied, hello, TestGateway } from './testing/gateway.ts';
import { eventually, quiet, type TestFolder, type TestRegistry, tenantRequest, testFolder } from './testing/registry.ts';

let folder: TestFolder;
let registry: TestRegistry;

beforeEach(async () => {
  folder = await testFolder();
  registry = await folder.start();
  await registry.client.putUpstream({ name: 'desk-shared', endpoints: [{ address: '127.0.0.1:9100' }] });
});
afterEach(() => folder.remove());

const fence = { operationId: 'op_1', token: 1n };

async function placed(key: string): Promise<{ tenantId: string; revision: number }> {
  const { tenant } = await registry.client.createTenant(tenantRequest(key, { slug: key }));
  const tenantId = tenant?.id ?? '';
  await registry.client.transitionTenant({ tenantId, state: TenantState.PROVISIONING, fence });
  await registry.client.putTenantRoute({ tenantId, upstream: 'desk-shared', isolation: 'pool', fence });
  const { revision } = await registry.client.transitionTenant({ tenantId, state: TenantState.ACTIVE, fence });
  return { tenantId, revision: Number(revision) };
}

describe('WatchRoutes', () => {
  it('gives a gateway every route, and each change as it is made', async () => {
    const first = await placed('one');
    const gateway = new TestGateway(registry.client, hello('gw-1'));
    await eventually(() => gateway.table.position.revision >= first.revision);
    expect([...gateway.table.shown.keys()]).toEqual(['host one.localhost', `tenant ${first.tenantId}`, 'upstream desk-shared']);
    const second = await placed('two');
    await eventually(() => gateway.table.position.revision >= second.revision);
    expect(gateway.table.shown.get(`tenant ${second.tenantId}`)).toMatchObject({ state: 'active', slug: 'two' });
    expect(gateway.table.snapshots).toBe(1);
    await eventually(() => gateway.table.head.revision === second.revision);
    await gateway.vanish();
  });

  it('gives every gateway the same, through any replica', async () => {
    const other = await folder.start();
    const gateways = [registry, registry, other].map(({ client }, index) => new TestGateway(client, hello(`gw-${index}`)));
    const made = await Promise.all(Array.from({ length: 20 }, (_, index) => placed(`tenant-${index}`)));
    const last = Math.max(...made.map(({ revision }) => revision));
    await eventually(() => gateways.every(({ table }) => table.position.revision >= last));
    const [one, ...rest] = gateways.map(({ table }) => table.shown);
    expect(one?.size).toBe(41);
    for (const table of rest) expect(table).toEqual(one);
    for (const gateway of gateways) await gateway.vanish();
  });

  it('knows which gateways live and how far each is', async () => {
    const { revision } = await placed('one');
    const { epoch } = await registry.documents.routes.head();
    const b = new TestGateway(registry.client, hello('gw-b'));
    const a = new TestGateway(registry.client, hello('gw-a', { epoch, revision: BigInt(revision) }));
    const listed = async () => (await registry.client.listGateways({})).gateways;
    await eventually(async () => (await listed()).length === 2);
    expect((await listed()).map(({ gatewayId, appliedRevision }) => [gatewayId, appliedRevision])).toEqual([
      ['gw-a', BigInt(revision)],
      ['gw-b', 0n],
    ]);
    b.say(applied(epoch, revision, true));
    await eventually(async () => (await listed())[1]?.appliedRevision === BigInt(revision));
    expect((await listed())[1]).toMatchObject({ bootId: 'boot-1', adminAddress: '127.0.0.1:9302', epoch, snapshotHeld: true });
    const head = await registry.documents.routes.head();
    expect(await registry.client.listGateways({})).toMatchObject({ epoch, revision: BigInt(head.revision) });
    await a.vanish();
    await eventually(async () => (await listed()).length === 1);
    b.finish();
    expect(await b.ended).toBeUndefined();
    await eventually(async () => (await listed()).length === 0);
  });

  it('lists a gateway that came back as its new self while its old stream is not noticed to be dead', async () => {
    const old = new TestGateway(registry.client, hello('gw', { bootId: 'old' }));
    const listed = async () => (await registry.client.listGateways({})).gateways.map(({ bootId }) => bootId);
    await eventually(async () => (await listed()).length === 1);
    const reborn = new TestGateway(registry.client, hello('gw', { bootId: 'new' }));
    await eventually(async () => (await listed())[0] === 'new');
    await old.vanish();
    expect(await listed()).toEqual(['new']);
    await reborn.vanish();
  });

  it('makes only a few messages ahead of a gateway that does not read', async () => {
    const { epoch, revision, stamp } = await registry.documents.routes.head();
    const address = 'x'.repeat(200);
    const batches = 40;
    for (let batch = 0; batch < batches; batch += 1) {
      const entries = Array.from({ length: 500 }, (_, index) =>
        routeItem(upstreamEntry({ name: `far-${batch}-${index}`, endpoints: [{ address, weight: 1, zone: '' }] }, 1)),
      );
      await registry.documents.routes.append(entries.map(({ payload }) => payload));
    }
    const position = { epoch, revision: BigInt(revision), seenRevision: BigInt(revision), stamp };
    const said = toBinary(WatchRoutesRequestSchema, create(WatchRoutesRequestSchema, hello('gw-deaf', position)));
    const session = connect('http://localhost', { createConnection: () => connectSocket(registry.address.slice('unix:'.length)) });
    const path = '/burgage.registry.v1.RegistryService/WatchRoutes';
    const call = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
    call.pause();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(said.length, 1);
    call.write(Buffer.concat([head, said]));

    const sent = async () =>
      Number(/entries_sent_total\{[^}]*"delta"[^}]*\} (\d+)/.exec(await registry.metrics.registry.metrics())?.[1] ?? 0);
    await eventually(async () => (await sent()) > 0);
    let before = -1;
    await eventually(async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      const now = await sent();
      const same = now === before;
      before = now;
      return same;
    });
    // A batch is more than the window holds: the one in it, and four on their way.
    expect(before).toBeLessThanOrEqual(5 * 500);
    session.destroy();
  });

  it('knows the gateways of every replica, and how far each is, whichever replica is asked', async () => {
    const other = await folder.start();
    const a = new TestGateway(registry.client, hello('gw-a'));
    const b = new TestGateway(other.client, hello('gw-b'));
    const { revision } = await placed('one');
    const { epoch } = await registry.documents.routes.head();
    for (const gateway of [a, b]) gateway.say(applied(epoch, revision));
    const listed = async ({ client }: TestRegistry) =>
      (await client.listGateways({})).gateways.map(({ gatewayId, appliedRevision }) => `${gatewayId} ${appliedRevision}`);
    const expected = [`gw-a ${revision}`, `gw-b ${revision}`];
    for (const replica of [registry, other]) await eventually(async () => isDeepStrictEqual(await listed(replica), expected));

    // One that moves is known where it is, and what its old replica knew of it takes nothing back.
    await b.vanish();
    const moved = new TestGateway(registry.client, hello('gw-b', { epoch, revision: BigInt(revision) }));
    for (const replica of [registry, other]) await eventually(async () => isDeepStrictEqual(await listed(replica), expected));
    // A replica that stops leaves no gateway behind.
    await registry.stop();
    await eventually(async () => (await listed(other)).length === 0);
    expect([await a.ended, await moved.ended]).not.toContain(undefined);
  });

  it.each([
    ['begins with something else', [applied('', 0)], 'message'],
    ['says nothing', [{ message: { case: undefined } }], 'message'],
    ['says hello twice', [hello('gw'), hello('gw')], 'message'],
    ['has no id', [hello('')], 'hello.gateway_id'],
    ['has no boot id', [hello('gw', { bootId: '' })], 'hello.boot_id'],
    ['says more than an address', [hello('gw', { adminAddress: '127.0.0.1:80/path?x=' })], 'hello.admin_address'],
    ['is at an impossible revision', [hello('gw', { revision: 2n ** 63n })], 'hello.revision'],
    ['has seen an impossible revision', [hello('gw', { seenRevision: 2n ** 63n })], 'hello.seen_revision'],
    ['says more than a stamp', [hello('gw', { stamp: 'x'.repeat(101) })], 'hello.stamp'],
    ['is in the last epoch that there can be', [hello('gw', { epoch: '999999999999999.x' })], 'hello.epoch'],
    ['is in an epoch that no copy of this store can have been in', [hello('gw', { epoch: '1002.x' })], 'hello.epoch'],
    ['applied an impossible revision', [hello('gw'), { message: { case: 'applied', value: { revision: 2n ** 63n } } }], 'applied.revision'],
  ] as const)('refuses a gateway that %s', async (_, said, field) => {
    const gateway = new TestGateway(registry.client, ...said);
    expect(await gateway.ended).toMatchObject({ code: 'invalid_argument', fields: [{ field }] });
    await eventually(async () => (await registry.client.listGateways({})).gateways.length === 0);
  });

  it('says that a gateway must look for another replica when it drains', async () => {
    const address = `unix:${folder.path}/drained.sock`;
    const service = createRegistryService({
      address,
      store: registry.store,
      events: registry.events,
      catalog: testCatalog,
      baseDomain: 'localhost',
      logger: quiet,
      metrics: createMetrics(),
    });
    await service.start();
    const client = createRpcClient(RegistryService, { address });
    const gateway = new TestGateway(client, hello('gw'));
    const silent = new TestGateway(client);
    await eventually(() => gateway.table.snapshots === 1);
    await service.drain?.();
    expect(await gateway.ended).toMatchObject({ code: 'draining' });
    expect(await silent.ended).toMatchObject({ code: 'draining' });
    await client.close();
    await service.stop();
  });
});

describe('the journal', () => {
  it('keeps the entries that it should, and a gateway further behind gets a snapshot', async () => {
    await registry.stop();
    registry = await folder.start({ journalEntriesKept: 10 });
    const { epoch } = await registry.documents.routes.head();
    let revision = 0;
    for (let port = 1; port <= 30; port++) {
      ({ revision } = await putEndpoint(port));
    }
    // Trimming happens by the clock: the next start does it at once.
    await registry.stop();
    registry = await folder.start({ journalEntriesKept: 10 });
    await eventually(async () => (await registry.documents.routes.head()).oldest === revision - 9);
    const behind = new TestGateway(registry.client, hello('gw', { epoch, revision: 1n }));
    await eventually(() => behind.table.position.revision >= revision);
    expect(behind.table.snapshots).toBe(1);
    await behind.vanish();
    const text = await registry.metrics.registry.metrics();
    expect(text).toMatch(/burgage_registry_routes_journal_entries 10\b/);
    expect(text).toMatch(/burgage_registry_route_snapshots_sent_total 1\b/);
  });

  async function putEndpoint(port: number): Promise<{ revision: number }> {
    const { revision } = await registry.client.putUpstream({ name: 'x', endpoints: [{ address: `127.0.0.1:${port}` }] });
    return { revision: Number(revision) };
  }
});

describe('an older copy of the store, restored behind running gateways', () => {
  it('is found out and said once, takes the gateway over, and shows what its outboxes still held', async () => {
    const first = await placed('one');
    const gateway = new TestGateway(registry.client, hello('gw'));
    await eventually(() => gateway.table.position.revision >= first.revision);
    // A write of which the copy holds no more than the document and its outbox.
    const half = openDocuments(withoutRelay(registry.store));
    const upstream = await half.upstreams.get('desk-shared');
    if (upstream === undefined) throw new Error('there is no upstream');
    const endpoints = [{ address: '127.0.0.1:9200', weight: 1, zone: '' }];
    const moved = { ...upstream.value, endpoints };
    await half.upstreams.replace('desk-shared', upstream.version, moved, [routeItem(upstreamEntry(moved, upstream.version + 1))]);
    const copy = join(folder.path, 'copy.sqlite');
    using source = new DatabaseSync(join(folder.path, 'registry.sqlite'));
    source.prepare('VACUUM INTO ?').run(copy);
    source.close();

    const lost = await placed('two');
    await eventually(() => gateway.table.position.revision >= lost.revision);
    const { position } = gateway.table;
    await gateway.vanish();
    await registry.stop();

    for (const suffix of ['', '-wal', '-shm']) await rm(join(folder.path, `registry.sqlite${suffix}`), { force: true });
    await copyFile(copy, join(folder.path, 'registry.sqlite'));
    const log = join(folder.path, 'registry.log');
    const logger = createLogger({ service: 'registry', level: 'error', destination: log });
    registry = await folder.start({ logger });
    const { seen } = position;
    const more = { epoch: position.epoch, revision: BigInt(position.revision), seenRevision: BigInt(seen.revision), stamp: seen.stamp };
    const back = new TestGateway(registry.client, hello('gw', more));
    await eventually(() => back.table.snapshots === 1);
    expect([...back.table.shown.keys()]).toEqual(['host one.localhost', `tenant ${first.tenantId}`, 'upstream desk-shared']);
    expect(back.table.shown.get('upstream desk-shared')).toMatchObject({ endpoints });
    const { epoch } = await registry.documents.routes.head();
    expect(epochNumber(epoch)).toBe(epochNumber(position.epoch) + 1);
    const said = (await readFile(log, 'utf8')).split('\n');
    expect(said.filter((line) => line.includes('an older copy of the store was restored'))).toHaveLength(1);
    expect(await registry.metrics.registry.metrics()).toMatch(/burgage_registry_restores_found_total 1\b/);
    // What was lost can be made again.
    const again = await placed('two');
    await eventually(() => back.table.position.revision >= again.revision);
    expect(back.table.shown.get(`tenant ${again.tenantId}`)).toMatchObject({ state: 'active' });
    await back.vanish();
  }, 20_000);
});

describe('over TCP, a peer that is no gateway', () => {
  it('may follow the routes, and cannot have them begin anew', async () => {
    const ca = await createDevelopmentCa({ folder: join(folder.path, 'ca'), clock: systemClock, random: systemRandom });
    const identityOf = async (service: string) => readTlsIdentity(await ca.issue(service));
    const service = createRegistryService({
      address: '127.0.0.1:0',
      tls: await identityOf('registry'),
      store: registry.store,
      events: registry.events,
      catalog: testCatalog,
      baseDomain: 'localhost',
      logger: quiet,
      metrics: createMetrics(),
    });
    await service.start();
    const clientOf = async (peer: string) => createRpcClient(RegistryService, { address: service.address(), tls: await identityOf(peer) });
    const [operator, gateway] = [await clientOf('operator'), await clientOf('gateway')];
    const { epoch } = await registry.documents.routes.head();
    // Of the same number: two histories.
    const forked = { epoch: `${epochNumber(epoch)}.other`, revision: 1n, stamp: 'other' };

    const watching = new TestGateway(operator, hello('watching'));
    await eventually(() => watching.table.snapshots === 1);
    const refused = new TestGateway(operator, hello('refused', forked));
    expect(await refused.ended).toMatchObject({
      code: 'permission_denied',
      message: expect.stringMatching(/^peer: got operator, expected gateway/),
    });
    expect((await registry.documents.routes.head()).epoch).toBe(epoch);
    const believed = new TestGateway(gateway, hello('believed', forked));
    await eventually(() => believed.table.snapshots === 1 && watching.table.snapshots === 2);
    const anew = (await registry.documents.routes.head()).epoch;
    expect(epochNumber(anew)).toBe(epochNumber(epoch) + 1);
    for (const { table } of [watching, believed]) expect(table.position.epoch).toBe(anew);

    for (const one of [watching, believed]) await one.vanish();
    for (const client of [operator, gateway]) await client.close();
    await service.stop();
  });
});

describe('when nobody takes the events', () => {
  it('routes go out all the same', async () => {
    await registry.stop();
    const events = { ...registry.events, publish: () => Promise.reject(new Error('no broker')), close: async () => {} };
    registry = await folder.start({ events });
    const gateway = new TestGateway(registry.client, hello('gw'));
    const { tenantId, revision } = await placed('one');
    await eventually(() => gateway.table.position.revision >= revision);
    expect(gateway.table.shown.get(`tenant ${tenantId}`)).toMatchObject({ state: 'active' });
    const { value, outbox } = (await registry.documents.tenants.get(tenantId)) ?? {};
    expect(value?.state).toBe('active');
    expect(outbox?.map(({ target }) => target)).toEqual(['event', 'event', 'event']);
    await gateway.vanish();
  });
});
