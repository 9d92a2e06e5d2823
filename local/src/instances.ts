// Runs what the files in a folder ask for: one supervised process an instance, and a report on each beside it.
import { type FSWatcher, statSync, watch } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type InstanceReport,
  readWanted,
  reportedNameOf,
  reportFile,
  type WantedInstance,
  wantedFile,
  wantedNameOf,
} from '@burgage/provisioner/instances';
import { type Clock, type Component, Doorbell, type Logger } from '@burgage/runtime';
import { type ProcessSpec, type ProcessState, SupervisedProcess } from './supervisor.ts';

export interface InstancesOptions {
  readonly folder: string;
  /** The process of an instance; makes the folders that it needs. */
  readonly specOf: (wanted: WantedInstance) => ProcessSpec;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onCrash: (name: string, how: string) => void;
}

/** Between two looks where watching says nothing. */
const lookMs = 250;
/** More at once would only make each slower: two cores. */
const startsAtOnceMax = 2;
/** One that takes longer no longer keeps others from starting. */
const startTurnMs = 15_000;
const readyTimeoutMs = 30_000;
/** Longer than an app may take to finish what is in flight. */
const stopTimeoutMs = 12_000;
const lastBackoffMs = 30_000;
/** Before what its process needs is made again, where that failed. */
const againMs = 5_000;

/**
 * Instances run while this component does, whatever becomes of who ordered them. It starts at once: no instance is waited
 * for. What it cannot read it leaves alone, with the process that it had asked for before.
 */
export class Instances implements Component {
  readonly name = 'instances';
  readonly #options: InstancesOptions;
  readonly #stopping = new AbortController();
  readonly #bell: Doorbell;
  readonly #kept = new Map<string, KeptInstance>();
  /** By file: as it was when it was last read. */
  readonly #read = new Map<string, string>();
  readonly #turns: Turns;
  #watcher: FSWatcher | undefined;
  #looking: Promise<void> = Promise.resolve();
  /** What the last look failed with, so that it is said once. */
  #failure = '';

  constructor(options: InstancesOptions) {
    this.#options = options;
    this.#bell = new Doorbell(options.clock);
    this.#turns = new Turns(startsAtOnceMax);
  }

  async start(): Promise<void> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // What an earlier supervisor said is about processes that ended with it.
    for (const name of await readdir(folder)) if (reportedNameOf(name) !== undefined) await rm(join(folder, name), { force: true });
    this.#watcher = watch(folder, (_, name) => {
      if (name === null || wantedNameOf(name) !== undefined) this.#bell.ring();
    });
    this.#watcher.on('error', () => undefined);
    this.#looking = this.#keepLooking();
  }

  async drain(): Promise<void> {
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#watcher?.close();
    await this.#looking;
    await Promise.all([...this.#kept.values()].map((kept) => kept.stop()));
  }

  async #keepLooking(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#look();
        this.#failure = '';
      } catch (error) {
        this.#sayOnce(error);
      }
      await this.#bell.wait(lookMs, signal);
    }
  }

  #sayOnce(error: unknown): void {
    const { folder, logger } = this.#options;
    if (this.#failure === String(error)) return;
    this.#failure = String(error);
    logger.error({ folder, err: error }, 'the folder of instances cannot be read; all goes on as it is');
  }

  async #look(): Promise<void> {
    const { folder } = this.#options;
    const files = await readdir(folder);
    const names = new Set(files.flatMap((file) => wantedNameOf(file) ?? []));
    for (const name of names) await this.#lookAt(name);
    for (const name of this.#read.keys()) if (!names.has(name)) this.#read.delete(name);
    for (const [name, kept] of this.#kept) {
      if (names.has(name)) kept.repeatReport();
      else if (kept.want(undefined)) this.#kept.delete(name);
    }
    for (const file of files) {
      const name = reportedNameOf(file);
      if (name !== undefined && !names.has(name) && !this.#kept.has(name)) await rm(join(folder, file), { force: true });
    }
  }

  async #lookAt(name: string): Promise<void> {
    const { folder, logger } = this.#options;
    const file = wantedFile(folder, name);
    let version: string | undefined;
    try {
      // Asked of every file at every look: a synchronous call costs a tenth of one that goes through the thread pool.
      const { ino, mtimeMs, size } = statSync(file);
      version = `${ino} ${mtimeMs} ${size}`;
      if (this.#read.get(name) === version) return;
      const wanted = await readWanted(folder, name);
      if (wanted === undefined) return;
      this.#read.set(name, version);
      let kept = this.#kept.get(name);
      if (kept === undefined) {
        kept = new KeptInstance(name, this.#options, this.#turns);
        this.#kept.set(name, kept);
      }
      kept.want(wanted);
    } catch (error) {
      if (version === undefined) return;
      this.#read.set(name, version);
      logger.warn({ file, err: error }, 'not the file of an instance; left alone');
    }
  }
}

/** One instance: brings what runs to what is wanted, one change after the other, and says how it is. */
class KeptInstance {
  readonly #name: string;
  readonly #options: InstancesOptions;
  readonly #turns: Turns;
  #wanted: WantedInstance | undefined;
  /** What the process was started for. */
  #running: { readonly wanted: WantedInstance; readonly process: SupervisedProcess; readonly endTurn: () => void } | undefined;
  #overtaken = new AbortController();
  #changing: Promise<void> = Promise.resolve();
  #changesLeft = 0;
  #report: InstanceReport | undefined;
  #reported: InstanceReport | undefined;
  #reporting: Promise<void> | undefined;

  constructor(name: string, options: InstancesOptions, turns: Turns) {
    this.#name = name;
    this.#options = options;
    this.#turns = turns;
  }

  /** Undefined: nothing is. Answers with true when nothing is left of it. */
  want(wanted: WantedInstance | undefined): boolean {
    const isNew = wanted !== undefined || this.#wanted !== undefined;
    this.#wanted = wanted;
    if (isNew) this.#change(() => this.#converge());
    return wanted === undefined && this.#changesLeft === 0 && this.#reporting === undefined;
  }

  /** Writes again what could not be written. */
  repeatReport(): void {
    if (this.#report !== this.#reported) this.#write();
  }

  async stop(): Promise<void> {
    this.#change(async () => {
      await this.#end();
      if (this.#wanted !== undefined) this.#say(this.#wanted, { state: 'stopped', pid: undefined, restarts: 0, lastExit: undefined });
    });
    await this.#changing;
    await this.#reporting;
  }

  #change(work: () => Promise<void>): void {
    this.#overtaken.abort();
    this.#changesLeft++;
    this.#changing = this.#changing
      .then(work)
      .catch((error) => this.#options.logger.error({ process: this.#name, err: error }, 'the instance could not be changed'))
      .finally(() => this.#changesLeft--);
  }

  async #converge(): Promise<void> {
    const wanted = this.#wanted;
    const running = this.#running;
    if (wanted === undefined) {
      await this.#end();
      this.#report = undefined;
      this.#write();
      return;
    }
    if (wanted.stopped) {
      await this.#end();
      this.#say(wanted, { state: 'stopped', pid: undefined, restarts: 0, lastExit: undefined });
      return;
    }
    if (running !== undefined && isSameProcess(running.wanted, wanted)) {
      this.#running = { ...running, wanted };
      if (this.#report !== undefined) this.#publish({ ...this.#report, order: wanted.order });
      return;
    }
    await this.#end();
    await this.#begin(wanted);
  }

  async #end(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.endTurn();
    await running?.process.stop();
  }

  async #begin(wanted: WantedInstance): Promise<void> {
    const { specOf, clock, logger, onCrash } = this.#options;
    this.#overtaken = new AbortController();
    if (this.#changesLeft > 1) return;
    this.#say(wanted, { state: 'starting', pid: undefined, restarts: 0, lastExit: undefined });
    const overtaken = this.#overtaken.signal;
    const giveBack = await this.#turns.take(overtaken);
    if (giveBack === undefined) return;
    const turn = new AbortController();
    clock.sleep(startTurnMs, turn.signal).then(giveBack);
    const endTurn = (): void => turn.abort();
    let spec: ProcessSpec;
    try {
      spec = specOf(wanted);
    } catch (error) {
      endTurn();
      logger.error({ process: wanted.name, err: error }, 'the instance cannot be started; tried again');
      const lastExit = `could not be started: ${error instanceof Error ? error.message : error}`;
      this.#say(wanted, { state: 'backing_off', pid: undefined, restarts: 0, lastExit });
      clock.sleep(againMs, overtaken).then(() => {
        if (!overtaken.aborted) this.#change(() => this.#converge());
      });
      return;
    }
    const process = new SupervisedProcess({
      spec,
      clock,
      logger,
      onCrash,
      onChange: (state) => {
        if (state.state !== 'starting') endTurn();
        const now = this.#running;
        if (now?.process === process) this.#say(now.wanted, state);
      },
      lastBackoffMs,
      readyTimeoutMs,
      stopTimeoutMs,
    });
    this.#running = { wanted, process, endTurn };
    process.begin();
  }

  #say({ name, order, port }: WantedInstance, { state, pid, restarts, lastExit }: ProcessState | StoppedState): void {
    const now = this.#options.clock.now().toISOString();
    const since = this.#report?.order === order && this.#report.state === state ? this.#report.since : now;
    this.#publish({ name, order, state, pid, port, restarts, since, lastExit, at: now });
  }

  #publish(report: InstanceReport): void {
    this.#report = report;
    this.#write();
  }

  /** One write at a time, of what is so by then. */
  #write(): void {
    this.#reporting ??= this.#writeLatest().finally(() => {
      this.#reporting = undefined;
    });
  }

  async #writeLatest(): Promise<void> {
    const { folder, logger } = this.#options;
    const file = reportFile(folder, this.#name);
    const part = `${file}.part`;
    try {
      do {
        const report = this.#report;
        if (report === undefined) await rm(file, { force: true });
        else {
          await writeFile(part, `${JSON.stringify(report)}\n`, { mode: 0o600 });
          await rename(part, file);
        }
        this.#reported = report;
      } while (this.#report !== this.#reported);
    } catch (error) {
      logger.warn({ file, err: error }, 'the state of an instance could not be written');
    }
  }
}

interface StoppedState {
  readonly state: 'stopped';
  readonly pid: undefined;
  readonly restarts: 0;
  readonly lastExit: undefined;
}

function isSameProcess(one: WantedInstance, other: WantedInstance): boolean {
  return one.port === other.port && one.tenantId === other.tenantId && one.upstream === other.upstream;
}

/** A few may do something at once; the others wait for their turn, in order. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with what gives the turn back, or with undefined when `signal` is aborted before it came. */
  async take(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (this.#free > 0) this.#free--;
    else {
      const came = await new Promise<boolean>((resolve) => {
        const go = (): void => resolve(true);
        this.#waiting.push(go);
        signal.addEventListener('abort', () => {
          const place = this.#waiting.indexOf(go);
          if (place === -1) return;
          this.#waiting.splice(place, 1);
          resolve(false);
        });
      });
      if (!came) return undefined;
    }
    let isBack = false;
    const giveBack = (): void => {
      if (isBack) return;
      isBack = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    };
    if (!signal.aborted) return giveBack;
    giveBack();
    return undefined;
  }
}
