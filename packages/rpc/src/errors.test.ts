import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BurgageError, type ErrorCode, errorCatalogue } from '@burgage/contracts';
import { Client, credentials, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { later, provisionerClient, registryClient, startServer, temporaryFolder, unrepeatableClient } from '../test/servers.ts';

const codes = Object.keys(errorCatalogue) as ErrorCode[];
const text = (charactersMax: number) => fc.string({ unit: 'binary', maxLength: charactersMax });

test('every error of the catalogue arrives as it was thrown: code, message, fields, metadata, retry delay', async () => {
  let thrown = new BurgageError('internal');
  const server = await startServer({
    registry: {
      getTenant: async () => {
        throw thrown;
      },
    },
  });
  const client = unrepeatableClient(server);
  const details = fc.record(
    {
      message: text(150),
      fields: fc.array(fc.record({ field: text(30), description: text(60) }), { maxLength: 5 }),
      // Maps of messages are plain objects, which cannot hold this one name; nobody gives it to anything.
      metadata: fc.dictionary(
        text(10).filter((key) => key !== '__proto__'),
        text(40),
        { maxKeys: 5 },
      ),
      retryAfterMs: fc.nat(100_000_000),
    },
    { requiredKeys: [] },
  );
  const arrives = async (error: BurgageError) => {
    thrown = error;
    const received: unknown = await client.getTenant({}).catch((caught: unknown) => caught);
    expect(received).toBeInstanceOf(BurgageError);
    expect(received).toMatchObject({
      code: error.code,
      message: error.message.toWellFormed(),
      fields: error.fields.map(({ field, description }) => ({ field: field.toWellFormed(), description: description.toWellFormed() })),
      retryAfterMs: error.retryAfterMs,
    });
    const metadata = Object.fromEntries(Object.entries(error.metadata).map(([key, value]) => [key.toWellFormed(), value.toWellFormed()]));
    expect((received as BurgageError).metadata).toEqual(metadata);
  };
  for (const code of codes) await arrives(new BurgageError(code));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...codes), details, (code, some) => arrives(new BurgageError(code, some))),
    { numRuns: 200 },
  );
});

test('an error that is too large for trailers arrives shortened, with its code and its first fields', async () => {
  const fields = Array.from({ length: 500 }, (_, index) => ({ field: `plans.${index}.price`, description: `got ${'x'.repeat(1_000)}` }));
  const server = await startServer({
    registry: {
      getTenant: async () => {
        throw new BurgageError('catalog_invalid', {
          message: '\ud83d\ude00'.repeat(50_000),
          fields,
          metadata: { short: 'kept', long: 'y'.repeat(100_000) },
        });
      },
    },
  });
  const received = (await unrepeatableClient(server)
    .getTenant({})
    .catch((caught: unknown) => caught)) as BurgageError;
  expect(received.code).toBe('catalog_invalid');
  expect(received.message).toMatch(/^\u{1f600}+.?…$/u);
  expect(received.fields.length).toBeGreaterThan(0);
  expect(received.fields[0]?.field).toBe('plans.0.price');
  expect(received.metadata).toEqual({ short: 'kept' });
});

test('an unknown exception is internal to the caller, with nothing of its text, and logged with its cause', async () => {
  const logFile = join(temporaryFolder(), 'server.log');
  const server = await startServer({
    logFile,
    registry: {
      getTenant: async () => {
        throw new TypeError('inner text of a call');
      },
      listTenants: () => Promise.reject(),
    },
    provisioner: {
      watchOperation: async function* () {
        yield {};
        throw new TypeError('inner text of a stream');
      },
    },
  });
  const unary: unknown = await unrepeatableClient(server)
    .getTenant({})
    .catch((caught: unknown) => caught);
  const stream: unknown = await Array.fromAsync(provisionerClient(server).watchOperation({})).catch((caught: unknown) => caught);
  const nothing: unknown = await unrepeatableClient(server)
    .listTenants({})
    .catch((caught: unknown) => caught);
  for (const error of [unary, stream, nothing]) {
    expect(error).toMatchObject({ code: 'internal', message: errorCatalogue.internal.sentence });
    expect(JSON.stringify(error)).not.toContain('inner text');
  }
  const log = readFileSync(logFile, 'utf8');
  for (const part of ['RegistryService/GetTenant', 'inner text of a call', 'ProvisionerService/WatchOperation', 'inner text of a stream'])
    expect(log).toContain(part);
});

test('an error that a stream throws after some messages comes out of the loop', async () => {
  const server = await startServer({
    provisioner: {
      watchOperation: async function* () {
        yield { progress: { sequence: 1n } };
        throw new BurgageError('operation_not_found');
      },
    },
  });
  const sequences: unknown[] = [];
  const reading = async () => {
    for await (const { progress } of provisionerClient(server).watchOperation({})) sequences.push(progress?.sequence);
  };
  await expect(reading()).rejects.toMatchObject({ code: 'operation_not_found' });
  expect(sequences).toEqual([1n]);
});

test('an error that the requests of a two-way stream throw comes out of the loop, and cancels the handler', async () => {
  const cancelled = Promise.withResolvers<void>();
  const server = await startServer({
    registry: {
      watchRoutes: async function* (requests, { signal }) {
        signal.addEventListener('abort', () => cancelled.resolve());
        for await (const _ of requests) yield {};
      },
    },
  });
  const answered = Promise.withResolvers<void>();
  async function* requests() {
    yield {};
    await answered.promise;
    throw new BurgageError('data_corrupt');
  }
  const stream = registryClient(server).watchRoutes(requests());
  await stream.next();
  answered.resolve();
  await expect(stream.next()).rejects.toMatchObject({ code: 'data_corrupt' });
  await cancelled.promise;
});

test('a value that does not fit the contract is refused where it is made, on either side', async () => {
  const server = await startServer({ registry: { listTenants: async () => ({ tenants: [{ version: -1n }] }) } });
  await expect(registryClient(server).listTenants({ pageSize: -1 })).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(registryClient(server).listTenants({})).rejects.toMatchObject({ code: 'invalid_argument' });
});

test('bytes that are no message are the caller’s fault, and answered in plain gRPC too', async () => {
  const server = await startServer({ registry: { getTenant: async () => ({}) } });
  const client = new Client(server.address(), credentials.createInsecure());
  later(() => client.close());
  const bytes = (value: Buffer) => value;
  const failed = await new Promise((resolve) => {
    client.makeUnaryRequest('/burgage.registry.v1.RegistryService/GetTenant', bytes, bytes, Buffer.from([0xff, 0xff, 0xff]), resolve);
  });
  expect(failed).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: 'The bytes are not a valid burgage.registry.v1.GetTenantRequest.',
  });
});
