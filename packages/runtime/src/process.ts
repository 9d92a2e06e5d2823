// The life of one process: components start in order, drain, and stop in reverse.
import { isatty } from 'node:tty';
import { BurgageError } from '@burgage/contracts';
import type { Logger } from './logger.ts';

/** A part of a process that is started and stopped. */
export interface Component {
  readonly name: string;
  /** Resolves when it does its work. `signal` is aborted when the process is to stop before that. */
  start(signal?: AbortSignal): Promise<void>;
  /** Takes no new work and resolves when the work in hand is done. */
  drain?(): Promise<void>;
  /** Lets everything go, whatever is still in hand. */
  stop(): Promise<void>;
}

export interface ProcessOptions {
  readonly name: string;
  readonly logger: Logger;
  /** In the order of starting: each may rely on those before it. */
  readonly components: readonly Component[];
  /** For all drains together; default 30,000. */
  readonly drainTimeoutMs?: number;
  /** Whether SIGINT, SIGTERM and the end of its terminal stop the process; default true. */
  readonly signals?: boolean;
}

export interface RunningProcess {
  /** Drains and stops everything; safe to call again. */
  stop(reason: string): Promise<void>;
  /** Resolves when everything has stopped, whoever asked for it. */
  readonly stopped: Promise<void>;
}

/** How long one component may take to stop before the others no longer wait for it. */
const stopTimeoutMs = 10_000;
/** Ctrl-C reaches a process from the terminal and again through a parent that hands it on: that is one wish, not two. */
const sameSignalMs = 300;
/** What a shell reports for a program that SIGINT ended. */
const forcedExitCode = 130;

/**
 * Starts `components` in order. SIGINT or SIGTERM drains them in reverse, then stops them in reverse; a second one,
 * later than a moment, ends the process at once. A signal during the start stops what has started. Uncaught errors are
 * logged before they end the process.
 * @throws what the failing start threw, after everything that had started was stopped again.
 */
export async function runProcess({
  name,
  logger,
  components,
  drainTimeoutMs = 30_000,
  signals = true,
}: ProcessOptions): Promise<RunningProcess> {
  const started: Component[] = [];
  const stopped = Promise.withResolvers<void>();
  const stopWanted = new AbortController();
  let starting = true;
  let stopReason: string | undefined;

  let signalledMs = Number.NEGATIVE_INFINITY;
  const onSignal = (signal: NodeJS.Signals) => {
    const sinceLastMs = performance.now() - signalledMs;
    signalledMs = performance.now();
    if (sinceLastMs < sameSignalMs) return;
    if (stopReason !== undefined) {
      logger.warn({ signal }, 'second signal: ending at once');
      process.exit(forcedExitCode);
    }
    stop(signal);
  };
  const onCrash = (error: unknown, origin: string) => logger.fatal({ err: error, origin }, 'uncaught error');

  function stop(reason: string): Promise<void> {
    if (stopReason === undefined) {
      stopReason = reason;
      logger.info({ process: name, reason }, 'stopping');
      stopWanted.abort();
      if (!starting) void windDown();
    }
    return stopped.promise;
  }

  /** Never rejects: what fails to drain or stop is logged, and the rest goes on. */
  async function windDown(): Promise<void> {
    const order = started.toReversed();
    const drainEnd = performance.now() + drainTimeoutMs;
    for (const component of order) {
      if (component.drain === undefined) continue;
      await bounded(logger, `draining ${component.name}`, Math.max(0, drainEnd - performance.now()), () => component.drain?.());
    }
    for (const component of order) await bounded(logger, `stopping ${component.name}`, stopTimeoutMs, () => component.stop());
    logger.info({ process: name, reason: stopReason }, 'stopped');
    stopped.resolve();
  }

  // For good: a late signal must not kill what is ending well, and ends what does not end.
  if (signals) {
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    // A terminal that is closed; what nohup started has no terminal, and goes on.
    if (isatty(0)) process.on('SIGHUP', onSignal);
    process.on('uncaughtExceptionMonitor', onCrash);
  }

  for (const component of components) {
    if (stopReason !== undefined) break;
    try {
      await component.start(stopWanted.signal);
      started.push(component);
    } catch (error) {
      // What a start left half-done is let go as well.
      await bounded(logger, `stopping ${component.name}`, stopTimeoutMs, () => component.stop());
      // A start that was told to give up has not failed.
      if (stopReason !== undefined) break;
      logger.error({ err: error, component: component.name }, 'start failed');
      stopReason = `${component.name} did not start`;
      await windDown();
      throw error;
    }
  }
  starting = false;
  if (stopReason === undefined) logger.info({ process: name }, 'started');
  else await windDown();
  return { stop, stopped: stopped.promise };
}

async function bounded(logger: Logger, what: string, timeoutMs: number, work: () => Promise<void> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new BurgageError('deadline_exceeded', { message: `${what} took longer than ${Math.round(timeoutMs)} ms` })),
        timeoutMs,
      );
    });
    await Promise.race([work(), timeout]);
  } catch (error) {
    logger.error({ err: error }, `${what} failed`);
  } finally {
    clearTimeout(timer);
  }
}
