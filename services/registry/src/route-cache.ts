// The route entries that were asked for lately, kept as the journal changes them: asking again costs no read of the store.
import type { Clock, Component, Logger } from '@burgage/runtime';
import type { Journal, JournalHead } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';
import { routeFromJson } from './adapters/outbox.ts';

export type RouteKind = RouteEntry['kind'];

export interface RouteCacheOptions {
  readonly journal: Journal;
  /** Reads an entry from the store. */
  readonly load: (kind: RouteKind, key: string) => Promise<RouteEntry | undefined>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Entries that are remembered; beyond it the memory starts anew. Default 100,000: about 50 MB. */
  readonly entriesMax?: number;
}

export interface RouteCache extends Component {
  /**
   * An entry that is at least as new as `position` said before the call, as this process's own writes, and as the journal
   * was two seconds ago; undefined where there is none.
   */
  get(kind: RouteKind, key: string): Promise<RouteEntry | undefined>;
  /** How far the journal is followed; read from the store where it is not followed just now. */
  position(): Promise<Pick<JournalHead, 'epoch' | 'revision'>>;
  /** Entries that this process has just written. */
  written(entries: readonly RouteEntry[]): void;
}

/** An entry, or the reading of one. What the journal brings meanwhile is newer than what is being read. */
interface Slot {
  entry: RouteEntry | undefined;
  loading: Promise<void> | undefined;
}

const batchSize = 500;
const waitMs = 1_000;
const retryMs = 1_000;
/** Followed, but not heard of for longer: the store is asked itself. */
const staleMs = 2_000;

export function createRouteCache({ journal, load, clock, logger, entriesMax = 100_000 }: RouteCacheOptions): RouteCache {
  const slots = new Map<string, Slot>();
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let followed: Pick<JournalHead, 'epoch' | 'revision'> | undefined;
  let heardMs = Number.NEGATIVE_INFINITY;

  function isFresh(): boolean {
    return followed !== undefined && clock.monotonicMs() - heardMs <= staleMs;
  }

  function apply(entry: RouteEntry): void {
    const slot = slots.get(nameOf(entry.kind, entry.key));
    if (slot !== undefined && (slot.entry === undefined || slot.entry.version < entry.version)) slot.entry = entry;
  }

  /** Until the journal begins another epoch, or was trimmed beyond what was read. */
  async function keepUp(from: JournalHead): Promise<void> {
    const { signal } = stopping;
    let { revision } = from;
    while (!signal.aborted) {
      await journal.waitBeyond(revision, waitMs, signal);
      const entries = await journal.readAfter(revision, batchSize);
      // What was read before a reset is of the old epoch; what could be of the new one is thrown away.
      if ((await journal.head()).epoch !== from.epoch) return;
      for (const { value } of entries) {
        const entry = routeFromJson(value);
        if (entry !== undefined) apply(entry);
      }
      revision = entries.at(-1)?.revision ?? revision;
      followed = { epoch: from.epoch, revision };
      heardMs = clock.monotonicMs();
    }
  }

  async function follow(): Promise<void> {
    let reachable = true;
    while (!stopping.signal.aborted) {
      try {
        const head = await journal.head();
        slots.clear();
        followed = head;
        heardMs = clock.monotonicMs();
        if (!reachable) logger.info('the journal of the routes is followed again');
        reachable = true;
        await keepUp(head);
      } catch (error) {
        // Said once, not at every try.
        if (reachable && !stopping.signal.aborted)
          logger.warn({ err: error }, 'the journal of the routes cannot be followed; will try again');
        reachable = false;
        followed = undefined;
        await clock.sleep(retryMs, stopping.signal);
      }
    }
  }

  async function read(name: string, kind: RouteKind, key: string): Promise<RouteEntry | undefined> {
    if (slots.size >= entriesMax) slots.clear();
    const slot: Slot = { entry: undefined, loading: undefined };
    slots.set(name, slot);
    try {
      slot.loading = load(kind, key).then((loaded) => {
        if (loaded !== undefined && (slot.entry === undefined || slot.entry.version < loaded.version)) slot.entry = loaded;
      });
      await slot.loading;
      return slot.entry;
    } finally {
      slot.loading = undefined;
      // Names that do not exist are anybody's to invent: they are not remembered.
      if (slot.entry === undefined && slots.get(name) === slot) slots.delete(name);
    }
  }

  return {
    name: 'route cache',
    async start() {
      running = follow();
    },
    async stop() {
      stopping.abort();
      await running;
    },
    async get(kind, key) {
      if (!isFresh()) return await load(kind, key);
      const name = nameOf(kind, key);
      const slot = slots.get(name);
      if (slot === undefined) return await read(name, kind, key);
      if (slot.entry === undefined) await slot.loading;
      return slot.entry;
    },
    async position() {
      return isFresh() && followed !== undefined ? followed : await journal.head();
    },
    written(entries) {
      for (const entry of entries) apply(entry);
    },
  };
}

function nameOf(kind: RouteKind, key: string): string {
  return `${kind} ${key}`;
}
