// One worker: a thread that serves requests, on a copy of the routes and under limits that it shares with the others.
import { parentPort, workerData } from 'node:worker_threads';
import { isBurgageError } from '@burgage/contracts';
import { type Clock, createLogger, createMetrics, systemClock, systemRandom } from '@burgage/runtime';
import { createAccessLog } from '../adapters/access-log.ts';
import { createCertificateFolder } from '../adapters/certificate-folder.ts';
import { createContextTokens } from '../adapters/context-tokens.ts';
import { createStrainGauge } from '../adapters/strain.ts';
import { Admission } from '../domain/admission.ts';
import { LimitCells } from '../domain/limit-cells.ts';
import { RandomPool } from '../domain/random-pool.ts';
import { type ResolvedHost, RouteNames, RouteTable } from '../domain/route-table.ts';
import { Upstreams } from '../domain/upstreams.ts';
import { createHttp1Engine } from '../engine/http1/engine.ts';
import { isServed } from '../engine/served-tunnels.ts';
import { Tap } from '../engine/tap.ts';
import { Traffic } from '../engine/traffic.ts';
import { WaitingRoom } from '../engine/waiting-room.ts';
import { inSlices } from '../in-slices.ts';
import { durationBuckets, gatewayMetrics } from '../metrics.ts';
import { figuresOf } from './figures.ts';
import type { FoundHost, FromWorker, ToWorker, WorkerSetup } from './messages.ts';
import { RouteReplica } from './route-replica.ts';
import { SharedTicketKeys, WorkerWords } from './words.ts';
import { WorkerMeters } from './worker-meters.ts';

/** How often it says that it turns its loop. */
const turnMs = 500;
const houseworkMs = 1_000;
/** How long answers about hosts share a table. */
const lateMs = 3_000;

if (parentPort === null) throw new TypeError('This file is a thread of the gateway, not a program.');
const main = parentPort;
const setup = workerData as WorkerSetup;
const { worker, workers, host, port, httpsPort, certificates, proxyProtocolFrom, timeouts, limits } = setup;

const say = (message: FromWorker, transfer: readonly ArrayBuffer[] = []): void => main.postMessage(message, [...transfer]);
const clock = clockOfMain();
const logger = createLogger(setup.log).child({ worker });
const random = new RandomPool(systemRandom);
const metrics = createMetrics();
const own = gatewayMetrics(metrics);
const words = new WorkerWords(setup.words);
const names = new RouteNames(systemRandom);
const cells = new LimitCells(workers, setup.locking);
const meters = new WorkerMeters({
  cells,
  worker,
  numberOf: (tenantId) => names.tenants.find(tenantId),
  idOf: (number) => names.tenants.nameOf(number),
  bounds: durationBuckets,
});
const upstreams = new Upstreams((address) => engine.forget(address));
const replica = new RouteReplica({
  feed: setup.feed,
  words,
  names,
  cells,
  meters,
  onTaken: () => say({ kind: 'taken' }),
  onApplied: (isFirst) => {
    // Not within a request that took the change in.
    setImmediate(() => waitingRoom.look());
    if (isFirst) void serve();
  },
});
const waitingRoom = new WaitingRoom({ isMoving: (tenantId) => replica.table.tenant(tenantId)?.moving ?? true, clock, metrics: own });
const tokens = createContextTokens({ keysFile: setup.contextKeysFile, clock, logger });
const strain = createStrainGauge(clock);

/** Answers that the main thread owes: of the log, and of hosts. */
const written: ((isWritten: boolean) => void)[] = [];
const asked = new Map<
  string,
  { readonly answer: Promise<ResolvedHost | undefined>; readonly settle: (found: ResolvedHost | undefined) => void }
>();

/** What is known of hosts that the table does not have. */
let late = { table: new RouteTable(names), untilMs: 0 };

const accessLog = setup.hasAccessLog
  ? createAccessLog({
      sink: {
        open: async () => {},
        append: (bytes) =>
          new Promise((resolve, reject) => {
            // The piece is filled again. What a Buffer calls its slice would be the piece itself, and gone with it.
            const copy = new Uint8Array(bytes);
            written.push((isWritten) => (isWritten ? resolve() : reject(new Error('the main thread could not write'))));
            say({ kind: 'log', bytes: copy }, [copy.buffer]);
          }),
        close: async () => {},
      },
      clock,
      logger,
      onDropped: (lines) => own.logLinesDropped.inc(lines),
    })
  : undefined;

const tap = new Tap(clock);
const listeners = new Map<number, AbortController>();

const traffic = new Traffic({
  table: () => replica.table,
  onMiss: (missed) => {
    if (!words.inSync) return resolve(missed);
    const { changed } = replica;
    if (changed !== undefined) return Promise.resolve({ tenant: changed.tenantAt(missed), table: changed });
    return replica.isBehind ? resolve(missed) : 'final';
  },
  admission: new Admission(limits, meters),
  waitingRoom,
  upstreams,
  contextFor: tokens.tokenFor,
  meters,
  metrics: own,
  log: accessLog,
  logShare: setup.accessLogSample,
  tap,
  clock,
  random,
  limits,
  baseDomain: setup.baseDomain,
});
const engine = createHttp1Engine({
  host,
  port,
  https:
    httpsPort === undefined || certificates === undefined
      ? undefined
      : { port: httpsPort, certificates: createCertificateFolder(certificates, clock) },
  proxyProtocolFrom,
  reusePort: true,
  ticketKeys: new SharedTicketKeys(setup.tickets),
  traffic,
  timeouts,
  limits,
  metrics: own,
  logger,
  clock,
  random: systemRandom,
});

const turning = setInterval(() => words.turn(), turnMs);
const ending = new AbortController();
const housework = keepHouse();

async function keepHouse(): Promise<void> {
  for (;;) {
    const count = meters.slices;
    await inSlices({ count, spanMs: houseworkMs, clock, signal: ending.signal }, (slice) => {
      upstreams.sweep((upstream) => replica.table.endpoints(upstream), count);
      tellCounted(slice);
    });
    if (ending.signal.aborted) return;
    const { inSync } = words;
    const { table } = replica;
    engine.cutTunnels((exchange) => isServed(exchange, table, inSync && !replica.isBehind));
    await tellFigures();
  }
}

/** Once there are routes. */
async function serve(): Promise<void> {
  try {
    for (const component of [...(accessLog ? [accessLog] : []), tokens, strain, engine]) await component.start();
    words.turn();
    say({ kind: 'listening', address: engine.address(), httpsAddress: engine.httpsAddress() });
  } catch (error) {
    const known = isBurgageError(error) ? error : undefined;
    const message = error instanceof Error ? error.message : String(error);
    say({ kind: 'failed', code: known?.code ?? 'internal', message, fields: known?.fields ?? [] });
  }
}

/** What the main thread knows of a host, asked once for all who wait for it. */
function resolve(missed: string): Promise<ResolvedHost | undefined> {
  const known = asked.get(missed);
  if (known !== undefined) return known.answer;
  const { promise, resolve: settle } = Promise.withResolvers<ResolvedHost | undefined>();
  asked.set(missed, { answer: promise, settle });
  say({ kind: 'resolve', host: missed });
  return promise;
}

/** All at once, as far as others can wait for it. */
async function report(): Promise<void> {
  for (let slice = 0; slice < meters.slices; slice++) {
    tellCounted(slice);
    if (slice + 1 < meters.slices) await new Promise((resolve) => setImmediate(resolve));
  }
  await tellFigures();
}

function tellCounted(slice: number): void {
  const counted = meters.report(slice);
  if (counted.length > 0) say({ kind: 'counted', meters: counted }, [counted.buffer as ArrayBuffer]);
}

async function tellFigures(): Promise<void> {
  say({ kind: 'report', figures: await figuresOf(metrics), strain: strain.read() });
}

async function show(listener: number, texts: AsyncIterable<string>): Promise<void> {
  for await (const text of texts) if (text !== '\n') say({ kind: 'tapped', listener, text });
}

async function stop(): Promise<void> {
  for (const leaving of listeners.values()) leaving.abort();
  for (const component of [engine, strain, tokens, ...(accessLog ? [accessLog] : [])]) await component.stop();
  clearInterval(turning);
  ending.abort();
  await housework;
  await report();
  say({ kind: 'stopped' });
}

main.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'drain':
      void engine.drain().then(() => say({ kind: 'drained' }));
      return;
    case 'stop':
      void stop();
      return;
    case 'report':
      void report();
      return;
    case 'logged':
    case 'not-logged':
      written.shift()?.(message.kind === 'logged');
      return;
    case 'resolved': {
      const waiting = asked.get(message.host);
      asked.delete(message.host);
      waiting?.settle(message.found && resolved(message.found));
      return;
    }
    case 'tap': {
      const leaving = new AbortController();
      listeners.set(message.listener, leaving);
      void show(message.listener, tap.listen(message.filter, leaving.signal));
      return;
    }
    case 'untap':
      listeners.get(message.listener)?.abort();
      listeners.delete(message.listener);
      return;
    default:
      throw new TypeError(`unknown message ${String(message satisfies never)}`);
  }
});

function resolved({ tenantId, entries }: FoundHost): ResolvedHost {
  // The names in it are told before it is.
  void replica.table;
  const nowMs = clock.monotonicMs();
  // A table has rows for all names: one for many answers, and not for ever.
  if (nowMs >= late.untilMs) late = { table: new RouteTable(names), untilMs: nowMs + lateMs };
  for (const entry of entries) late.table.apply(entry);
  return { tenant: tenantId === undefined ? undefined : late.table.tenant(tenantId), table: late.table };
}

/** Threads count from when they began: limits and times that they share need one beginning. */
function clockOfMain(): Clock {
  const { mainMs, machineMs } = setup.clock;
  const nowMs = Number(process.hrtime.bigint()) / 1e6;
  const aheadMs = mainMs + (nowMs - machineMs) - systemClock.monotonicMs();
  return { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
}
