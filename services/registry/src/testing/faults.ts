// Stores of processes that are killed: what was written stays, what would have followed does not come.
import type { Documents, DocumentType, Journal, Store } from '@burgage/store';

type Kind = 'document' | 'relay';
type Write = <T>(kind: Kind, carryOut: () => Promise<T>) => Promise<T>;

export class Killed extends Error {}

export interface DyingStore extends Store {
  /** True once it has died. */
  readonly dead: () => boolean;
}

/** Dies at write number `at` (from 0), before or after that write is durable. Reads go on: they harm nobody. */
export function dyingStore(store: Store, at: number, when: 'before' | 'after'): DyingStore {
  let writes = 0;
  const dead = (): boolean => writes > at;
  const write: Write = async (_, carryOut) => {
    if (dead()) throw new Killed('the process is dead');
    const dies = writes++ === at;
    if (dies && when === 'before') throw new Killed('killed before the write');
    const result = await carryOut();
    if (dies) throw new Killed('killed after the write');
    return result;
  };
  return { ...guarded(store, write), dead };
}

/** Takes what is written to documents, but relays nothing: as if the process were killed after each commit. */
export function withoutRelay(store: Store): Store {
  return guarded(store, (kind, carryOut) => (kind === 'relay' ? Promise.reject(new Killed('killed before the relay')) : carryOut()));
}

function guarded(store: Store, write: Write): Store {
  return {
    documents<T>(type: DocumentType<T>): Documents<T> {
      const real = store.documents(type);
      return {
        get: (id) => real.get(id),
        findByKey: (key, value) => real.findByKey(key, value),
        list: (query) => real.list(query),
        pendingOutbox: (...args) => real.pendingOutbox(...args),
        insert: (...args) => write('document', () => real.insert(...args)),
        replace: (...args) => write('document', () => real.replace(...args)),
        remove: (...args) => write('document', () => real.remove(...args)),
        pullOutbox: (...args) => write('relay', () => real.pullOutbox(...args)),
        upgradeStored: (limit) => write('document', () => real.upgradeStored(limit)),
      };
    },
    journal(name: string): Journal {
      const real = store.journal(name);
      return {
        head: () => real.head(),
        readAfter: (revision, limit) => real.readAfter(revision, limit),
        waitBeyond: (...args) => real.waitBeyond(...args),
        append: (values) => write('relay', () => real.append(values)),
        trim: (revision) => write('relay', () => real.trim(revision)),
        standing: (position) => real.standing(position),
        reset: (options) => write('relay', () => real.reset(options)),
      };
    },
    ping: () => store.ping(),
    close: () => store.close(),
  };
}
