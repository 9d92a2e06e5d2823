// One process of the comparison in resolve.ts: a server or a load on one, of our stack or of grpc-js alone.
import { readFileSync } from 'node:fs';
import type { DescService, MessageInitShape } from '@bufbuild/protobuf';
import { RegistryService, type ResolveHostResponseSchema } from '@burgage/contracts';
import { createRpcClient, createRpcServer, implement, type RpcHandlers, readTlsIdentity, type TlsFiles } from '@burgage/rpc';
import { createLogger, createMetrics } from '@burgage/runtime';
import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js';

export interface Peer {
  readonly role: 'server' | 'load';
  readonly stack: 'ours' | 'bare';
  readonly address: string;
  /** Who it is, where the address is one of TCP. */
  readonly tls?: TlsFiles | undefined;
  /** The host that a load asks for. */
  readonly host: string;
  /** Calls that a load has waiting at once. */
  readonly inFlight: number;
}

/** What a peer is told: how long to call, as a load; a server only answers. */
export interface Round {
  readonly runMs: number;
}

/** What it answers. */
export interface Measured {
  readonly calls: number;
  readonly seconds: number;
  /** Of this process, since it was told something before. */
  readonly cpuSeconds: number;
}

type Call = () => Promise<unknown>;

const path = '/burgage.registry.v1.RegistryService/ResolveHost';
const bytes = (value: Buffer) => value;
const serverName = { 'grpc.ssl_target_name_override': 'registry.burgage.internal' };

/** What a registry answers, from memory. */
const answer: MessageInitShape<typeof ResolveHostResponseSchema> = {
  host: { version: 1n, entity: { case: 'host', value: { host: 'acme.example.com', tenantId: 'ten_01JD0Q3V5W8X9YZABCDEFGHJKM' } } },
  tenant: {
    version: 12n,
    entity: {
      case: 'tenant',
      value: {
        tenantId: 'ten_01JD0Q3V5W8X9YZABCDEFGHJKM',
        slug: 'acme',
        plan: 'business',
        state: 'active',
        limits: { requestsPerSecond: 200, concurrency: 50, bodyBytesMax: 10_485_760n },
        features: ['export', 'api'],
        upstream: 'desk-shared',
        isolation: 'pool',
        entitlementVersion: 3n,
        branding: { name: 'Acme', color: '#336699' },
      },
    },
  },
  upstream: {
    version: 4n,
    entity: {
      case: 'upstream',
      value: { name: 'desk-shared', endpoints: ['10.0.0.1:9100', '10.0.0.2:9100'].map((address) => ({ address, weight: 1, zone: 'a' })) },
    },
  },
  epoch: '01JD0Q3V5W8X9YZABCDEFGHJKM',
  revision: 123_456n,
};

/** Resolves with its address. */
async function serveOurs({ address, tls }: Peer): Promise<string> {
  const handlers = complete(RegistryService, { resolveHost: async () => answer });
  const server = createRpcServer({
    address,
    tls: tls === undefined ? undefined : await readTlsIdentity(tls),
    services: [implement(RegistryService, handlers)],
    logger: createLogger({ service: 'bench', level: 'info' }),
    metrics: createMetrics(),
  });
  await server.start();
  return server.address();
}

/** Answers with the bytes that came. */
async function serveBare({ address, tls }: Peer): Promise<string> {
  const server = new Server();
  const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  server.addService(
    { resolveHost: { path, requestStream: false, responseStream: false, ...codec } },
    { resolveHost: (call: { request: Buffer }, respond: (error: null, value: Buffer) => void) => respond(null, call.request) },
  );
  const pem = tls && { ca: readFileSync(tls.caFile), cert_chain: readFileSync(tls.certFile), private_key: readFileSync(tls.keyFile) };
  const insecure = ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(address, pem ? ServerCredentials.createSsl(pem.ca, [pem], true) : insecure, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return address.startsWith('unix:') ? address : `127.0.0.1:${port}`;
}

async function callOurs({ address, tls, host }: Peer): Promise<Call> {
  const client = createRpcClient(RegistryService, {
    address,
    tls: tls === undefined ? undefined : await readTlsIdentity(tls),
    metrics: createMetrics(),
  });
  return () => client.resolveHost({ host });
}

function callBare({ address, tls, host }: Peer): Call {
  const secure =
    tls &&
    credentials.createSsl(...([tls.caFile, tls.keyFile, tls.certFile].map((file) => readFileSync(file)) as [Buffer, Buffer, Buffer]));
  const client = new Client(address, secure ?? credentials.createInsecure(), serverName);
  const request = Buffer.from(host);
  const metadata = new Metadata();
  return () =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, bytes, bytes, request, metadata, { deadline: Date.now() + 5_000 }, (error, response) =>
        error === null ? resolve(response) : reject(error),
      );
    });
}

async function callFor(runMs: number, call: Call, inFlight: number): Promise<Omit<Measured, 'cpuSeconds'>> {
  const startedAtMs = performance.now();
  let calls = 0;
  const one = async () => {
    while (performance.now() - startedAtMs < runMs) {
      await call();
      calls++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return { calls, seconds: (performance.now() - startedAtMs) / 1_000 };
}

/** The other methods refuse. */
export function complete<S extends DescService>(service: S, handlers: Partial<RpcHandlers<S>>): RpcHandlers<S> {
  const refuse = () => {
    throw new Error('not part of the benchmark');
  };
  const all: object = { ...Object.fromEntries(service.methods.map(({ localName }) => [localName, refuse])), ...handlers };
  return all as RpcHandlers<S>;
}

async function run(peer: Peer): Promise<void> {
  process.once('disconnect', () => process.exit());
  const ours = peer.stack === 'ours';
  const isServer = peer.role === 'server';
  const address = isServer ? await (ours ? serveOurs(peer) : serveBare(peer)) : peer.address;
  const call = isServer ? undefined : await (ours ? callOurs(peer) : callBare(peer));
  let cpu = process.cpuUsage();
  process.on('message', async ({ runMs }: Round) => {
    const called = call === undefined ? { calls: 0, seconds: 0 } : await callFor(runMs, call, peer.inFlight);
    const { user, system } = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    process.send?.({ ...called, cpuSeconds: (user + system) / 1_000_000 } satisfies Measured);
  });
  process.send?.(address);
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}'));
