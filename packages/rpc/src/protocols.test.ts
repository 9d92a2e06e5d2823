import { createFileRegistry, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  Health,
  ServerReflection,
  type ServerReflectionRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@burgage/contracts/wire';
import { createRpcClient } from '@burgage/rpc';
import { expect, test } from 'vitest';
import { later, startServer } from '../test/servers.ts';

const registry = 'burgage.registry.v1.RegistryService';

function healthClient(server: { address(): string }) {
  const client = createRpcClient(Health, { address: server.address() });
  later(() => client.close());
  return client;
}

test('health says how each service is, and the server as a whole', async () => {
  const server = await startServer({ registry: {} });
  const client = healthClient(server);
  expect((await client.check({})).status).toBe(ServingStatus.SERVING);
  expect((await client.check({ service: registry })).status).toBe(ServingStatus.SERVING);
  server.setServing(registry, false);
  expect((await client.check({ service: registry })).status).toBe(ServingStatus.NOT_SERVING);
  expect((await client.check({})).status).toBe(ServingStatus.SERVING);
  await expect(client.check({ service: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
});

test('who watches is told of every change, of a service that appears, and of the drain', async () => {
  const server = await startServer({ registry: {} });
  const client = healthClient(server);
  const watched = client.watch({ service: registry });
  const later = client.watch({ service: 'later' });
  const next = async (stream: typeof watched) => (await stream.next()).value?.status;
  expect(await next(watched)).toBe(ServingStatus.SERVING);
  expect(await next(later)).toBe(ServingStatus.SERVICE_UNKNOWN);
  server.setServing(registry, false);
  expect(await next(watched)).toBe(ServingStatus.NOT_SERVING);
  server.setServing(registry, false);
  server.setServing(registry, true);
  expect(await next(watched)).toBe(ServingStatus.SERVING);
  server.setServing('later', true);
  expect(await next(later)).toBe(ServingStatus.SERVING);
  const last = Promise.all([next(watched), next(later)]);
  const drained = server.drain();
  expect(await last).toEqual([ServingStatus.NOT_SERVING, ServingStatus.NOT_SERVING]);
  await expect(watched.next()).rejects.toMatchObject({ code: 'draining' });
  await drained;
});

async function ask(
  server: { address(): string },
  ...questions: NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']>[]
) {
  const client = createRpcClient(ServerReflection, { address: server.address() });
  later(() => client.close());
  async function* requests() {
    for (const messageRequest of questions) yield { messageRequest };
  }
  return (await Array.fromAsync(client.serverReflectionInfo(requests()))).map(({ messageResponse }) => messageResponse);
}

test('reflection lists the services', async () => {
  const server = await startServer({ registry: {}, provisioner: {} });
  const [answer] = await ask(server, { case: 'listServices', value: '' });
  expect(answer?.case === 'listServicesResponse' && answer.value.service.map(({ name }) => name)).toEqual([
    'burgage.provisioner.v1.ProvisionerService',
    registry,
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
  ]);
});

test('reflection hands out the files of a symbol with all that they import, so that a tool can call', async () => {
  const server = await startServer({ registry: {} });
  const symbols = [
    registry,
    `${registry}.WatchRoutes`,
    'burgage.registry.v1.Tenant',
    'burgage.registry.v1.Tenant.slug',
    'burgage.registry.v1.TenantState',
  ];
  const answers = await ask(server, ...symbols.map((value) => ({ case: 'fileContainingSymbol', value }) as const));
  expect(answers).toHaveLength(symbols.length);
  for (const answer of answers) {
    if (answer.case !== 'fileDescriptorResponse') throw new Error(`got ${answer.case}`);
    const [asked, ...imports] = answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    if (asked === undefined) throw new Error('got no file');
    expect(asked.name).toBe('burgage/registry/v1/registry.proto');
    const rebuilt = createFileRegistry(asked, (name) => imports.find((file) => file.name === name));
    expect(rebuilt.getService(registry)?.method.watchRoutes?.methodKind).toBe('bidi_streaming');
  }
});

test('reflection answers by file name, and says what it does not know without ending the stream', async () => {
  const server = await startServer({ registry: {} });
  const answers = await ask(
    server,
    { case: 'fileByFilename', value: 'google/protobuf/timestamp.proto' },
    { case: 'fileByFilename', value: 'nothing.proto' },
    { case: 'fileContainingSymbol', value: 'burgage.registry.v1.Nothing' },
    { case: 'fileContainingSymbol', value: `${registry}.Nothing` },
    { case: 'fileContainingExtension', value: { containingType: 'burgage.registry.v1.Tenant', extensionNumber: 1 } },
    { case: 'allExtensionNumbersOfType', value: 'burgage.registry.v1.Tenant' },
    { case: 'allExtensionNumbersOfType', value: 'nothing' },
    { case: undefined },
  );
  expect(answers.map((answer) => answer.case)).toEqual([
    'fileDescriptorResponse',
    'errorResponse',
    'errorResponse',
    'errorResponse',
    'errorResponse',
    'allExtensionNumbersResponse',
    'errorResponse',
    'errorResponse',
  ]);
});
