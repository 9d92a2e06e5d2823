// One server of the lab: its processes, its port and its folder, from the first start to the last stop.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type Random, systemClock, systemRandom } from '@burgage/runtime';
import { folderOf } from './cache.ts';
import { LabError } from './errors.ts';
import { disownFolder, type KeptProcess, ownFolder, startKept } from './kept-process.ts';
import { type ClaimedPort, claimPort, isFree } from './ports.ts';
import { killAll, type ProcessIdentity, stillLives, withDescendants } from './process-tree.ts';
import type { Place, ProcessPlan, ServerProduct } from './product.ts';

/** A server that the lab started. One call at a time: they do not wait for each other. */
export interface RunningServer extends AsyncDisposable {
  readonly name: string;
  /** Without credentials, also where the server wants them: `nats://127.0.0.1:20123`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** All that it writes is below. */
  readonly folder: string;
  /** Of the process that listens on the port. @throws LabError while there is none. */
  readonly pid: number;
  /** Ends it as an operator would. Its data stays. */
  stop(): Promise<void>;
  /** SIGKILL for every process of it, and waits until they are gone. Its data stays. */
  kill(): Promise<void>;
  /** On the same port and data, after `stop` or `kill`; resolves when it answers. */
  start(): Promise<void>;
  /** `stop` and `start`. */
  restart(): Promise<void>;
  /** What its processes have written to standard output and error so far. */
  log(): Promise<string>;
  /** Ends it for good and removes its folder, unless that is a kept one. Safe to call again. */
  close(): Promise<void>;
}

export interface StartOptions {
  /** A folder that is kept: made where it is missing, its data taken up where there is some. Default: a new one that goes. */
  readonly folder?: string | undefined;
  /** Default: a free one. */
  readonly port?: number;
  /** Takes the product's usual port where it is free. */
  readonly usualPort?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
}

const host = '127.0.0.1';
const readyTimeoutMs = 60_000;
const readyPollMs = 20;
const stopTimeoutMs = 15_000;
const goneTimeoutMs = 5_000;
/** Another program may take a port between the look at it and the start. */
const portAttempts = 3;
/** How much of a failed start's log goes into the error. */
const shownLines = 15;

/** Starts a server whose builds are installed; resolves when it answers. It ends with this process at the latest. */
export async function run<Options extends object>(
  product: ServerProduct<Options>,
  options: Options,
  { folder, port, usualPort = false, clock = systemClock, random = systemRandom }: StartOptions = {},
): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    const claimed = port === undefined ? await claimPort(host, random, usualPort ? product.usualPort : undefined) : await givenPort(port);
    const transient = await mkdtemp(join(tmpdir(), `burgage-lab-${product.name}-`));
    await ownFolder(transient);
    if (folder !== undefined) await mkdir(folder, { recursive: true, mode: 0o700 });
    const place = { host, port: claimed.port, folder: folder ?? transient, transient, folderOf };
    const server = new LabServer(product, options, place, claimed, clock);
    try {
      await server.prepare();
      await server.start();
      return server;
    } catch (error) {
      const log = await server.log();
      await server.close();
      if (port === undefined && attempt < portAttempts && /address already in use/i.test(log)) continue;
      throw error;
    }
  }
}

/** @throws LabError when it is taken. */
async function givenPort(port: number): Promise<ClaimedPort> {
  if (!(await isFree(host, port))) throw new LabError(`port ${port} on ${host} is in use by another program`);
  return { port, release: async () => {} };
}

interface Running {
  readonly plan: ProcessPlan;
  readonly process: KeptProcess;
}

class LabServer<Options extends object> implements RunningServer {
  readonly #product: ServerProduct<Options>;
  readonly #options: Options;
  readonly #place: Place;
  readonly #claimed: ClaimedPort;
  readonly #clock: Clock;
  /** In the order of starting. */
  #running: readonly Running[] = [];
  #closed: Promise<void> | undefined;

  constructor(product: ServerProduct<Options>, options: Options, place: Place, claimed: ClaimedPort, clock: Clock) {
    this.#product = product;
    this.#options = options;
    this.#place = place;
    this.#claimed = claimed;
    this.#clock = clock;
  }

  get name(): string {
    return this.#product.name;
  }

  get host(): string {
    return this.#place.host;
  }

  get port(): number {
    return this.#place.port;
  }

  get url(): string {
    return `${this.#product.scheme}://${this.host}:${this.port}`;
  }

  get folder(): string {
    return this.#place.folder;
  }

  get pid(): number {
    const last = this.#running.at(-1);
    if (last === undefined) throw new LabError(`${this.name} does not run: it was stopped`);
    return last.process.pid;
  }

  async prepare(): Promise<void> {
    await this.#product.prepare?.(this.#place, this.#options);
  }

  async start(): Promise<void> {
    if (this.#running.length > 0 && this.#running.every(({ process }) => process.ended === undefined)) return;
    await this.kill();
    try {
      for (const plan of this.#product.processes(this.#place, this.#options)) await this.#startOne(plan);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async stop(): Promise<void> {
    // Before anything ends: what loses its parent is not found any more.
    const all = this.#processes();
    for (const { plan, process } of this.#running.toReversed()) {
      if (process.ended !== undefined) continue;
      signal(process.pid, plan.stopSignal ?? 'SIGTERM');
      await within(this.#clock, stopTimeoutMs, process.end());
    }
    await this.#end(all);
  }

  async kill(): Promise<void> {
    await this.#end(this.#processes());
  }

  #processes(): readonly ProcessIdentity[] {
    return withDescendants(this.#running.flatMap(({ process }) => (process.ended === undefined ? [process.pid] : [])));
  }

  /** Resolves when none of `all` is left. */
  async #end(all: readonly ProcessIdentity[]): Promise<void> {
    killAll(all);
    await Promise.all(this.#running.map(({ process }) => process.end()));
    const giveUpAtMs = this.#clock.monotonicMs() + goneTimeoutMs;
    while (all.some(stillLives)) {
      if (this.#clock.monotonicMs() > giveUpAtMs)
        throw new LabError(`${this.name}: not all of its processes ended within ${goneTimeoutMs} ms`);
      await this.#clock.sleep(readyPollMs);
    }
    this.#running = [];
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async log(): Promise<string> {
    const plans = this.#product.processes(this.#place, this.#options);
    const logs = await Promise.all(plans.map((plan) => readFile(this.#logFile(plan), 'utf8').catch(() => '')));
    return logs.join('');
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.stop();
    const { transient } = this.#place;
    await rm(transient, { recursive: true, force: true, maxRetries: 5 });
    await disownFolder(transient);
    await this.#claimed.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #startOne(plan: ProcessPlan): Promise<void> {
    const { name, command, args, env } = plan;
    const process = await startKept({
      command,
      args,
      cwd: this.folder,
      env: { ...plainEnvironment(this.folder), ...env },
      logFile: this.#logFile(plan),
    });
    this.#running = [...this.#running, { plan, process }];
    const giveUpAtMs = this.#clock.monotonicMs() + readyTimeoutMs;
    for (;;) {
      // Asked before it is looked at: another program may answer on a port that this one could not have.
      const ready = await plan.answers().catch(() => false);
      if (process.ended !== undefined) throw new LabError(`${name} ${process.ended} before it answered:\n${await this.#logEnd(plan)}`);
      if (ready) break;
      if (this.#clock.monotonicMs() > giveUpAtMs) {
        throw new LabError(`${name} did not answer within ${readyTimeoutMs} ms:\n${await this.#logEnd(plan)}`);
      }
      await this.#clock.sleep(readyPollMs);
    }
    await plan.afterStart?.();
  }

  #logFile(plan: ProcessPlan): string {
    return join(this.folder, `${plan.name}.log`);
  }

  async #logEnd(plan: ProcessPlan): Promise<string> {
    const text = await readFile(this.#logFile(plan), 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-shownLines).join('\n');
  }
}

/** Nothing of the user's: a server runs the same everywhere. */
function plainEnvironment(folder: string): Readonly<Record<string, string>> {
  return { PATH: process.env.PATH ?? '', HOME: folder, LANG: 'C.UTF-8', TZ: 'UTC' };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has just ended by itself.
  }
}

/** Resolves when `done` does, or after `ms`. */
async function within(clock: Clock, ms: number, done: Promise<unknown>): Promise<void> {
  const late = new AbortController();
  await Promise.race([done, clock.sleep(ms, late.signal)]);
  late.abort();
}
