// Real servers and clients for the tests, in a folder and on ports of their own, closed after each test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { BurgageError, ProvisionerService, RegistryService } from '@burgage/contracts';
import { createRpcClient, createRpcServer, implement, type RpcClientOptions, type RpcHandlers, type RpcServer } from '@burgage/rpc';
import { type Clock, createLogger, createMetrics, type Metrics } from '@burgage/runtime';
import { afterEach } from 'vitest';

export type Registry = RpcHandlers<typeof RegistryService>;
export type Provisioner = RpcHandlers<typeof ProvisionerService>;

const silent = createLogger({ service: 'test', level: 'silent' });
const cleanups: (() => Promise<void> | void)[] = [];

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
  const client = createRpcClient(RegistryService, { address: server.address(), ...options });
  later(() => client.close());
  return client;
}

export function provisionerClient(server: { address(): string }, options: Options = {}) {
  const client = createRpcClient(ProvisionerService, { address: server.address(), ...options });
  later(() => client.close());
  return client;
}

/** A client of the registry as if its contract marked no method as idempotent. */
export function unrepeatableClient(server: { address(): string }, options: Options = {}) {
  const client = createRpcClient(withoutIdempotency(RegistryService), { address: server.address(), ...options });
  later(() => client.close());
  return client;
}

function withoutIdempotency<S extends DescService>(service: S): S {
  const methods = service.methods.map((method) => ({ ...method, idempotency: MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN }));
  return { ...service, methods };
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
