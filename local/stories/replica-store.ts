// The store as one replica of the registry has it: with faults between a commit and its relay, slow scans, and a view that may be behind.
import { BurgageError } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import type { Documents, DocumentType, Journal, JournalHead, Json, Store } from '@burgage/store';

/** What goes wrong in every replica until it is set otherwise. */
export interface StoreFaults {
  /** The process ends after a commit and before its relay, or after the append and before the outbox is emptied. */
  relay: 'works' | 'ends before append' | 'ends before pull';
  /** Waited for before each page of a scan and each read of the journal: the type of the documents, or the journal's name. */
  beforeRead: (what: string) => Promise<void>;
}

/** What a replica sees: the store as it is, or as it was. What it has seen it goes on seeing. */
export class View {
  #store: Promise<Store> | undefined;
  #changed = new AbortController();

  /** What reads are answered from; undefined: the live store. */
  get store(): Promise<Store> | undefined {
    return this.#store;
  }

  /** Aborted when the view is moved. */
  get changed(): AbortSignal {
    return this.#changed.signal;
  }

  /** From this turn on; reads wait for a store that is still being opened. */
  show(store: Promise<Store> | undefined): void {
    this.#store = store;
    const before = this.#changed;
    this.#changed = new AbortController();
    before.abort();
  }
}

export interface ReplicaStoreOptions {
  readonly live: Store;
  readonly faults: StoreFaults;
  readonly view: View;
  readonly clock: Clock;
  /** Told of every append in the turn of its commit. */
  readonly appended: (head: JournalHead, values: readonly Json[]) => void;
  /** Carries out a reset that the registry asks for. */
  readonly reset: (journal: Journal, options: Parameters<Journal['reset']>[0]) => Promise<JournalHead>;
}

/** Small, so that much can happen between two pages. */
const scanPageSize = 6;

/** Routes are scanned, and the journal is read, in the view; what decides a write, and every write, is the live store's. */
export function replicaStore({ live, faults, view, clock, appended, reset }: ReplicaStoreOptions): Store {
  function journal(name: string): Journal {
    const real = live.journal(name);
    const seen = async (): Promise<Journal> => (view.store === undefined ? real : (await view.store).journal(name));
    return {
      head: async () => await (await seen()).head(),
      async readAfter(revision, limit) {
        await faults.beforeRead(name);
        return await (await seen()).readAfter(revision, limit);
      },
      async waitBeyond(revision, timeoutMs, signal) {
        const endsAtMs = clock.monotonicMs() + timeoutMs;
        for (;;) {
          const over = AbortSignal.any([view.changed, ...(signal ? [signal] : [])]);
          if (await (await seen()).waitBeyond(revision, endsAtMs - clock.monotonicMs(), over)) return true;
          if (signal?.aborted || clock.monotonicMs() >= endsAtMs) return false;
        }
      },
      async append(values) {
        const isRelayed = values.some((value) => value !== null);
        if (isRelayed && faults.relay === 'ends before append')
          throw new BurgageError('unavailable', { message: 'ended before the append' });
        const head = await real.append(values);
        appended(head, values);
        return head;
      },
      standing: async (position) => await (await seen()).standing(position),
      trim: (revision) => real.trim(revision),
      reset: (options) => reset(real, options),
    };
  }

  function documents<T>(type: DocumentType<T>): Documents<T> {
    const real = live.documents(type);
    return {
      get: (id) => real.get(id),
      findByKey: (key, value) => real.findByKey(key, value),
      insert: (...args) => real.insert(...args),
      replace: (...args) => real.replace(...args),
      remove: (...args) => real.remove(...args),
      async list(query = {}) {
        if (query.where !== undefined || type.name === 'gateways') return await real.list(query);
        await faults.beforeRead(type.name);
        const seen = view.store === undefined ? real : (await view.store).documents(type);
        return await seen.list({ ...query, pageSize: scanPageSize });
      },
      pendingOutbox: (...args) => real.pendingOutbox(...args),
      upgradeStored: (limit) => real.upgradeStored(limit),
      async pullOutbox(id, itemIds) {
        if (faults.relay === 'ends before pull') throw new BurgageError('unavailable', { message: 'ended before the pull' });
        await real.pullOutbox(id, itemIds);
      },
    };
  }

  return { documents, journal, ping: () => live.ping(), close: () => live.close() };
}
