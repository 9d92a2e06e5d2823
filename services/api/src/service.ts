// The api as one object: wires its handlers to the registry, the provisioner, the store and the gateways.
import type { AddressInfo } from 'node:net';
import { BurgageError, fieldError, ProvisionerService, RegistryService } from '@burgage/contracts';
import { createRpcClient, type TlsIdentity } from '@burgage/rpc';
import type { Clock, Component, Logger, Metrics, Random } from '@burgage/runtime';
import type { Store } from '@burgage/store';
import type { Catalog } from '@burgage/tenancy';
import { createAdaptorServer } from '@hono/node-server';
import { createAuditTrail } from './adapters/audit-journal.ts';
import { createGatewayAdmin } from './adapters/gateway-admin.ts';
import { createApiApp } from './app.ts';
import { createApiMetrics } from './metrics.ts';

export type { AuditEntry } from './schemas/audit.ts';
export type { Problem } from './schemas/common.ts';
export type { ExplainAnswer, Gateway, GatewayList } from './schemas/gateways.ts';
export type { Operation, Progress, Step } from './schemas/operations.ts';
export type { PlanList } from './schemas/plans.ts';
export type { DeletedOrphans, Orphan, OrphanList } from './schemas/possessions.ts';
export type { OperationAnswer } from './schemas/tenant-changes.ts';
export type { SignUpAnswer, Tenant } from './schemas/tenants.ts';

export interface ApiServiceOptions {
  /** gRPC addresses: `unix:/path` or `host:port`. */
  readonly registryAddress: string;
  readonly provisionerAddress: string;
  /** Needed where these are reached over TCP. */
  readonly tls?: TlsIdentity | undefined;
  /** The api's own; the caller closes it. */
  readonly store: Store;
  /** What the gateways' admin endpoints ask for. */
  readonly internalToken: string;
  /** What callers of the api must carry. */
  readonly adminToken: string;
  readonly catalog: Catalog;
  /** Where to listen; port 0 takes a free one. */
  readonly host: string;
  readonly port: number;
  /** Where a slug is reached from outside: `acme` -> `http://acme.localhost:8080`. */
  readonly publicUrlOf: (slug: string) => string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
}

/** Longer than a gateway keeps a socket to it, so that the gateway never writes to one that is being closed. */
const keepAliveTimeoutMs = 75_000;
/** How often a drain looks for connections that have nothing more to answer. */
const idleCloseIntervalMs = 50;
/** How long one request may take to arrive. */
const requestTimeoutMs = 30_000;

/**
 * The only HTTP api. `start` resolves when it listens; it needs neither registry nor provisioner for that. `drain` ends
 * streams of progress (their readers come back elsewhere) and resolves when the last answer is out.
 * `start` throws BurgageError `port_taken` (port).
 */
export function createApiService(options: ApiServiceOptions): Component & { address(): string } {
  const { host, port, tls, logger, metrics, clock, random } = options;
  const draining = new AbortController();
  const registry = createRpcClient(RegistryService, {
    address: options.registryAddress,
    tls,
    peer: 'registry',
    logger,
    metrics,
    clock,
    random,
  });
  const provisioner = createRpcClient(ProvisionerService, {
    address: options.provisionerAddress,
    tls,
    peer: 'provisioner',
    logger,
    metrics,
    clock,
    random,
  });
  const app = createApiApp(
    {
      registry,
      provisioner,
      gateways: createGatewayAdmin(options.internalToken),
      audit: createAuditTrail(options.store.journal('audit')),
      catalog: options.catalog,
      publicUrlOf: options.publicUrlOf,
      logger,
      metrics: createApiMetrics(metrics),
      clock,
      random,
      draining: draining.signal,
    },
    options.adminToken,
  );
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: { keepAliveTimeout: keepAliveTimeoutMs, requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
  });
  if (!('closeIdleConnections' in server)) throw new TypeError('the api needs an HTTP/1.1 server');
  let closed: Promise<void> | undefined;

  /** Takes no new connections; resolves when the last one is closed. */
  function close(): Promise<void> {
    closed ??= new Promise((resolve) => server.close(() => resolve()));
    return closed;
  }

  return {
    name: 'api',
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
        server.listen({ host, port }, () => resolve());
      }),
    drain: async () => {
      draining.abort();
      const done = close();
      // A connection whose last answer began before the drain would be kept for a next request that must not come.
      const idle = setInterval(() => server.closeIdleConnections(), idleCloseIntervalMs);
      await done;
      clearInterval(idle);
    },
    stop: async () => {
      draining.abort();
      const done = close();
      server.closeAllConnections();
      await done;
      await Promise.all([registry.close(), provisioner.close()]);
    },
    /** `host:port`, once started. */
    address: () => {
      const bound = server.address();
      if (bound === null || typeof bound === 'string') throw new BurgageError('internal', { message: 'The api is not started.' });
      return formatAddress(bound);
    },
  };
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): BurgageError {
  if (error.code === 'EADDRINUSE') return fieldError('port_taken', 'port', `${host}:${port} is in use by another program`, error);
  const field = error.code === 'EACCES' ? 'port' : 'host';
  return fieldError('config_invalid', field, `the api cannot listen on ${host}:${port} (${error.code ?? error.message})`, error);
}

function formatAddress({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
