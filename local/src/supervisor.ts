// Keeps child processes running: starts them, watches them, starts them again with backoff, and stops every one of them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import type { Clock, Component, Logger } from '@burgage/runtime';
import { BoundedLog } from './bounded-log.ts';
import { lastComplaint } from './complaint.ts';
import { assertPortFree } from './ports.ts';

/** A process to keep running. */
export interface ProcessSpec {
  readonly name: string;
  /** Arguments for this same Node. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Its standard output and error go there, appended. */
  readonly logFile: string;
  /** Its log is two files of at most so many bytes, written by the supervisor; without it one file that it writes itself. */
  readonly logBytesMax?: number;
  /** Answers 2xx once it can work. */
  readonly readyUrl: string;
  /** Loopback port that nobody may listen at when it is started: an answer from there is its own. */
  readonly ownPort?: number;
}

/** How a supervised process is. */
export interface ProcessState {
  readonly state: 'starting' | 'running' | 'backing_off';
  readonly pid: number | undefined;
  /** How often it was started again since it last ran well. */
  readonly restarts: number;
  /** How it ended last, in words, with the last line of a bounded log. */
  readonly lastExit: string | undefined;
}

export interface SupervisorOptions {
  readonly spec: ProcessSpec;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told when it ended by itself, before it is started again. */
  readonly onCrash: (name: string, how: string) => void;
  /** Told of every change; never after `stop` has resolved. */
  readonly onChange?: (state: ProcessState) => void;
  /** The longest pause before it is started again; default 5,000. */
  readonly lastBackoffMs?: number;
  readonly readyTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

/** Restart delays double from the first to the last; a process that ran for `stableMs` begins anew. */
const backoff = { firstMs: 100, lastMs: 5_000, stableMs: 10_000 } as const;
const readyPollMs = 15;
/** One that takes long is asked less and less often. */
const readyPollMsMax = 1_000;
/** For what it had said before it ended: more may come only from a child of its own that holds its output open. */
const lastWordsMs = 1_000;

/** Why a process ended, in words. */
function howItEnded(code: number | null, signal: NodeJS.Signals | null): string {
  return signal ? `was ended by ${signal}` : `ended with code ${code}`;
}

/**
 * One supervised process. Its standard input is a pipe that nobody writes to: when this process is gone, however it
 * went, the pipe ends, and the child ends itself. It runs in a process group of its own, so that a terminal's Ctrl-C
 * reaches only the supervisor, which then stops its children in order.
 */
export class SupervisedProcess implements Component {
  readonly name: string;
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  readonly #log: BoundedLog | undefined;
  #restarts = 0;
  #lastExit: string | undefined;
  #child: ChildProcess | undefined;
  #exited: Promise<string> = Promise.resolve('was never started');
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.name = options.spec.name;
    this.#options = options;
    const { logFile, logBytesMax } = options.spec;
    if (logBytesMax !== undefined) this.#log = new BoundedLog(logFile, logBytesMax).setMaxListeners(0);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when the process answers at its ready URL; throws when it ends before, takes too long, or `signal` says to give up. */
  async start(signal?: AbortSignal): Promise<void> {
    const { spec, clock, readyTimeoutMs } = this.#options;
    await this.#launch();
    let ended: string | undefined;
    this.#exited.then((how) => {
      ended = how;
    });
    const startedAtMs = clock.now().getTime();
    const giveUpAtMs = clock.monotonicMs() + readyTimeoutMs;
    const why = (): string => {
      const complaint = lastComplaint(spec.logFile, startedAtMs);
      return complaint === '' ? `${spec.logFile} says why` : `${complaint} (${spec.logFile})`;
    };
    for (;;) {
      // Asked before it is looked at: another program may answer at an address that this one could not have.
      const ready = await answers(spec.readyUrl);
      if (ended) throw new Error(`${spec.name} ${ended} before it was ready: ${why()}`);
      if (ready) break;
      if (signal?.aborted) throw new Error(`${spec.name} was told to stop before it was ready`);
      if (clock.monotonicMs() > giveUpAtMs) throw new Error(`${spec.name} was not ready within ${readyTimeoutMs / 1_000} s: ${why()}`);
      await clock.sleep(readyPollMs, signal);
    }
    this.#keeping = this.#keep();
  }

  /** Starts it and does not wait: how it goes is told to `onChange`. */
  begin(): void {
    this.#keeping = this.#launch().then(() => this.#keep());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const { clock, logger, stopTimeoutMs, spec } = this.#options;
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const late = new AbortController();
      child.kill('SIGTERM');
      const timer = clock.sleep(stopTimeoutMs, late.signal).then(() => {
        if (late.signal.aborted) return;
        logger.warn({ process: spec.name }, 'did not stop in time; killed');
        child.kill('SIGKILL');
      });
      await this.#exited;
      late.abort();
      await timer;
    }
    await this.#keeping;
    if (this.#log !== undefined && !this.#log.writableEnded) {
      this.#log.end();
      await once(this.#log, 'close');
    }
  }

  /** Never throws: a process that cannot be started has ended, and is tried again as any other. */
  async #launch(): Promise<void> {
    const { ownPort } = this.#options.spec;
    try {
      if (ownPort !== undefined) await assertPortFree('127.0.0.1', ownPort);
      if (!this.#stopping.signal.aborted) this.#spawn();
    } catch (error) {
      this.#child = undefined;
      this.#exited = Promise.resolve(`could not be started: ${error instanceof Error ? error.message : error}`);
    }
    this.#say('starting');
  }

  #spawn(): void {
    const { spec, logger } = this.#options;
    // Else it is the program that is said not to be there.
    if (!existsSync(spec.cwd)) throw new Error(`its folder ${spec.cwd} is not there`);
    const output = this.#log === undefined ? openSync(spec.logFile, 'a', 0o600) : 'pipe';
    try {
      const child = spawn(process.execPath, spec.args, {
        cwd: spec.cwd,
        env: { ...spec.env },
        stdio: ['pipe', output, output],
        detached: true,
      });
      child.stdin?.on('error', () => undefined);
      this.#child = child;
      this.#exited = this.#endOf(child);
      logger.info({ process: spec.name, childPid: child.pid, readyUrl: spec.readyUrl, args: spec.args }, 'process started');
    } finally {
      if (output !== 'pipe') closeSync(output);
    }
  }

  /** Resolves with how it ended, once all that it said is in its log. */
  async #endOf(child: ChildProcess): Promise<string> {
    const ended = new Promise<string>((resolve) => {
      child.on('error', (error) => resolve(`could not be started: ${error.message}`));
      child.on('exit', (code, signal) => resolve(howItEnded(code, signal)));
    });
    const log = this.#log;
    if (log === undefined) return await ended;
    log.turn();
    const outputs = [child.stdout, child.stderr].filter((output) => output !== null);
    const said = Promise.all(outputs.map((output) => new Promise((resolve) => output.once('close', resolve))));
    for (const output of outputs) {
      output.on('error', () => undefined);
      output.pipe(log, { end: false });
    }
    const how = await ended;
    const enough = new AbortController();
    await Promise.race([said, this.#options.clock.sleep(lastWordsMs, enough.signal)]);
    enough.abort();
    for (const output of outputs) output.destroy();
    return log.lastLine === '' ? how : `${how}: ${log.lastLine}`;
  }

  #say(state: ProcessState['state']): void {
    const { onChange } = this.#options;
    onChange?.({
      state,
      pid: state === 'backing_off' ? undefined : this.#child?.pid,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
    });
  }

  /** Says when it answers, and when it has run well for long enough, unless it ends before. */
  async #sayWhenReady(ended: AbortSignal): Promise<void> {
    const { spec, clock } = this.#options;
    for (let pollMs = readyPollMs; !ended.aborted && !(await answers(spec.readyUrl)); pollMs = Math.min(pollMs * 1.05, readyPollMsMax)) {
      await clock.sleep(pollMs, ended);
    }
    if (ended.aborted) return;
    this.#say('running');
    if (this.#restarts === 0) return;
    await clock.sleep(backoff.stableMs, ended);
    if (ended.aborted) return;
    this.#restarts = 0;
    this.#say('running');
  }

  async #keep(): Promise<void> {
    const { spec, clock, logger, onCrash, onChange, lastBackoffMs = backoff.lastMs } = this.#options;
    const { signal } = this.#stopping;
    let delayMs: number = backoff.firstMs;
    for (;;) {
      const startedMs = clock.monotonicMs();
      const ended = new AbortController();
      const saying = onChange === undefined ? undefined : this.#sayWhenReady(AbortSignal.any([ended.signal, signal]));
      const how = await this.#exited;
      ended.abort();
      await saying;
      if (signal.aborted) return;
      if (clock.monotonicMs() - startedMs > backoff.stableMs) {
        delayMs = backoff.firstMs;
        this.#restarts = 0;
      }
      this.#lastExit = how;
      logger.error({ process: spec.name, how, delayMs }, 'process ended by itself; starting it again');
      onCrash(spec.name, how);
      this.#say('backing_off');
      await clock.sleep(delayMs, signal);
      if (signal.aborted) return;
      delayMs = Math.min(delayMs * 2, lastBackoffMs);
      this.#restarts++;
      await this.#launch();
    }
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
