// The gateway put together: an engine over the shared life of a request, with its admin port, log and metrics.
import { type BlockList, isIPv6 } from 'node:net';
import { invalidField } from '@burgage/contracts';
import {
  type AdminRouteKey,
  type Clock,
  type Component,
  createAdminServer,
  type Logger,
  type Metrics,
  type Random,
  type Readiness,
} from '@burgage/runtime';
import { type TenantLimits, unwrap } from '@burgage/tenancy';
import { type AccessLog, createAccessLog, logFile } from './adapters/access-log.ts';
import { createCertificateFolder } from './adapters/certificate-folder.ts';
import { createContextTokens } from './adapters/context-tokens.ts';
import type { Limits, Timeouts } from './defaults.ts';
import { Admission } from './domain/admission.ts';
import { explain } from './domain/explain.ts';
import { LimitCells } from './domain/limit-cells.ts';
import { LimitShares } from './domain/limit-shares.ts';
import { RandomPool } from './domain/random-pool.ts';
import type { RouteFollower, TablePosition } from './domain/route-follower.ts';
import type { RouteStatus } from './domain/route-status.ts';
import { parseTapFilter } from './domain/tap-filter.ts';
import { labelsMaxDefault, type TenantMeter, TenantMeters } from './domain/tenant-meters.ts';
import { Upstreams } from './domain/upstreams.ts';
import type { CreateEngine } from './engine/engine.ts';
import { isServed } from './engine/served-tunnels.ts';
import { Tap } from './engine/tap.ts';
import { Traffic, type TrafficOptions } from './engine/traffic.ts';
import { WaitingRoom } from './engine/waiting-room.ts';
import { inSlices } from './in-slices.ts';
import type { GatewayMetrics } from './metrics.ts';
import { createOverload } from './overload.ts';
import { TenantLook } from './tenant-look.ts';
import { WorkerPool, type Workers } from './workers/worker-pool.ts';

/** Where a gateway's routes come from. */
export interface RouteOrigin {
  readonly follower: RouteFollower;
  readonly onMiss: TrafficOptions['onMiss'];
  status(): RouteStatus;
  /** Accepts a held snapshot; false where none is held. */
  acceptSnapshot(): boolean;
  /** Other shares of limits are wanted than a moment ago. */
  demandsChanged?(): void;
  /** Resolves when its routes are all that there is to know, or as good as can be had now. @throws BurgageError `unavailable`: there are none. */
  settled?(signal: AbortSignal): Promise<void>;
  /** What it keeps on disk is another process's from now on. */
  handedOver?(): void;
  /** All requests are answered by a table by which not all were. */
  routesInForce?(): void;
  /** Started before the engine listens, in this order. */
  readonly before: readonly Component[];
  /** Started when the admin port is bound. */
  readonly after: readonly Component[];
}

export interface GatewayParts {
  readonly host: string;
  readonly port: number;
  /** For TLS, with the folder of its certificates; absent: there is none. */
  readonly httpsPort?: number | undefined;
  readonly certificates?: string | undefined;
  /** Peers whose connections begin with whom they are for (PROXY protocol); absent: there are none. */
  readonly proxyProtocolFrom?: BlockList | undefined;
  readonly adminHost: string;
  readonly adminPort: number;
  /** Needed for explain, status and accept; without it the admin port offers only what is public. */
  readonly internalToken?: string | undefined;
  readonly contextKeysFile?: string | undefined;
  /** A file, or `-` for standard output; absent: no access log. */
  readonly accessLog?: string | undefined;
  /** Of ordinary requests, the share that it has, 0 to 1; absent: all. */
  readonly accessLogSample?: number;
  /** Cookies of tenants for this domain are dropped; empty: none are. */
  readonly baseDomain: string;
  readonly createEngine: CreateEngine;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly gatewayMetrics: GatewayMetrics;
  readonly readiness: Readiness;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly origin: RouteOrigin;
  /** Another process serves at these addresses until this one does: it listens last of all, and with settled routes. */
  readonly takesOver?: boolean;
  /** Of tenants' limits; absent: they are all this gateway's. */
  readonly shares?: LimitShares;
  /** Threads that serve; absent: the main thread does, with `createEngine`. */
  readonly workers?: Workers | undefined;
}

export interface Gateway extends Component {
  drain(): Promise<void>;
  /** Leaves its addresses to another process that listens there; resolves when what it had taken on has ended, or at the drain timeout. */
  handOver(): Promise<void>;
  /** host:port of the listener. */
  address(): string;
  /** host:port of the listener for TLS, where there is one. */
  httpsAddress(): string | undefined;
  /** host:port of the admin port. */
  adminAddress(): string;
  /** How far the routes go that every request is answered by from now on. */
  appliedPosition(): TablePosition;
  /** The table is another than a moment ago: whoever waits for it is looked after at once. */
  routesApplied(): void;
  /** What the origin says of its routes is another than a moment ago: shown at once, and not at the next turn. */
  routesChanged(): void;
  /** Its shares of limits are other ones. */
  sharesChanged(): void;
}

/** Where it can be reached, for the line that says that it is ready. */
export function addressesOf(gateway: Gateway): string {
  const https = gateway.httpsAddress();
  return `gateway http://${gateway.address()}${https === undefined ? '' : ` https://${https}`} admin http://${gateway.adminAddress()}`;
}

/** How often forgotten tenants and upstreams are cleared away, tunnels that lost their tenant cut, and what is shown brought up to date. */
const houseworkMs = 1_000;

export function createGateway(parts: GatewayParts): Gateway {
  const { origin, clock, logger, gatewayMetrics, readiness, timeouts, limits, shares = new LimitShares() } = parts;
  const { follower } = origin;
  const random = new RandomPool(parts.random);
  const cells = parts.workers && new LimitCells(parts.workers.count);
  const meters = new TenantMeters(
    (label) => gatewayMetrics.requests.of(label),
    (number) => follower.table.names.tenants.nameOf(number),
    labelsMaxDefault,
    (tenant) => shares.of(tenant),
    cells && ((number) => cells.use(number, 0)),
  );
  const admission = new Admission(limits, meters);
  const upstreams = new Upstreams((address) => engine.forget(address));
  const waitingRoom = new WaitingRoom({
    isMoving: (tenantId) => follower.table.tenant(tenantId)?.moving ?? true,
    clock,
    metrics: gatewayMetrics,
  });
  const overload = createOverload({
    isPlatform: (tenant) => follower.table.isPlatform(tenant),
    metrics: gatewayMetrics,
    logger,
    clock,
    othersStrain: () => pool?.strains() ?? [],
  });
  const tenantLook = new TenantLook({ meters, overload, shares, limitsOf, onLabelEnded: (label) => gatewayMetrics.requests.forget(label) });
  const tokens = createContextTokens({ keysFile: parts.contextKeysFile, clock, logger });
  const accessLog: AccessLog | undefined =
    parts.accessLog === undefined || parts.workers !== undefined
      ? undefined
      : createAccessLog({
          sink: logFile(parts.accessLog, { clock, logger }),
          clock,
          logger,
          onDropped: (lines) => gatewayMetrics.logLinesDropped.inc(lines),
        });
  const tap = new Tap(clock);
  const traffic = new Traffic({
    table: () => follower.table,
    onMiss: origin.onMiss,
    admission,
    waitingRoom,
    upstreams,
    contextFor: tokens.tokenFor,
    meters,
    metrics: gatewayMetrics,
    log: accessLog,
    logShare: parts.accessLogSample ?? 1,
    tap,
    clock,
    random,
    limits,
    baseDomain: parts.baseDomain,
  });
  const { host, port, httpsPort, certificates, proxyProtocolFrom } = parts;
  const https =
    httpsPort === undefined || certificates === undefined
      ? undefined
      : { port: httpsPort, certificates: createCertificateFolder(certificates, clock) };
  const shared = { traffic, timeouts, limits, metrics: gatewayMetrics, logger, clock, random: parts.random };
  const pool = parts.workers && cells && createPool(parts.workers, cells);
  const engine = pool ?? parts.createEngine({ host, port, https, proxyProtocolFrom, ...shared });
  const admin = createAdmin();
  const housework = createHousework();
  const routesSettled: Component = {
    name: 'settled routes',
    start: async (signal = new AbortController().signal) => origin.settled?.(signal),
    stop: async () => {},
  };
  const components = [
    ...(accessLog ? [accessLog] : []),
    tokens,
    ...origin.before,
    ...(parts.takesOver
      ? [overload, housework, ...origin.after, routesSettled, engine, admin]
      : [engine, admin, overload, housework, ...origin.after]),
  ];
  const started: Component[] = [];
  /** As it was last bound: said of the gateway also while another process answers there. */
  let adminAddress = parts.takesOver ? `${isIPv6(parts.adminHost) ? `[${parts.adminHost}]` : parts.adminHost}:${parts.adminPort}` : '';

  function createAdmin(): ReturnType<typeof createAdminServer> {
    const guarded: Parameters<typeof createAdminServer>[0]['routes'] = {
      'GET /explain': async ({ url }) => {
        const asked = url.searchParams.get('url');
        if (asked === null || asked === '') throw invalidField('url', 'nothing came, expected an address as ?url=');
        await pool?.refresh();
        const { source, inSync } = origin.status();
        const facts = { table: follower.table, position: follower.position, inSync, source, admission, upstreams };
        return { status: 200, body: explain(asked, { ...facts, nowMs: clock.monotonicMs(), draw: () => random.float() }) };
      },
      'GET /routes/status': async () => ({ status: 200, body: origin.status() }),
      'GET /tap': async ({ url }) => {
        const filter = unwrap(parseTapFilter(url.searchParams));
        return { status: 200, contentType: 'application/x-ndjson', stream: (signal) => (pool ?? tap).listen(filter, signal) };
      },
      'POST /snapshot/accept': async () => ({ status: 200, body: { accepted: origin.acceptSnapshot(), ...origin.status() } }),
    };
    const publicRoutes: AdminRouteKey[] = ['GET /jwks.json'];
    return createAdminServer({
      host: parts.adminHost,
      port: parts.adminPort,
      metrics: parts.metrics,
      readiness,
      logger,
      routes: { 'GET /jwks.json': async () => ({ status: 200, body: tokens.jwks() }), ...(parts.internalToken !== undefined && guarded) },
      publicRoutes,
      ...(parts.internalToken !== undefined && { token: parts.internalToken }),
    });
  }

  function createPool(workers: Workers, cells: LimitCells): WorkerPool {
    const { contextKeysFile, accessLogSample = 1, baseDomain } = parts;
    return new WorkerPool({
      workers,
      setup: { host, port, httpsPort, certificates, proxyProtocolFrom, contextKeysFile, accessLogSample, baseDomain },
      accessLog: parts.accessLog,
      follower,
      onMiss: origin.onMiss,
      cells,
      shares,
      meters: () => meters,
      onWhole: () => origin.routesInForce?.(),
      timeouts,
      limits,
      metrics: parts.metrics,
      gatewayMetrics,
      readiness,
      logger,
      clock,
      random: parts.random,
    });
  }

  function createHousework(): Component {
    const stopping = new AbortController();
    let running: Promise<void> = Promise.resolve();
    async function keepHouse(): Promise<void> {
      while (!stopping.signal.aborted) {
        await lookAtTenants(stopping.signal);
        const { demands } = shares;
        if (lookAtShares()) showShares();
        if (shares.demands !== demands) origin.demandsChanged?.();
        showRoutes();
        cutTunnels();
      }
    }
    return {
      name: 'housework',
      start: async () => {
        showRoutes();
        showShares();
        running = keepHouse();
      },
      stop: async () => {
        stopping.abort();
        await running;
      },
    };
  }

  /** At all of them, for about a second: there may be a million. */
  async function lookAtTenants(signal: AbortSignal): Promise<void> {
    const count = meters.slices;
    await inSlices({ count, spanMs: houseworkMs, clock, signal }, (slice) => {
      tenantLook.see(slice, clock.monotonicMs());
      upstreams.sweep((upstream) => follower.table.endpoints(upstream), count);
    });
    if (!signal.aborted) tenantLook.end();
  }

  function cutTunnels(): void {
    const { inSync } = origin.status();
    const { table } = follower;
    engine.cutTunnels((exchange) => isServed(exchange, table, inSync));
  }

  function limitsOf(tenantId: string): TenantLimits | undefined {
    return follower.table.tenant(tenantId)?.limits;
  }

  function meterOf(tenantId: string): TenantMeter | undefined {
    const number = follower.table.names.tenants.find(tenantId);
    return number < 0 ? undefined : meters.get({ number, tenantId });
  }

  function lookAtShares(): boolean {
    return shares.look(clock.monotonicMs(), meterOf, limitsOf);
  }

  function showShares(): void {
    shares.handOut(meterOf);
    pool?.tellShares();
    const { evenShare, tenants } = shares.status;
    gatewayMetrics.evenShare.set(evenShare);
    gatewayMetrics.sharedTenants.set(tenants);
  }

  function showRoutes(): void {
    const status = origin.status();
    if (pool !== undefined) pool.inSync = status.inSync;
    gatewayMetrics.hosts.set(status.hosts);
    gatewayMetrics.tenants.set(status.tenants);
    gatewayMetrics.revision.set(status.revision);
    gatewayMetrics.inSync.set(status.inSync ? 1 : 0);
    gatewayMetrics.snapshotHeld.set(status.snapshotHeld ? 1 : 0);
    readiness.set('routes', status.source !== 'none', status.sentence);
  }

  return {
    name: 'gateway',
    start: async (signal) => {
      try {
        for (const component of components) {
          await component.start(signal);
          started.push(component);
          if (component === admin) adminAddress = admin.address();
        }
      } catch (error) {
        for (const component of started.splice(0).reverse()) await component.stop();
        throw error;
      }
      readiness.set('traffic', true);
    },
    drain: async () => {
      readiness.set('traffic', false, 'draining');
      await engine.drain();
    },
    handOver: async () => {
      origin.handedOver?.();
      await Promise.all([admin.stop(), engine.handOver()]);
    },
    stop: async () => {
      for (const component of started.splice(0).reverse()) await component.stop();
    },
    address: () => engine.address(),
    httpsAddress: () => engine.httpsAddress(),
    adminAddress: () => adminAddress || admin.address(),
    appliedPosition: () => pool?.position ?? follower.position,
    routesApplied: () => waitingRoom.look(),
    routesChanged: showRoutes,
    sharesChanged: () => {
      showShares();
      // Whoever is told a smaller share says at once what is still in flight beyond it.
      lookAtShares();
    },
  };
}
