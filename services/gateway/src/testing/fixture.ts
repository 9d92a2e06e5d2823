// What the gateway's tests start: a gateway on given routes, apps behind it, and clients that send bytes.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { createLogger, createMetrics, type Metrics, Readiness, seededRandom, systemClock } from '@burgage/runtime';
import { type RouteEntry, unwrap } from '@burgage/tenancy';
import { afterEach, beforeEach, describe } from 'vitest';
import { defaultLimits, defaultTimeouts, type Limits, type Timeouts } from '../defaults.ts';
import { parseRouteFile } from '../domain/route-file.ts';
import { RouteFollower } from '../domain/route-follower.ts';
import { routeStatus } from '../domain/route-status.ts';
import type { CreateEngine } from '../engine/engine.ts';
import { createHttp1Engine } from '../engine/http1/engine.ts';
import { createGateway, type Gateway, type GatewayParts } from '../gateway.ts';
import { gatewayMetrics } from '../metrics.ts';
import { createOracle } from './oracle/oracle.ts';
import { freshNames } from './tables.ts';

const engines = { http1: createHttp1Engine, oracle: createOracle } satisfies Record<string, CreateEngine>;
export type EngineName = keyof typeof engines;
let engine: EngineName = 'http1';

/** Where there are several workers, they serve in the place of the main thread. */
let workers: number | undefined;

/**
 * The same tests with each engine: `startGateway` takes that one. `alsoWorkers`: and once more with so many workers, which have
 * clocks of their own.
 */
export function describeEngines(define: (engine: EngineName, workers: number | undefined) => void, alsoWorkers?: number): void {
  for (const name of Object.keys(engines) as EngineName[]) describeWay(name, name, undefined, define);
  if (alsoWorkers !== undefined) describeWay(`${alsoWorkers} workers`, 'http1', alsoWorkers, define);
}

/** The same tests with one thread, and with so many workers, which have clocks of their own. */
export function describeWorkers(count: number, define: (workers: number | undefined) => void): void {
  describeWay('one thread', 'http1', undefined, () => define(undefined));
  describeWay(`${count} workers`, 'http1', count, () => define(count));
}

function describeWay(
  title: string,
  name: EngineName,
  count: number | undefined,
  define: (engine: EngineName, workers: number | undefined) => void,
): void {
  describe(title, () => {
    beforeEach(() => {
      engine = name;
      workers = count;
    });
    afterEach(() => {
      engine = 'http1';
      workers = undefined;
    });
    define(name, count);
  });
}

const closers: (() => Promise<unknown>)[] = [];

/** Runs after the test, in reverse order. */
export function onTestEnd(close: () => Promise<unknown>): void {
  closers.push(close);
}

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export const silent = createLogger({ service: 'test', level: 'silent' });

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'burgage-gateway-'));
  onTestEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface RouteLine {
  readonly host: string;
  readonly tenant?: string;
  readonly backends?: readonly string[];
  readonly [field: string]: unknown;
}

export interface StartedGateway {
  readonly gateway: Gateway;
  readonly address: string;
  readonly port: number;
  /** Of the listener for TLS; NaN where there is none. */
  readonly httpsPort: number;
  readonly admin: string;
  readonly metrics: Metrics;
  readonly follower: RouteFollower;
  readonly readiness: Readiness;
}

/** A gateway whose routes are these lines of a route file. */
export async function startGateway(
  lines: readonly RouteLine[],
  options: { timeouts?: Partial<Timeouts>; limits?: Partial<Limits> } & Partial<Omit<GatewayParts, 'timeouts' | 'limits'>> = {},
): Promise<StartedGateway> {
  const text = lines.map((line) => JSON.stringify({ tenant: `ten_${line.host.replaceAll('*', 'any')}`, backends: [], ...line })).join('\n');
  const follower = new RouteFollower(unwrap(parseRouteFile(text, 'routes.ndjson', freshNames())), {
    epoch: 'file',
    revision: 1,
    seen: { revision: 1, stamp: '' },
  });
  const metrics = createMetrics();
  const readiness = new Readiness();
  const { timeouts, limits, ...rest } = options;
  const gateway = createGateway({
    host: '127.0.0.1',
    port: 0,
    adminHost: '127.0.0.1',
    adminPort: 0,
    baseDomain: 'test',
    createEngine: engines[engine],
    workers: workers === undefined ? undefined : { count: workers, log: { service: 'test', level: 'silent' } },
    timeouts: { ...defaultTimeouts, ...timeouts },
    limits: { ...defaultLimits, ...limits },
    metrics,
    gatewayMetrics: gatewayMetrics(metrics),
    readiness,
    logger: silent,
    clock: systemClock,
    random: seededRandom(1),
    origin: {
      follower,
      onMiss: () => 'final',
      status: () => routeStatus({ follower, source: 'file', savedAt: undefined, now: systemClock.now(), disconnectedMs: undefined }),
      acceptSnapshot: () => false,
      before: [],
      after: [],
    },
    ...rest,
  });
  await gateway.start();
  onTestEnd(() => gateway.stop());
  const port = Number(gateway.address().split(':').at(-1));
  const httpsPort = Number(gateway.httpsAddress()?.split(':').at(-1));
  return { gateway, address: gateway.address(), port, httpsPort, admin: `http://${gateway.adminAddress()}`, metrics, follower, readiness };
}

/** The next revision of the routes, which takes these entries in: in force for every request from now on. */
export function applyRoutes({ gateway, follower }: Pick<StartedGateway, 'gateway' | 'follower'>, ...entries: RouteEntry[]): void {
  const { kind } = follower.batch(entries, follower.position.revision + 1, '');
  if (kind !== 'advanced') throw new Error(`the routes: got ${kind}, expected advanced`);
  gateway.routesApplied();
}

/** The tenant of that host has its app for itself from now on. */
export function makeSilo({ follower: { table } }: Pick<StartedGateway, 'follower'>, host: string): void {
  for (const entry of table.entriesOf(`ten_${host}`)) {
    if (entry.entity?.kind === 'tenant') table.apply({ ...entry, version: 2, entity: { ...entry.entity, isolation: 'silo' } });
  }
}

/** An app behind the gateway. */
export async function startApp(listener: RequestListener): Promise<{ address: string; server: Server }> {
  const server = createServer(listener);
  return { address: await listenOn(server), server };
}

/** An app that speaks bytes. */
export async function startTcp(onConnection: (socket: Socket) => void): Promise<{ address: string; server: TcpServer }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  onTestEnd(async () => {
    for (const socket of sockets) socket.destroy();
  });
  return { address: await listenOn(server), server };
}

async function listenOn(server: TcpServer | Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestEnd(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An address where nobody listens. */
export async function deadAddress(): Promise<string> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}

/** A connection that sends bytes and keeps what comes. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  ended = false;
  closed = false;
  #wake: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    const wake = () => {
      for (const waiting of this.#wake.splice(0)) waiting();
    };
    socket.on('data', (chunk: string) => {
      this.received += chunk;
      wake();
    });
    socket.on('end', () => {
      this.ended = true;
      wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      wake();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    onTestEnd(async () => socket.destroy());
    return new RawClient(socket);
  }

  /** The same over TLS. */
  static async secure(port: number, options: ConnectionOptions): Promise<RawClient> {
    const socket = connectTls({ port, host: '127.0.0.1', ...options });
    onTestEnd(async () => socket.destroy());
    await once(socket, 'secureConnect');
    return new RawClient(socket);
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Resolves once what came satisfies `condition`; the test's own timeout is the bound. */
  async until(condition: (client: this) => boolean): Promise<string> {
    while (!condition(this)) {
      if (this.closed) throw new Error(`the connection closed; received: ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return this.received;
  }

  untilText(text: string): Promise<string> {
    return this.until((client) => client.received.includes(text));
  }

  /** Everything up to the end of the connection. */
  async all(): Promise<string> {
    while (!this.ended && !this.closed) await new Promise<void>((resolve) => this.#wake.push(resolve));
    return this.received;
  }
}

/** Sends bytes on a new connection and gives everything that comes back until the gateway ends it. */
export async function sendRaw(port: number, text: string): Promise<string> {
  const client = await RawClient.connect(port);
  return client.send(text).all();
}

/** Waits for something that has no event; the test's own timeout is the bound. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Waits until what is counted has begun to grow and for `stillMs` grows no more: whatever is on the way is full. */
export async function settled(count: () => number | Promise<number>, stillMs = 200): Promise<void> {
  let before = -1;
  await eventually(async () => {
    await new Promise((resolve) => setTimeout(resolve, stillMs));
    const now = await count();
    const isSame = now === before && now > 0;
    before = now;
    return isSame;
  });
}

/** Writes so many bytes as an answer, as fast as they are taken. `written` is how many so far. */
export function pour(response: ServerResponse, bytes: number): { readonly written: number } {
  const poured = { written: 0 };
  const chunk = Buffer.alloc(64 * 1024);
  const more = () => {
    while (poured.written < bytes) {
      poured.written += chunk.length;
      if (!response.write(chunk)) return void response.once('drain', more);
    }
    response.end();
  };
  more();
  return poured;
}

/** A seed for random faults: another one at each run, or $SEED; told where something is left, so that the run can be had again. */
export function seedOfRun(): number {
  return Number(process.env.SEED ?? Math.floor(Date.now() / 1_000));
}

/** The value of a counter or gauge with these labels; 0 where it was never touched. */
export async function metricValue(metrics: Metrics, name: string, labels: Record<string, string> = {}): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)?.get();
  const found = metric?.values.filter((value) => Object.entries(labels).every(([key, label]) => value.labels[key] === label)) ?? [];
  return found.reduce((sum, { value }) => sum + value, 0);
}
