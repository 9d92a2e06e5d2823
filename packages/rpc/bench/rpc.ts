// What our servers and clients cost beside bare grpc-js: the same echo over a Unix socket, both ends in one process.
//
//   node packages/rpc/bench/rpc.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  CreateTenantRequestSchema,
  type CreateTenantResponse,
  CreateTenantResponseSchema,
  ProvisionerService,
  RegistryService,
} from '@burgage/contracts';
import { createRpcClient, createRpcServer, implement } from '@burgage/rpc';
import { createLogger, createMetrics } from '@burgage/runtime';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { complete } from './resolve-peer.ts';

const roundMs = 1_000;
const rounds = 3;
const inFlight = 64;
const streamed = 50_000;

const request: MessageInitShape<typeof CreateTenantRequestSchema> = { idempotencyKey: 'key', company: 'Größe & Söhne GmbH', plan: 'trial' };
type Call = () => Promise<unknown>;

const folder = mkdtempSync(join(tmpdir(), 'burgage-rpc-bench-'));
const logger = createLogger({ service: 'bench', level: 'info' });

async function ours(): Promise<{ call: Call; stream: () => AsyncIterable<unknown>; stop: () => Promise<void> }> {
  const metrics = createMetrics();
  const registry = complete(RegistryService, { createTenant: async ({ company, plan }) => ({ tenant: { company, plan } }) });
  const provisioner = complete(ProvisionerService, {
    watchOperation: async function* () {
      for (let sequence = 0; sequence < streamed; sequence++) yield { progress: { operationId: 'op_1', sequence: BigInt(sequence) } };
    },
  });
  const services = [implement(RegistryService, registry), implement(ProvisionerService, provisioner)];
  const server = createRpcServer({ address: `unix:${folder}/ours.sock`, services, logger, metrics });
  await server.start();
  const client = createRpcClient(RegistryService, { address: server.address(), logger, metrics });
  const streams = createRpcClient(ProvisionerService, { address: server.address(), logger, metrics });
  const stop = async () => {
    await client.close();
    await streams.close();
    await server.stop();
  };
  return { call: () => client.createTenant(request), stream: () => streams.watchOperation({}), stop };
}

async function bare(): Promise<{ call: Call; stop: () => Promise<void> }> {
  const path = '/burgage.registry.v1.RegistryService/CreateTenant';
  const codec = {
    requestSerialize: (init: typeof request) => Buffer.from(toBinary(CreateTenantRequestSchema, create(CreateTenantRequestSchema, init))),
    requestDeserialize: (bytes: Buffer) => fromBinary(CreateTenantRequestSchema, bytes),
    responseSerialize: (init: MessageInitShape<typeof CreateTenantResponseSchema>) =>
      Buffer.from(toBinary(CreateTenantResponseSchema, create(CreateTenantResponseSchema, init))),
    responseDeserialize: (bytes: Buffer) => fromBinary(CreateTenantResponseSchema, bytes),
  };
  const server = new Server();
  server.addService(
    { createTenant: { path, requestStream: false, responseStream: false, ...codec } },
    {
      createTenant: (call: { request: { company: string; plan: string } }, respond: (error: null, value: unknown) => void) =>
        respond(null, { tenant: call.request }),
    },
  );
  const address = `unix:${folder}/bare.sock`;
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))),
  );
  const client = new Client(address, credentials.createInsecure());
  const call = () =>
    new Promise<CreateTenantResponse>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        codec.requestSerialize,
        codec.responseDeserialize,
        request,
        { deadline: Date.now() + 5_000 },
        (error, response) => (response === undefined ? reject(error) : resolve(response)),
      );
    });
  const stop = async () => {
    client.close();
    server.forceShutdown();
  };
  return { call, stop };
}

interface Measured {
  readonly perSecond: number;
  /** Of both ends: steady where the machine is shared. */
  readonly cpuMicroseconds: number;
}

/** Calls for a while, with a fixed number in flight. */
async function measure(call: Call): Promise<Measured> {
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  let calls = 0;
  const worker = async () => {
    while (performance.now() - start < roundMs) {
      await call();
      calls++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const { user, system } = process.cpuUsage(cpuStart);
  return { perSecond: (calls / (performance.now() - start)) * 1_000, cpuMicroseconds: (user + system) / calls };
}

function medianOf(results: readonly Measured[], field: keyof Measured): number {
  return results.map((result) => result[field]).toSorted((a, b) => a - b)[Math.floor(results.length / 2)] ?? Number.NaN;
}

function describe(results: readonly Measured[]): string {
  return `${medianOf(results, 'cpuMicroseconds').toFixed(0)} µs of CPU a call, ${medianOf(results, 'perSecond').toFixed(0)}/s`;
}

const [our, plain] = [await ours(), await bare()];
try {
  const results = { ours: [] as Measured[], bare: [] as Measured[] };
  for (let round = 0; round <= rounds; round++) {
    const [oursNow, bareNow] = [await measure(our.call), await measure(plain.call)];
    // The first round warms up.
    if (round > 0) {
      results.ours.push(oursNow);
      results.bare.push(bareNow);
    }
  }
  const start = performance.now();
  let messages = 0;
  for await (const _ of our.stream()) messages++;
  const messagesPerSecond = (messages / (performance.now() - start)) * 1_000;
  const ratio = medianOf(results.ours, 'cpuMicroseconds') / medianOf(results.bare, 'cpuMicroseconds');
  console.log(
    `unary, ${inFlight} in flight, both ends: ours ${describe(results.ours)}; bare grpc-js ${describe(results.bare)}; CPU ratio ${ratio.toFixed(2)}`,
  );
  console.log(`server stream: ours ${messagesPerSecond.toFixed(0)} messages/s`);
} finally {
  await our.stop();
  await plain.stop();
  rmSync(folder, { recursive: true, force: true });
}
