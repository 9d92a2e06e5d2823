// Keeps the journal of the routes from growing for ever.
import type { Clock, Component, Logger } from '@burgage/runtime';
import type { Journal } from '@burgage/store';
import type { RegistryMetrics } from './metrics.ts';

export interface JournalKeeperOptions {
  readonly routes: Journal;
  /** Entries that stay readable; a gateway that is further behind gets a snapshot. */
  readonly entriesKept: number;
  readonly intervalMs: number;
  readonly metrics: Pick<RegistryMetrics, 'journalHead' | 'journalEntries'>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Trims the journal at every interval; a failure is logged and tried again at the next. */
export function createJournalKeeper({ routes, entriesKept, intervalMs, metrics, logger, clock }: JournalKeeperOptions): Component {
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function trim(): Promise<void> {
    const { revision, oldest } = await routes.head();
    const trimTo = Math.max(revision - entriesKept, 0);
    if (trimTo >= oldest) await routes.trim(trimTo);
    metrics.journalHead.set(revision);
    metrics.journalEntries.set(revision - Math.max(oldest - 1, trimTo));
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await trim().catch((error: unknown) => logger.warn({ err: error }, 'the journal of the routes could not be trimmed'));
      await clock.sleep(intervalMs, stopping.signal);
    }
  }

  return {
    name: 'journal keeper',
    async start() {
      running = run();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
