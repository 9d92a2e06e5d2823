// The start of a service whose dependencies may be down: it is built and started again until they have come.
import { isBurgageError } from '@burgage/contracts';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import type { Component } from './process.ts';
import type { Random } from './random.ts';

/** Upper bound of the first wait, doubled with each, and of every wait; the wait itself is between half of it and all. */
const waitMs = { first: 200, longest: 5_000 };

export interface PatientStart<C extends Component> {
  readonly name: string;
  /** Makes the component; what it opens for it is closed with it, or when the try fails. */
  readonly build: (opened: AsyncDisposableStack) => Promise<C>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told what is missing, at every try that fails for it. */
  readonly onWaiting: (reason: string) => void;
}

interface Running<C> {
  readonly component: C;
  readonly opened: AsyncDisposableStack;
}

/**
 * A component that is built when it starts, and as often as building or starting it fails with `unavailable`, until it
 * is told to stop. Every other error is thrown as it is. What is missing is logged once, and again when it is something else.
 */
export function startPatiently<C extends Component>(options: PatientStart<C>): Component & { current(): C | undefined } {
  const { name, clock, random, logger, onWaiting } = options;
  let running: Running<C> | undefined;

  return {
    name,
    start: async (signal) => {
      const startedAtMs = clock.monotonicMs();
      let missing: string | undefined;
      for (let tries = 1; ; tries++) {
        try {
          running = await attempt(options, signal);
          if (tries > 1) logger.info({ tries, waitedMs: clock.monotonicMs() - startedAtMs }, 'what was missing has come');
          return;
        } catch (error) {
          if (!isBurgageError(error, 'unavailable')) throw error;
          if (error.message !== missing) logger.warn({ err: error }, 'waiting until what this service needs has come');
          missing = error.message;
          onWaiting(error.message);
          const boundMs = Math.min(waitMs.first * 2 ** (tries - 1), waitMs.longest);
          await clock.sleep(boundMs * (0.5 + random.float() / 2), signal);
          if (signal?.aborted) throw error;
        }
      }
    },
    drain: async () => running?.component.drain?.(),
    stop: async () => {
      const stopping = running;
      running = undefined;
      if (stopping !== undefined) await letGo(stopping);
    },
    current: () => running?.component,
  };
}

/** Builds and starts once; leaves nothing open where that fails. */
async function attempt<C extends Component>({ build, logger }: PatientStart<C>, signal: AbortSignal | undefined): Promise<Running<C>> {
  const opened = new AsyncDisposableStack();
  let component: C | undefined;
  try {
    component = await build(opened);
    await component.start(signal);
    return { component, opened };
  } catch (error) {
    await letGo({ component, opened }).catch((failed: unknown) => logger.warn({ err: failed }, 'a try to start left something open'));
    throw error;
  }
}

/** Stops the component, then closes what was opened for it, even where it does not stop well. */
async function letGo({ component, opened }: { component: Component | undefined; opened: AsyncDisposableStack }): Promise<void> {
  try {
    await component?.stop();
  } finally {
    await opened.disposeAsync();
  }
}
