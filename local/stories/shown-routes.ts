// What one gateway shows from one start to its next, held at every step against what the registry committed.
import { isDeepStrictEqual } from 'node:util';
import { hostsToGuardMin, type RouteFollower, removedShareMax } from '@burgage/gateway/route-follower';
import type { RouteEntry } from '@burgage/tenancy';
import { addNewer, keyOf, type RouteLog } from './route-log.ts';

/** What may have changed the table since the last look. */
export type Cause = 'start' | 'entries' | 'snapshot' | 'accepted' | 'nothing';

export class ShownRoutes {
  readonly #follower: RouteFollower;
  readonly #log: RouteLog;
  readonly #violated: (sentence: string) => void;
  #epoch = '';
  /** The newest of each entity at or before the revision that was claimed last. */
  #floor = new Map<string, RouteEntry>();
  #floorRevision = 0;
  /** The highest version of each entity that was held in this epoch. */
  #highest = new Map<string, number>();
  #hosts: ReadonlySet<string> = new Set();

  constructor(follower: RouteFollower, log: RouteLog, violated: (sentence: string) => void) {
    this.#follower = follower;
    this.#log = log;
    this.#violated = violated;
  }

  look(cause: Cause): void {
    const { table, position } = this.#follower;
    this.#claim(position.epoch, position.revision, cause);
    const held = new Map([...table.entries()].map((entry) => [keyOf(entry), entry]));
    for (const [key, newest] of this.#floor) this.#notOlder(held.get(key), newest);
    for (const [key, { version }] of held) this.#notBackward(key, version);
    this.#hostsGoFor(cause, new Set(table.hosts()));
  }

  /** What the gateway says that it applied. */
  acknowledged(epoch: string, revision: number): void {
    const { position } = this.#follower;
    if (epoch !== position.epoch || revision > position.revision)
      this.#violated(`acknowledged ${epoch}/${revision} and has ${position.epoch}/${position.revision}`);
    this.look('nothing');
  }

  /** What the registry said to be its newest. */
  told(epoch: string, revision: number): void {
    const { position } = this.#follower;
    if (epoch === position.epoch && revision < position.revision)
      this.#violated(`is followed to ${position.revision} by a registry that has ${revision}`);
  }

  #claim(epoch: string, revision: number, cause: Cause): void {
    if (epoch !== this.#epoch) {
      if (cause === 'entries' || cause === 'nothing') this.#violated(`went from epoch ${this.#epoch} to ${epoch} without a snapshot`);
      this.#epoch = epoch;
      this.#floor = new Map(this.#log.base(epoch));
      this.#floorRevision = 0;
      this.#highest = new Map();
    }
    const journal = this.#log.entries(epoch);
    if (revision > journal.length) this.#violated(`claims revision ${revision} of ${epoch}, which has ${journal.length}`);
    if (revision < this.#floorRevision) this.#violated(`went back from revision ${this.#floorRevision} to ${revision} of ${epoch}`);
    addNewer(this.#floor, journal.slice(this.#floorRevision, revision));
    this.#floorRevision = Math.max(this.#floorRevision, revision);
  }

  #notOlder(held: RouteEntry | undefined, newest: RouteEntry): void {
    if (held === undefined || held.removed) {
      if (newest.removed || (held !== undefined && held.version > newest.version)) return;
      this.#violated(`does not show ${keyOf(newest)} version ${newest.version} at revision ${this.#floorRevision}`);
    } else if (held.version < newest.version) {
      const what = newest.removed ? 'which was removed' : 'which is older than it may be';
      this.#violated(`shows ${keyOf(held)} version ${held.version} at revision ${this.#floorRevision}, ${what}: ${newest.version}`);
    } else if (held.version === newest.version && !isDeepStrictEqual(held.entity, newest.entity)) {
      this.#violated(`shows ${JSON.stringify(held)}, committed was ${JSON.stringify(newest)}`);
    }
  }

  #notBackward(key: string, version: number): void {
    const highest = this.#highest.get(key) ?? 0;
    if (version < highest) this.#violated(`went back from version ${highest} of ${key} to ${version}`);
    this.#highest.set(key, Math.max(version, highest));
  }

  /** Hosts go by an entry that says so, by a complete snapshot that removes few, and by an operator's word. */
  #hostsGoFor(cause: Cause, hosts: ReadonlySet<string>): void {
    const gone = [...this.#hosts].filter((host) => !hosts.has(host));
    const before = this.#hosts.size;
    this.#hosts = hosts;
    if (gone.length === 0) return;
    if (cause === 'nothing') this.#violated(`removed ${gone.join(', ')} though nothing said so`);
    if (cause === 'snapshot' && before >= hostsToGuardMin && gone.length > before * removedShareMax)
      this.#violated(`let a snapshot remove ${gone.length} of ${before} hosts`);
  }
}
