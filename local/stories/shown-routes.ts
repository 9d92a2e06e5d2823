// What one gateway shows from one start to its next, held at every step against what the registry committed.
import { isDeepStrictEqual } from 'node:util';
import { epochNumber } from '@burgage/contracts';
import { hostsToGuardMin, type RouteFollower, removedShareMax } from '@burgage/gateway/route-follower';
import type { RouteEntry } from '@burgage/tenancy';
import { addNewer, type Claimed, History, keyOf, type RouteLog } from './route-log.ts';

/** What may have changed the table since the last look. */
export type Cause = 'start' | 'entries' | 'snapshot' | 'accepted' | 'nothing';

export class ShownRoutes {
  readonly #follower: RouteFollower;
  readonly #log: RouteLog;
  readonly #violated: (sentence: string) => void;
  /** What was committed in the history of what is shown. */
  #history = new History('');
  #claimed: Claimed = { epoch: '', revision: 0, seen: { revision: 0, stamp: '' } };
  /** The newest of each entity at or before the revision that was claimed last. */
  #floor = new Map<string, RouteEntry>();
  #floorRevision = 0;
  /** The highest version of each entity that was held in this history. */
  #highest = new Map<string, number>();
  #hosts: ReadonlySet<string> = new Set();

  constructor(follower: RouteFollower, log: RouteLog, violated: (sentence: string) => void) {
    this.#follower = follower;
    this.#log = log;
    this.#violated = violated;
  }

  look(cause: Cause): void {
    const { table, position } = this.#follower;
    this.#claim(position, cause);
    const held = new Map([...table.entries()].map((entry) => [keyOf(entry), entry]));
    for (const [key, newest] of this.#floor) this.#notOlder(held.get(key), newest);
    for (const [key, { version }] of held) this.#notBackward(key, version);
    this.#hostsGoFor(cause, hostsThatLeadOn(held));
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

  #claim(claimed: Claimed, cause: Cause): void {
    const { epoch, revision, seen } = claimed;
    const history = epoch === '' ? new History('') : this.#log.historyOf(claimed);
    if (history === undefined) {
      this.#violated(`has seen ${epoch}/${seen.revision}, which nobody has written`);
      return;
    }
    // A copy that was restored goes on with the same epoch; who has seen nothing that is not in it may go on with it.
    if (history !== this.#history && !history.holds(this.#claimed)) {
      if (cause === 'entries' || cause === 'nothing')
        this.#violated(`went from ${this.#claimed.epoch}/${this.#claimed.revision} to another ${epoch}/${revision} without a snapshot`);
      const from = epochNumber(this.#claimed.epoch);
      if (cause !== 'start' && epochNumber(epoch) < from) this.#violated(`went from epoch ${this.#claimed.epoch} back to ${epoch}`);
      this.#floor = new Map(history.base);
      this.#floorRevision = 0;
      this.#highest = new Map();
    }
    this.#history = history;
    this.#claimed = claimed;
    if (revision > history.entries.length) this.#violated(`claims revision ${revision} of ${epoch}, which has ${history.entries.length}`);
    if (revision < this.#floorRevision) this.#violated(`went back from revision ${this.#floorRevision} to ${revision} of ${epoch}`);
    addNewer(this.#floor, history.entries.slice(this.#floorRevision, revision));
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

/** The hosts of tenants with endpoints. */
function hostsThatLeadOn(held: ReadonlyMap<string, RouteEntry>): Set<string> {
  const hosts = new Set<string>();
  for (const { entity } of held.values()) {
    if (entity?.kind !== 'host') continue;
    const tenant = held.get(`tenant ${entity.tenantId}`)?.entity;
    const upstream = tenant?.kind === 'tenant' ? held.get(`upstream ${tenant.upstream}`)?.entity : undefined;
    if (upstream?.kind === 'upstream' && upstream.endpoints.length > 0) hosts.add(entity.host);
  }
  return hosts;
}
