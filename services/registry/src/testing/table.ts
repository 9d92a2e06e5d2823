// The simplest table that follows the routes: what a gateway must end up with.
import { epochNumber, type WatchRoutesResponse } from '@burgage/contracts';
import type { JournalPosition } from '@burgage/store';
import { type RouteEntry, routeEntryFromProto } from '@burgage/tenancy';
import type { ProvenPosition, RoutePosition } from '../route-feed.ts';

/** Entries by kind and key, removed ones included; newer versions win. */
export class TestTable {
  entries = new Map<string, RouteEntry>();
  position: ProvenPosition = provenAt({ epoch: '', revision: 0, stamp: '' });
  head: RoutePosition = { epoch: '', revision: 0 };
  snapshots = 0;
  #staged: { entries: Map<string, RouteEntry>; epoch: string; revision: number; count: number } | undefined;

  /** Throws where the registry breaks the contract. */
  take({ message }: WatchRoutesResponse): void {
    switch (message.case) {
      case 'snapshotBegin':
        this.#mayTake(message.value.epoch, Number(message.value.revision));
        this.#staged = { entries: new Map(), epoch: message.value.epoch, revision: Number(message.value.revision), count: 0 };
        return;
      case 'batch': {
        const { stamp } = message.value;
        const entries = message.value.entries.map((entry) => routeEntryFromProto(entry));
        const revision = Number(message.value.revision);
        if (this.#staged) {
          if (revision !== 0) throw new Error(`revision ${revision} within a snapshot`);
          this.#staged.count += entries.length;
          applyAll(this.#staged.entries, entries);
          return;
        }
        // Not every revision is an entry's.
        if (revision < this.position.revision + Math.max(entries.length, 1))
          throw new Error(`${entries.length} entries lead from ${this.position.revision} to ${revision}`);
        applyAll(this.entries, entries);
        this.position =
          this.position.seen.revision > revision ? { ...this.position, revision } : provenAt({ ...this.position, revision, stamp });
        return;
      }
      case 'snapshotEnd': {
        const staged = this.#staged;
        if (!staged || staged.revision !== Number(message.value.revision) || staged.count !== Number(message.value.entries))
          throw new Error('a snapshot ended that is not whole');
        const { epoch, revision } = staged;
        this.entries = staged.entries;
        this.position = { epoch, revision, seen: { epoch, revision: Number(message.value.seenRevision), stamp: message.value.stamp } };
        this.#staged = undefined;
        this.snapshots += 1;
        return;
      }
      case 'head':
        this.head = { epoch: message.value.epoch, revision: Number(message.value.revision) };
        return;
      default:
        throw new Error(`${message.case ?? 'nothing'} came`);
    }
  }

  /** The stream broke: half a snapshot is none. */
  disconnected(): void {
    this.#staged = undefined;
  }

  /** The contract's rule: never older than what is held. */
  #mayTake(epoch: string, revision: number): void {
    const held = this.position;
    const follows = epoch === held.epoch ? revision >= held.seen.revision : epochNumber(epoch) > epochNumber(held.epoch);
    if (!follows) throw new Error(`a snapshot of ${epoch}/${revision} came to one who has ${held.epoch}/${held.seen.revision}`);
  }

  /** What leads somewhere, by kind and key. */
  get shown(): Map<string, RouteEntry['entity']> {
    return shownIn(this.entries.values());
  }
}

/** Of a gateway that has seen nothing newer. */
export function provenAt({ epoch, revision, stamp }: JournalPosition): ProvenPosition {
  return { epoch, revision, seen: { epoch, revision, stamp } };
}

export function applyAll(table: Map<string, RouteEntry>, entries: Iterable<RouteEntry>): void {
  for (const entry of entries) {
    const key = `${entry.kind} ${entry.key}`;
    if (entry.version > (table.get(key)?.version ?? 0)) table.set(key, entry);
  }
}

export function shownIn(entries: Iterable<RouteEntry>): Map<string, RouteEntry['entity']> {
  const shown = [...entries].filter(({ removed }) => !removed).map((entry) => [`${entry.kind} ${entry.key}`, entry.entity] as const);
  return new Map(shown.sort(([a], [b]) => (a < b ? -1 : 1)));
}
