// Real servers and clients for the tests, in a folder and on ports of their own, closed after each test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { BurgageError, ProvisionerService, RegistryService } from '@burgage/contracts';
import {
  createDevelopmentCa,
  createRpcClient,
  createRpcServer,
  implement,
  type RpcClientOptions,
  type RpcHandlers,
  type RpcServer,
  readTlsIdentity,
  type TlsIdentity,
} from '@burgage/rpc';
import { type Clock, createLogger, createMetrics, type Metrics, systemClock, systemRandom } from '@burgage/runtime';
import { afterAll, afterEach } from 'vitest';

export type Registry = RpcHandlers<typeof RegistryService>;
export type Provisioner = RpcHandlers<typeof ProvisionerService>;

const silent = createLogger({ service: 'test', level: 'silent' });
const cleanups: (() => Promise<void> | void)[] = [];

const caFolder = mkdtempSync(join(tmpdir(), 'burgage-rpc-ca-'));
afterAll(() => rmSync(caFolder, { recursive: true, force: true }));
/** The authority of this file's tests. */
export const ca = await createDevelopmentCa({ folder: caFolder, clock: systemClock, random: systemRandom });
/** Who the tests' servers are, whatever they serve, and who their clients are. */
export const identities = {
  server: await readTlsIdentity(await ca.issue('test-server')),
  client: await readTlsIdentity(await ca.issue('test-client')),
};
/** What clients need for TCP. */
export const asClient = { tls: identities.client, peer: identities.server.service };

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Runs after the test, in reverse order. */
export function later(cleanup: () => Promise<void> | void): void {
  cleanups.push(cleanup);
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'burgage-rpc-'));
  later(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type Kind = 'unix' | 'tcp';
export const kinds: readonly Kind[] = ['unix', 'tcp'];

export function freeAddress(kind: Kind): string {
  return kind === 'unix' ? `unix:${join(temporaryFolder(), 'rpc.sock')}` : '127.0.0.1:0';
}

interface Served {
  readonly registry?: Partial<Registry>;
  readonly provisioner?: Partial<Provisioner>;
  readonly address?: string;
  /** Who it is over TCP; `test-server` by default. */
  readonly tls?: TlsIdentity;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  readonly drainTimeoutMs?: number;
  /** Where the server logs to; nowhere by default. */
  readonly logFile?: string;
}

export function makeServer({
  registry,
  provisioner,
  address = freeAddress('unix'),
  tls = identities.server,
  metrics = createMetrics(),
  clock,
  drainTimeoutMs,
  logFile,
}: Served): RpcServer {
  const services = [
    ...(registry === undefined ? [] : [implement(RegistryService, complete<Registry>(RegistryService, registry))]),
    ...(provisioner === undefined ? [] : [implement(ProvisionerService, complete<Provisioner>(ProvisionerService, provisioner))]),
  ];
  const server = createRpcServer({
    address,
    tls,
    services,
    logger: logFile === undefined ? silent : createLogger({ service: 'test', destination: logFile }),
    metrics,
    ...(clock === undefined ? {} : { clock }),
    ...(drainTimeoutMs === undefined ? {} : { drainTimeoutMs }),
  });
  later(() => server.stop());
  return server;
}

export async function startServer(served: Served): Promise<RpcServer> {
  const server = makeServer(served);
  await server.start();
  return server;
}

type Options = Omit<RpcClientOptions, 'address'>;

export function registryClient(server: { address(): string }, options: Options = {}) {
  const client = createRpcClient(RegistryService, { address: server.address(), ...asClient, ...options });
  later(() => client.close());
  return client;
}

export function provisionerClient(server: { address(): string }, options: Options = {}) {
  const client = createRpcClient(ProvisionerService, { address: server.address(), ...asClient, ...options });
  later(() => client.close());
  return client;
}

/** A client of the registry as if its contract marked no method as idempotent. */
export function unrepeatableClient(server: { address(): string }, options: Options = {}) {
  const client = createRpcClient(withoutIdempotency(RegistryService), { address: server.address(), ...asClient, ...options });
  later(() => client.close());
  return client;
}

function withoutIdempotency<S extends DescService>(service: S): S {
  const methods = service.methods.map((method) => ({ ...method, idempotency: MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN }));
  return { ...service, methods };
}

/**
 * The registry in a process of its own, on a Unix socket or a free port; resolves when it serves. GetTenant answers with
 * the process that answers, never for the tenant `slow`; WatchRoutes says once who answers and goes on until it is told to end.
 */
export async function startProcess(address: string) {
  const script = join(temporaryFolder(), 'server.ts');
  const source = (name: string) => JSON.stringify(join(import.meta.dirname, '..', '..', name, 'src', 'index.ts'));
  const { caFile, certFile, keyFile } = await ca.issue('test-server');
  writeFileSync(
    script,
    `import { once } from 'node:events';
     import { RegistryService } from ${source('contracts')};
     import { createLogger, createMetrics } from ${source('runtime')};
     import { createRpcServer, implement, readTlsIdentity } from ${source('rpc')};
     const id = String(process.pid);
     const handlers = Object.fromEntries(RegistryService.methods.map(({ localName }) => [localName, async () => ({})]));
     handlers.getTenant = async ({ tenant }) => (tenant === 'slow' ? new Promise(() => {}) : { tenant: { id } });
     handlers.watchRoutes = async function* (_, { signal }) {
       yield { message: { case: 'head', value: { epoch: id } } };
       await once(signal, 'abort');
     };
     const server = createRpcServer({
       address: ${JSON.stringify(address)},
       tls: await readTlsIdentity(${JSON.stringify({ caFile, certFile, keyFile })}),
       services: [implement(RegistryService, handlers)],
       logger: createLogger({ service: 'x', level: 'silent' }),
       metrics: createMetrics(),
     });
     await server.start();
     process.on('SIGTERM', async () => {
       await server.drain();
       process.exit();
     });
     process.stdout.write(server.address());`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  later(() => void child.kill('SIGKILL'));
  const [bound] = await once(child.stdout, 'data');
  const end = async (signal: NodeJS.Signals) => [child.kill(signal), await once(child, 'exit')];
  return { id: String(child.pid), address: () => String(bound), kill: () => end('SIGKILL'), terminate: () => end('SIGTERM') };
}

/** Methods that a test does not need refuse. */
function complete<H>(service: DescService, handlers: object): H {
  const refuse = () => {
    throw new BurgageError('permission_denied');
  };
  return { ...Object.fromEntries(service.methods.map(({ localName }) => [localName, refuse])), ...handlers } as H;
}

/** Asks again, 300 times at most, until `holds`. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come true');
}

/** Resolves with the number once it has not changed for a while. */
export async function settled(read: () => number): Promise<number> {
  let before = -1;
  let same = 0;
  await eventually(() => {
    same = read() === before ? same + 1 : 0;
    before = read();
    return same >= 10;
  });
  return before;
}
