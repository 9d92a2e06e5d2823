// The gateway as a service: it follows a registry, keeps the last good table on disk, and serves what it knows.
import { randomUUID } from 'node:crypto';
import type { BlockList } from 'node:net';
import { BurgageError, RegistryService } from '@burgage/contracts';
import { createRpcClient, type TlsIdentity } from '@burgage/rpc';
import { type Clock, createMetrics, type Logger, type Metrics, type Random, Readiness, systemClock, systemRandom } from '@burgage/runtime';
import { createHostResolver } from './adapters/host-resolver.ts';
import { createRouteWatch, routesOf } from './adapters/route-watch.ts';
import { createTableFile, loadTable, type TableFile } from './adapters/table-file.ts';
import { defaultLimits, defaultTimeouts, type Limits, type Timeouts } from './defaults.ts';
import type { RouteSource } from './domain/explain.ts';
import { LimitShares } from './domain/limit-shares.ts';
import { RouteFollower } from './domain/route-follower.ts';
import { routeStatus } from './domain/route-status.ts';
import { RouteNames, RouteTable } from './domain/route-table.ts';
import type { CreateEngine } from './engine/engine.ts';
import { createHttp1Engine } from './engine/http1/engine.ts';
import { createGateway, type Gateway, type RouteOrigin } from './gateway.ts';
import { gatewayMetrics } from './metrics.ts';
import type { Workers } from './workers/worker-pool.ts';

export { runGatewayAlone } from './alone.ts';
export type { Explanation, RouteSource } from './domain/explain.ts';
export type { RouteStatus } from './domain/route-status.ts';
export { aloneUsage } from './settings.ts';

export interface GatewayServiceOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** For TLS, 0 takes a free one; absent: there is none. */
  readonly httpsPort?: number | undefined;
  /** The folder of its certificates: one for each name, with tls.crt and tls.key. */
  readonly certificates?: string | undefined;
  /** Peers whose connections begin with whom they are for (PROXY protocol); absent: there are none. */
  readonly proxyProtocolFrom?: BlockList | undefined;
  /** Default 127.0.0.1. */
  readonly adminHost?: string;
  readonly adminPort: number;
  /** The registry: `unix:/path` or `host:port`. */
  readonly registry: string;
  /** Needed where that is reached over TCP. */
  readonly tls?: TlsIdentity | undefined;
  /** The last good table; absent: none is kept. */
  readonly tableFile?: string | undefined;
  /** `{"keys": [private Ed25519 JWK, …]}`; absent: apps get no tenant context. */
  readonly contextKeysFile?: string | undefined;
  /** For explain, status and accepting snapshots; absent: the admin port does not offer them. */
  readonly internalToken?: string | undefined;
  /** The same after a restart. */
  readonly gatewayId: string;
  /** A file, or `-` for standard output; absent: no access log. */
  readonly accessLog?: string | undefined;
  /** Of ordinary requests, the share that it has, 0 to 1; absent: all. */
  readonly accessLogSample?: number;
  /** What all tenants' subdomains share; cookies of tenants for it are dropped. */
  readonly baseDomain: string;
  readonly logger: Logger;
  /** Another process serves at these addresses until this one does. Its admin port is not 0. */
  readonly takesOver?: boolean;
  readonly metrics?: Metrics;
  /** Threads that serve; absent: the main thread does. */
  readonly workers?: Workers | undefined;
  readonly readiness?: Readiness;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly timeouts?: Partial<Timeouts>;
  readonly limits?: Partial<Limits>;
  readonly createEngine?: CreateEngine;
}

/** A gateway that follows a registry. Starts, and serves from disk, whether the registry can be reached or not. */
export function createGatewayService(options: GatewayServiceOptions): Gateway {
  const { logger, clock = systemClock, random = systemRandom, readiness = new Readiness(), metrics = createMetrics() } = options;
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const own = gatewayMetrics(metrics);
  const client = createRpcClient(RegistryService, {
    address: options.registry,
    tls: options.tls,
    peer: 'registry',
    logger,
    metrics,
    clock,
    random,
  });
  const names = new RouteNames(random);
  const follower = new RouteFollower(new RouteTable(names));
  const shares = new LimitShares();
  const resolver = createHostResolver({ client, names, timeoutMs: timeouts.resolveMs, clock, logger, metrics: own });
  let source: RouteSource = 'none';
  let savedAt: Date | undefined;
  let wasCaughtUp = false;
  const caughtUp = new AbortController();

  const tableFile: TableFile | undefined =
    options.tableFile === undefined
      ? undefined
      : createTableFile({
          file: options.tableFile,
          current: () => ({ table: follower.table, position: follower.position }),
          clock,
          logger,
        });

  const watch = createRouteWatch({
    open: routesOf(client),
    follower,
    applied: () => gateway.appliedPosition(),
    limits: { shares, onChange: () => gateway.sharesChanged() },
    gatewayId: options.gatewayId,
    bootId: randomUUID(),
    adminAddress: () => gateway.adminAddress(),
    logger,
    clock,
    random,
    onChange: (change) => {
      if (follower.caughtUp || change === 'swapped') source = 'registry';
      if (change === 'advanced' || change === 'swapped') {
        tableFile?.changed();
        gateway.routesApplied();
      }
      if (follower.caughtUp === wasCaughtUp && (change === 'none' || change === 'advanced')) return;
      if (follower.caughtUp && !wasCaughtUp) logger.info({ ...follower.position, hosts: follower.table.hostCount }, 'routes in sync');
      wasCaughtUp = follower.caughtUp;
      if (wasCaughtUp) caughtUp.abort();
      gateway.routesChanged();
    },
  });

  async function loadFromDisk(): Promise<void> {
    if (options.tableFile === undefined) return;
    const loaded = await loadTable(options.tableFile, names, clock);
    switch (loaded.kind) {
      case 'none':
        return;
      case 'set-aside':
        logger.error(
          { err: loaded.error, file: options.tableFile, movedTo: loaded.movedTo },
          'route table set aside; the registry will be asked for a new one',
        );
        return;
      case 'loaded': {
        const { table, position } = loaded;
        follower.restore(table, position);
        source = 'disk';
        savedAt = new Date(loaded.savedAt);
        logger.info({ ...position, savedAt: loaded.savedAt, hosts: table.hostCount }, 'serving from disk until the registry is reached');
        return;
      }
      default:
        throw new TypeError(`unknown outcome ${String(loaded satisfies never)}`);
    }
  }

  const origin: RouteOrigin = {
    follower,
    onMiss: (host) => {
      if (follower.caughtUp) return 'final';
      // With no table at all nobody can be called unknown, unless the registry says so.
      return source === 'none' && watch.disconnectedSinceMs() !== undefined ? 'no-table' : resolver.resolve(host);
    },
    status: () => {
      const sinceMs = watch.disconnectedSinceMs();
      const disconnectedMs = sinceMs === undefined ? undefined : clock.monotonicMs() - sinceMs;
      return routeStatus({ follower, source, savedAt, now: clock.now(), disconnectedMs, limitShares: shares.status });
    },
    acceptSnapshot: () => {
      if (!follower.acceptSnapshot()) return false;
      source = 'registry';
      logger.warn({ ...follower.position, hosts: follower.table.hostCount }, 'held snapshot accepted by an operator');
      tableFile?.changed();
      watch.ack();
      gateway.routesApplied();
      gateway.routesChanged();
      return true;
    },
    demandsChanged: () => watch.ack(),
    settled: async (signal) => {
      await clock.sleep(timeouts.inSyncMs, AbortSignal.any([caughtUp.signal, signal]));
      if (caughtUp.signal.aborted) return;
      if (source === 'none') throw new BurgageError('unavailable', { message: origin.status().sentence });
      logger.warn({ ...follower.position }, 'not in sync with the registry: taking over with the routes on disk');
    },
    handedOver: () => tableFile?.leave(),
    routesInForce: () => watch.ack(),
    before: [{ name: 'routes from disk', start: loadFromDisk, stop: () => client.close() }, ...(tableFile ? [tableFile] : [])],
    after: [watch],
  };

  const gateway = createGateway({
    host: options.host ?? '127.0.0.1',
    port: options.port,
    httpsPort: options.httpsPort,
    certificates: options.certificates,
    proxyProtocolFrom: options.proxyProtocolFrom,
    adminHost: options.adminHost ?? '127.0.0.1',
    adminPort: options.adminPort,
    internalToken: options.internalToken,
    contextKeysFile: options.contextKeysFile,
    accessLog: options.accessLog,
    ...(options.accessLogSample !== undefined && { accessLogSample: options.accessLogSample }),
    baseDomain: options.baseDomain,
    createEngine: options.createEngine ?? createHttp1Engine,
    timeouts,
    limits: { ...defaultLimits, ...options.limits },
    metrics,
    gatewayMetrics: own,
    readiness,
    logger,
    clock,
    random,
    origin,
    ...(options.takesOver && { takesOver: true }),
    shares,
    workers: options.workers,
  });
  return gateway;
}
