// The workers of a gateway: threads that serve, kept in number, fed with routes and limits, and summed up.
import { createServer } from 'node:net';
import { BurgageError } from '@burgage/contracts';
import { type Clock, Doorbell, type Logger, type LoggerOptions, type Metrics, type Random, type Readiness } from '@burgage/runtime';
import type { RouteEntry } from '@burgage/tenancy';
import { type LogSink, logFile } from '../adapters/access-log.ts';
import type { Limits, Timeouts } from '../defaults.ts';
import type { LimitCells } from '../domain/limit-cells.ts';
import type { LimitShares } from '../domain/limit-shares.ts';
import { RequestSeries } from '../domain/request-series.ts';
import type { RouteFollower, TablePosition } from '../domain/route-follower.ts';
import type { ResolvedHost } from '../domain/route-table.ts';
import type { Strain } from '../domain/shedding.ts';
import type { TapFilter } from '../domain/tap-filter.ts';
import type { TenantMeters } from '../domain/tenant-meters.ts';
import type { Engine } from '../engine/engine.ts';
import { listen } from '../engine/listen.ts';
import { assertRoomToListen, TapQueue } from '../engine/tap-queue.ts';
import { durationBuckets, type GatewayMetrics } from '../metrics.ts';
import { WorkerFigures } from './figures.ts';
import type { FromWorker, WorkerSetup } from './messages.ts';
import { TicketKeyWriter } from './words.ts';
import { readReport } from './worker-meters.ts';
import { type Addresses, WorkerThread } from './worker-thread.ts';

/** A worker that has not turned its loop for so long serves nobody, and whoever is given to it waits. */
const stuckMsDefault = 10_000;
const lookMs = 1_000;
/** A worker that lived for less is begun again later each time. */
const healthyMs = 60_000;
const backoffMinMs = 100;
const backoffMaxMs = 5_000;
/** More than the engine's own drain takes. */
const stopMs = 5_000;
/** What is asked of all workers is waited for so long. */
const answerMs = 500;

/** How many workers, and what a test needs of them. */
export interface Workers {
  readonly count: number;
  /** The logs of workers go where the main thread's do. */
  readonly log: LoggerOptions;
  readonly stuckMs?: number;
  /** Flags of Node for each thread. */
  readonly execArgv?: readonly string[];
  /** Hears of each thread that is begun. */
  readonly onThread?: (thread: WorkerThread['thread'], worker: number) => void;
}

export interface WorkerPoolOptions {
  readonly workers: Workers;
  readonly setup: Pick<
    WorkerSetup,
    'host' | 'port' | 'httpsPort' | 'certificates' | 'proxyProtocolFrom' | 'contextKeysFile' | 'accessLogSample' | 'baseDomain'
  >;
  readonly accessLog: string | undefined;
  readonly follower: RouteFollower;
  /** What to answer where the table knows nothing. */
  readonly onMiss: (host: string) => 'final' | 'no-table' | Promise<ResolvedHost | undefined>;
  readonly cells: LimitCells;
  readonly shares: LimitShares;
  readonly meters: () => TenantMeters;
  /** A table is served by all workers that not all of them had. */
  readonly onWhole: () => void;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly gatewayMetrics: GatewayMetrics;
  readonly readiness: Readiness;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

export class WorkerPool implements Engine {
  readonly name = 'workers';
  readonly #options: WorkerPoolOptions;
  readonly #threads = new Map<number, WorkerThread>();
  readonly #figures: WorkerFigures;
  readonly #tickets: TicketKeyWriter;
  readonly #sink: LogSink | undefined;
  readonly #strains = new Map<number, Strain>();
  readonly #reported: Doorbell;
  readonly #tappings = new Map<number, { readonly filter: TapFilter; readonly queue: TapQueue }>();
  readonly #stopping = new AbortController();
  readonly #seriesSize = new RequestSeries(durationBuckets).size;
  readonly #waits: Promise<void>[] = [];
  /** For each question: which workers have not answered. */
  readonly #owing = new Set<Set<number>>();
  #asking: Promise<void> | undefined;
  #taps = 0;
  /** Workers in a row that did not live for long. */
  #failures = 0;
  #writing: Promise<void> = Promise.resolve();
  #inSync = false;
  /** How far the table goes that some worker still answers by. */
  #behind: TablePosition | undefined;
  #addresses: Addresses | undefined;
  #isDraining = false;
  #looking: NodeJS.Timeout | undefined;

  constructor(options: WorkerPoolOptions) {
    const { clock, random, timeouts, metrics, gatewayMetrics, follower, accessLog } = options;
    this.#options = options;
    this.#reported = new Doorbell(clock);
    this.#tickets = new TicketKeyWriter(random, timeouts.ticketKeyMs, clock.monotonicMs());
    this.#sink = accessLog === undefined ? undefined : logFile(accessLog, options);
    this.#figures = new WorkerFigures(metrics, () => this.refresh());
    gatewayMetrics.workers.collect(() => [{ labels: {}, value: this.#serving }]);
    gatewayMetrics.workerConnections.collect(() => this.#connections());
    follower.listen({
      applied: (entries) => this.#applied(entries),
      swapped: (before) => this.#swapped(before),
    });
  }

  /** How far the table goes that all workers answer by. */
  get position(): TablePosition {
    return this.#behind ?? this.#options.follower.position;
  }

  /** @throws BurgageError as `listen`, or why a worker does not start. */
  async start(): Promise<void> {
    const { setup, workers, clock } = this.#options;
    const { host, port, httpsPort } = setup;
    await this.#sink?.open();
    try {
      // Another program that shares its ports would not be noticed otherwise.
      if (port !== 0) await isFree(host, port, 'port');
      if (httpsPort !== undefined && httpsPort !== 0) await isFree(host, httpsPort, 'httpsPort');
      // The first one takes the ports where any will do.
      this.#addresses = await this.#begin(0).listening;
      await Promise.all(Array.from({ length: workers.count - 1 }, (_, index) => this.#begin(index + 1).listening));
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#showServing();
    this.#looking = setInterval(
      () => {
        const nowMs = clock.monotonicMs();
        this.#tickets.rotate(nowMs);
        for (const thread of this.#threads.values()) thread.check(nowMs, workers.stuckMs ?? stuckMsDefault);
      },
      Math.min(lookMs, (workers.stuckMs ?? stuckMsDefault) / 4),
    );
  }

  address(): string {
    return (this.#addresses ?? notStarted()).address;
  }

  httpsAddress(): string | undefined {
    return this.#addresses?.httpsAddress;
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    await Promise.all([...this.#threads.values()].map((thread) => thread.drain()));
  }

  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#stopping.abort();
    clearInterval(this.#looking);
    await Promise.all([...this.#threads.values()].map((thread) => thread.stop(stopMs)));
    await Promise.all(this.#waits);
    await this.#sink?.close();
  }

  /** Not without loss: workers have sockets of their own. */
  handOver(): Promise<void> {
    return this.drain();
  }

  /** Each worker knows when its own requests have left an endpoint. */
  forget(): void {}

  /** Each worker looks after its own tunnels. */
  cutTunnels(): void {}

  /** Whether a host that the table does not know is not known to anybody. */
  set inSync(inSync: boolean) {
    this.#inSync = inSync;
    for (const { words } of this.#threads.values()) words.inSync = inSync;
  }

  /** The shares of limits are other ones. */
  tellShares(): void {
    for (const { feed } of this.#threads.values()) feed.tellShares();
  }

  strains(): readonly Strain[] {
    return [...this.#strains.values()];
  }

  /** Has all workers say what they have counted; waits a moment for those that can. */
  refresh(): Promise<void> {
    if (this.#asking === undefined) {
      this.#asking = this.#ask();
      // Who asks in the same turn is told the same.
      setImmediate(() => {
        this.#asking = undefined;
      });
    }
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const owing = new Set<number>();
    for (const thread of this.#threads.values()) {
      if (!thread.isListening) continue;
      owing.add(thread.number);
      thread.say({ kind: 'report' });
    }
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    const untilMs = clock.monotonicMs() + answerMs;
    this.#owing.add(owing);
    while (owing.size > 0 && !signal.aborted && clock.monotonicMs() < untilMs)
      await this.#reported.wait(untilMs - clock.monotonicMs(), signal);
    this.#owing.delete(owing);
  }

  /** As `Tap.listen`, over all workers. */
  listen(filter: TapFilter, signal: AbortSignal): AsyncGenerator<string, void> {
    assertRoomToListen(this.#tappings.size);
    const listener = this.#taps++;
    const queue = new TapQueue(this.#options.clock);
    this.#tappings.set(listener, { filter, queue });
    for (const thread of this.#threads.values()) thread.say({ kind: 'tap', listener, filter });
    return this.#tapped(listener, queue, signal);
  }

  async *#tapped(listener: number, queue: TapQueue, signal: AbortSignal): AsyncGenerator<string, void> {
    try {
      yield* queue.lines(signal);
    } finally {
      this.#tappings.delete(listener);
      for (const thread of this.#threads.values()) thread.say({ kind: 'untap', listener });
    }
  }

  get #serving(): number {
    return [...this.#threads.values()].filter(({ isListening }) => isListening).length;
  }

  #begin(worker: number): WorkerThread {
    const { setup, workers, clock, cells, follower, shares, timeouts, limits, accessLog } = this.#options;
    const [port, httpsPort] = [portOf(this.#addresses?.address) ?? setup.port, portOf(this.#addresses?.httpsAddress) ?? setup.httpsPort];
    const beganMs = clock.monotonicMs();
    const thread = new WorkerThread(
      {
        setup: {
          ...setup,
          worker,
          workers: workers.count,
          port,
          httpsPort,
          hasAccessLog: accessLog !== undefined,
          timeouts,
          limits: { ...limits, clientConnectionsMax: Math.max(1, Math.floor(limits.clientConnectionsMax / workers.count)) },
          log: workers.log,
          tickets: this.#tickets.buffer,
          locking: cells.locking.buffer as SharedArrayBuffer,
          clock: { mainMs: clock.monotonicMs(), machineMs: Number(process.hrtime.bigint()) / 1e6 },
        },
        execArgv: workers.execArgv,
        feed: { follower, cells, shares, onWhole: () => this.#whole() },
        onSaid: (from, said) => this.#said(from, said),
      },
      beganMs,
    );
    this.#threads.set(worker, thread);
    thread.words.inSync = this.#inSync;
    thread.feed.load();
    thread.feed.tellShares();
    for (const [listener, { filter }] of this.#tappings) thread.say({ kind: 'tap', listener, filter });
    void thread.ended.then((why) => this.#ended(thread, why, clock.monotonicMs() - beganMs));
    workers.onThread?.(thread.thread, worker);
    return thread;
  }

  #ended(thread: WorkerThread, why: string | undefined, livedMs: number): void {
    const { cells, logger, gatewayMetrics } = this.#options;
    const worker = thread.number;
    if (this.#threads.get(worker) === thread) this.#threads.delete(worker);
    cells.release(worker);
    this.#figures.end(worker);
    this.#strains.delete(worker);
    for (const owing of this.#owing) owing.delete(worker);
    this.#reported.ring();
    this.#whole();
    if (this.#isDraining || this.#addresses === undefined) return;
    this.#showServing();
    this.#failures = livedMs < healthyMs ? this.#failures + 1 : 0;
    const afterMs = this.#failures <= 1 ? 0 : Math.min(backoffMinMs * 2 ** (this.#failures - 2), backoffMaxMs);
    gatewayMetrics.workersReplaced.inc();
    logger.error(
      { worker, reason: why, livedMs: Math.round(livedMs), afterMs },
      'worker ended: what it had in flight is lost; another one takes its place',
    );
    this.#waits.push(this.#replace(worker, afterMs));
  }

  async #replace(worker: number, afterMs: number): Promise<void> {
    const { clock, logger } = this.#options;
    await clock.sleep(afterMs, this.#stopping.signal);
    if (this.#isDraining) return;
    const thread = this.#begin(worker);
    try {
      await thread.listening;
      logger.info({ worker }, 'worker serves');
      this.#showServing();
    } catch (error) {
      // One that ended by itself is replaced for that.
      thread.kill(error instanceof Error ? error.message : String(error));
    }
  }

  #said(thread: WorkerThread, said: FromWorker): void {
    switch (said.kind) {
      case 'counted':
        this.#counted(said.meters);
        return;
      case 'report':
        this.#strains.set(thread.number, said.strain);
        this.#figures.tell(thread.number, said.figures);
        for (const owing of this.#owing) owing.delete(thread.number);
        this.#reported.ring();
        return;
      case 'resolve':
        void this.#resolve(thread, said.host);
        return;
      case 'log':
        void this.#write(thread, said.bytes);
        return;
      case 'tapped': {
        const queue = this.#tappings.get(said.listener)?.queue;
        if (queue?.isFull) queue.drop(said.text.split('\n').length - 1);
        else queue?.add(said.text);
        return;
      }
      default:
        throw new TypeError(`unknown message ${said.kind}`);
    }
  }

  #counted(report: Float64Array): void {
    const meters = this.#options.meters();
    for (const { number, requests, bytes, refusals, seriesAt } of readReport(report, this.#seriesSize)) {
      const meter = meters.countMany(number, requests);
      meter.bytes += bytes;
      meter.concurrencyRefusals += refusals;
      meter.series.add(report, seriesAt);
    }
  }

  async #resolve(thread: WorkerThread, host: string): Promise<void> {
    const { onMiss, follower } = this.#options;
    const outcome = onMiss(host);
    const { table } = follower;
    const resolved = outcome === 'final' ? { tenant: table.tenantAt(host), table } : outcome === 'no-table' ? undefined : await outcome;
    const tenantId = resolved?.tenant?.tenantId;
    const entries = tenantId === undefined ? [] : (resolved?.table.entriesOf(tenantId) ?? []);
    // The entries may name a tenant that nobody has heard of.
    thread.feed.tellNames();
    thread.say({ kind: 'resolved', host, found: resolved && { tenantId, entries } });
  }

  /** Whole pieces, one after the other. */
  async #write(thread: WorkerThread, bytes: Uint8Array): Promise<void> {
    const before = this.#writing;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing = promise;
    await before;
    try {
      await this.#sink?.append(bytes);
      thread.say({ kind: 'logged' });
    } catch {
      thread.say({ kind: 'not-logged' });
    } finally {
      resolve();
    }
  }

  #applied(entries: readonly RouteEntry[]): void {
    for (const { feed } of this.#threads.values()) feed.applied(entries);
  }

  #swapped(before: TablePosition): void {
    if (this.#threads.size > 0) this.#behind ??= before;
    for (const { feed } of this.#threads.values()) feed.load();
  }

  #whole(): void {
    if (this.#behind === undefined) return;
    // Who does not listen yet answers nobody.
    for (const { feed, isListening } of this.#threads.values()) if (feed.isLoading && isListening) return;
    this.#behind = undefined;
    this.#options.onWhole();
  }

  *#connections() {
    for (const { worker, value } of this.#figures.valuesOf('burgage_gateway_client_connections'))
      yield { labels: { worker: `${worker}` }, value };
  }

  #showServing(): void {
    const isServing = this.#serving > 0;
    this.#options.readiness.set('workers', isServing, isServing ? undefined : 'no worker serves; another one is begun');
  }
}

async function isFree(host: string, port: number, field: 'port' | 'httpsPort'): Promise<void> {
  const probe = createServer();
  await listen(probe, host, port, field);
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}

function portOf(address: string | undefined): number | undefined {
  return address === undefined ? undefined : Number(address.split(':').at(-1));
}

function notStarted(): never {
  throw new BurgageError('internal', { message: 'The workers are not started.' });
}
