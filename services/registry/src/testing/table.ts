// The simplest table that follows the routes: what a gateway must end up with.
import type { WatchRoutesResponse } from '@burgage/contracts';
import { type RouteEntry, routeEntryFromProto } from '@burgage/tenancy';
import type { RoutePosition } from '../route-feed.ts';

/** Entries by kind and key, removed ones included; newer versions win. */
export class TestTable {
  entries = new Map<string, RouteEntry>();
  position: RoutePosition = { epoch: '', revision: 0 };
  head: RoutePosition = { epoch: '', revision: 0 };
  snapshots = 0;
  #staged: { entries: Map<string, RouteEntry>; epoch: string; revision: number; count: number } | undefined;

  /** Throws where the registry breaks the contract. */
  take({ message }: WatchRoutesResponse): void {
    switch (message.case) {
      case 'snapshotBegin':
        this.#staged = { entries: new Map(), epoch: message.value.epoch, revision: Number(message.value.revision), count: 0 };
        return;
      case 'batch': {
        const entries = message.value.entries.map(routeEntryFromProto);
        const revision = Number(message.value.revision);
        if (this.#staged) {
          if (revision !== 0) throw new Error(`revision ${revision} within a snapshot`);
          this.#staged.count += entries.length;
          applyAll(this.#staged.entries, entries);
          return;
        }
        if (revision !== this.position.revision + entries.length)
          throw new Error(`${entries.length} entries lead from ${this.position.revision} to ${revision}`);
        applyAll(this.entries, entries);
        this.position = { ...this.position, revision };
        return;
      }
      case 'snapshotEnd': {
        const staged = this.#staged;
        if (!staged || staged.revision !== Number(message.value.revision) || staged.count !== Number(message.value.entries))
          throw new Error('a snapshot ended that is not whole');
        this.entries = staged.entries;
        this.position = { epoch: staged.epoch, revision: staged.revision };
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

  /** What leads somewhere, by kind and key. */
  get shown(): Map<string, RouteEntry['entity']> {
    return shownIn(this.entries.values());
  }
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
