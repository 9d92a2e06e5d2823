import { once } from 'node:events';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { TenantState, WatchOperationResponseSchema } from '@burgage/contracts';
import { createMetrics, currentContext, runInContext } from '@burgage/runtime';
import { describe, expect, test } from 'vitest';
import { eventually, freeAddress, kinds, provisionerClient, registryClient, startServer } from '../test/servers.ts';

describe.each(kinds)('over %s', (kind) => {
  test('a unary call carries its request there and its response back', async () => {
    const server = await startServer({
      address: freeAddress(kind),
      registry: {
        createTenant: async ({ company, plan }) => ({ tenant: { id: 'ten_1', company, plan, state: TenantState.REQUESTED, version: 1n } }),
      },
    });
    const { tenant } = await registryClient(server).createTenant({ company: 'Größe & Söhne', plan: 'trial' });
    expect(tenant).toMatchObject({ id: 'ten_1', company: 'Größe & Söhne', plan: 'trial', state: TenantState.REQUESTED, version: 1n });
  });

  test('a server stream is read in order to its end', async () => {
    const server = await startServer({
      address: freeAddress(kind),
      provisioner: {
        watchOperation: async function* ({ afterSequence }) {
          for (let sequence = afterSequence + 1n; sequence <= 50n; sequence++) yield { progress: { sequence } };
        },
      },
    });
    const stream = provisionerClient(server).watchOperation({ operationId: 'op_1', afterSequence: 10n });
    const sequences = (await Array.fromAsync(stream)).map(({ progress }) => progress?.sequence);
    expect(sequences).toEqual(Array.from({ length: 40 }, (_, index) => BigInt(index + 11)));
  });

  test('a stream carries bytes that its server encoded and its client reads by itself', async () => {
    const progress = (sequence: bigint) => create(WatchOperationResponseSchema, { progress: { sequence } });
    const server = await startServer({
      address: freeAddress(kind),
      provisioner: {
        watchOperation: async function* () {
          yield toBinary(WatchOperationResponseSchema, progress(1n));
          yield progress(2n);
        },
      },
    });
    const client = provisionerClient(server);
    expect((await Array.fromAsync(client.watchOperation({}))).map((answer) => answer.progress?.sequence)).toEqual([1n, 2n]);
    const read = (bytes: Uint8Array) => fromBinary(WatchOperationResponseSchema, bytes).progress?.sequence;
    expect(await Array.fromAsync(client.watchOperation({}, { read }))).toEqual([1n, 2n]);
    const refuse = (): never => {
      throw new RangeError('premature EOF');
    };
    await expect(Array.fromAsync(client.watchOperation({}, { read: refuse }))).rejects.toMatchObject({ code: 'malformed_body' });
  });

  test('a two-way stream answers while it is asked', async () => {
    const server = await startServer({
      address: freeAddress(kind),
      registry: {
        watchRoutes: async function* (requests) {
          for await (const { message } of requests) {
            if (message.case === 'applied') yield { message: { case: 'head', value: { revision: message.value.revision * 2n } } };
          }
        },
      },
    });
    const answered = Promise.withResolvers<void>();
    async function* requests() {
      yield { message: { case: 'applied', value: { revision: 1n } } } as const;
      await answered.promise;
      yield { message: { case: 'applied', value: { revision: 2n } } } as const;
    }
    const revisions: bigint[] = [];
    for await (const { message } of registryClient(server).watchRoutes(requests())) {
      if (message.case === 'head') revisions.push(message.value.revision);
      answered.resolve();
    }
    expect(revisions).toEqual([2n, 4n]);
  });

  test('messages of ten megabytes pass both ways, in calls and streams', async () => {
    const company = 'x'.repeat(10 * 1024 * 1024);
    const server = await startServer({
      address: freeAddress(kind),
      registry: { createTenant: async (request) => ({ tenant: { company: request.company } }) },
      provisioner: {
        watchOperation: async function* ({ operationId }) {
          yield { progress: { detail: operationId } };
        },
      },
    });
    const { tenant } = await registryClient(server).createTenant({ company });
    expect(tenant?.company.length).toBe(company.length);
    const [first] = await Array.fromAsync(provisionerClient(server).watchOperation({ operationId: company }));
    expect(first?.progress?.detail.length).toBe(company.length);
  });
});

test('a message beyond the limit is refused, not cut, and the connection goes on', async () => {
  const server = await startServer({ registry: { createTenant: async () => ({}) } });
  const client = registryClient(server);
  await expect(client.createTenant({ company: 'x'.repeat(17 * 1024 * 1024) })).rejects.toMatchObject({ code: 'body_too_large' });
  await client.createTenant({ company: 'x' });
});

test('the context of the caller reaches the handler: tenant, operation, trace; and own metadata beside it', async () => {
  const seen: unknown[] = [];
  const server = await startServer({
    registry: {
      getTenant: async (_, call) => {
        const { tenantId, operationId, traceparent } = currentContext();
        seen.push({ tenantId, operationId, traceparent, gateway: call.metadata.get('Gateway'), method: call.method });
        return {};
      },
    },
  });
  const client = registryClient(server);
  const context = { tenantId: 'ten_1', operationId: 'op_1', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
  await runInContext(context, () => client.getTenant({}, { metadata: { gateway: 'g1' } }));
  await client.getTenant({});
  const method = 'burgage.registry.v1.RegistryService/GetTenant';
  expect(seen).toEqual([
    { ...context, gateway: 'g1', method },
    { tenantId: undefined, operationId: undefined, traceparent: undefined, gateway: undefined, method },
  ]);
  await expect(client.getTenant({}, { metadata: { 'not ok': 'x' } })).rejects.toMatchObject({ code: 'invalid_argument' });
});

test('server and client count calls by service, method and code', async () => {
  const metrics = createMetrics();
  const server = await startServer({ metrics, registry: { getTenant: async () => ({}) } });
  const client = registryClient(server, { metrics });
  await client.getTenant({});
  await expect(client.listTenants({})).rejects.toMatchObject({ code: 'permission_denied' });
  const text = await metrics.registry.metrics();
  for (const side of ['server', 'client']) {
    expect(text).toContain(
      `burgage_rpc_${side}_seconds_count{service="burgage.registry.v1.RegistryService",method="GetTenant",code="ok"} 1`,
    );
    expect(text).toContain(
      `burgage_rpc_${side}_seconds_count{service="burgage.registry.v1.RegistryService",method="ListTenants",code="permission_denied"} 1`,
    );
  }
});

test('a call that its caller gave up counts as that, even if the handler went on to its end', async () => {
  const metrics = createMetrics();
  const arrived = Promise.withResolvers<void>();
  const server = await startServer({
    metrics,
    registry: {
      getTenant: async (_, { signal }) => {
        arrived.resolve();
        await once(signal, 'abort');
        return {};
      },
    },
  });
  const abort = new AbortController();
  const call = registryClient(server).getTenant({}, { signal: abort.signal });
  call.catch(() => {});
  await arrived.promise;
  abort.abort();
  await expect(call).rejects.toMatchObject({ code: 'cancelled' });
  await eventually(async () => (await metrics.registry.metrics()).includes('method="GetTenant",code="cancelled"} 1'));
});

test('a method that the server does not serve, and a client that was closed, say so', async () => {
  const server = await startServer({ provisioner: {} });
  const client = registryClient(server);
  await expect(client.getTenant({})).rejects.toMatchObject({ code: 'method_not_allowed' });
  await client.close();
  await expect(client.getTenant({})).rejects.toMatchObject({ code: 'cancelled' });
  await expect(Array.fromAsync(client.watchRoutes((async function* () {})()))).rejects.toMatchObject({ code: 'cancelled' });
});
