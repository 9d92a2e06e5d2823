// Follows the registry's routes: entries, snapshots and heads in; the table that the gateway answers by out.
import { epochNumber } from '@burgage/contracts';
import type { RouteEntry } from '@burgage/tenancy';
import { RouteTable } from './route-table.ts';

/**
 * A snapshot that removes more than this share of the hosts waits for an operator. A host counts while it leads to a tenant
 * with endpoints: without its tenant or its upstream it is as gone for its visitors as without its own entry.
 */
export const removedShareMax = 1 / 5;
/** Below this many hosts a table is too small for shares to mean anything. */
export const hostsToGuardMin = 10;

/** How far something goes: everything up to this revision of the epoch is in it. Epoch '' and revision 0: nowhere yet. */
export interface Position {
  readonly epoch: string;
  readonly revision: number;
}

/** The revision from which on nothing in a table is newer, and the registry's stamp there; empty where none came. */
export interface Seen {
  readonly revision: number;
  readonly stamp: string;
}

/** How far a table goes. What a snapshot brings may be newer than its revision. */
export interface TablePosition extends Position {
  /** At least `revision`. */
  readonly seen: Seen;
}

export const nowhere: TablePosition = { epoch: '', revision: 0, seen: { revision: 0, stamp: '' } };

/**
 * What the stream is in the middle of.
 * `following`: entries apply to the table that is served · `staging`: a snapshot is being received, into a table beside it ·
 * `holding`: that snapshot is complete and suspicious, and the old table is served; entries go on into it while the stream that
 * brought it lasts.
 */
type Phase =
  | { readonly kind: 'following' }
  | { readonly kind: 'staging'; readonly table: RouteTable; readonly epoch: string; readonly revision: number; received: number }
  | { readonly kind: 'holding'; readonly table: RouteTable; position: TablePosition; readonly removal: Removal; followed: boolean };

/** What a snapshot does to the hosts that lead to a tenant with endpoints: `removed` of `hosts` would no more. */
export interface Removal {
  readonly removed: number;
  readonly hosts: number;
}

/** What an input did. */
export type Effect =
  /** Nothing that anyone waits for. */
  | { readonly kind: 'none' }
  /** The served table changed; gateways say so at once. */
  | { readonly kind: 'advanced' }
  /** A complete snapshot took the place of the table. */
  | { readonly kind: 'swapped' }
  /** A complete snapshot is held back. */
  | ({ readonly kind: 'held'; readonly epoch: string } & Removal)
  /** The conversation cannot go on, mostly because the registry broke its rules; only a new one helps. */
  | { readonly kind: 'broken'; readonly reason: string };

const none: Effect = { kind: 'none' };

/** Hears of each change of the served table, at once. */
export interface TableListener {
  /** Entries were applied to it. */
  applied(entries: readonly RouteEntry[]): void;
  /** Another took its place, which goes so far; the one before went to `before`. */
  swapped(before: TablePosition): void;
}

/** The gateway's side of WatchRoutes, without the wire. */
export class RouteFollower {
  #table: RouteTable;
  #position: TablePosition;
  #phase: Phase = { kind: 'following' };
  /** Of the entries that come. */
  #streamEpoch: string;
  #connected = false;
  #head: Position | undefined;
  #listener: TableListener | undefined;

  constructor(table: RouteTable, position: TablePosition = nowhere) {
    this.#table = table;
    this.#position = position;
    this.#streamEpoch = position.epoch;
  }

  /** One alone. */
  listen(listener: TableListener): void {
    this.#listener = listener;
  }

  /** The table to answer by. */
  get table(): RouteTable {
    return this.#table;
  }

  /** How far the served table goes; everything up to it is applied. */
  get position(): TablePosition {
    return this.#position;
  }

  get snapshotHeld(): boolean {
    return this.#phase.kind === 'holding';
  }

  /** What the held snapshot would do; undefined where none is held. */
  get heldRemoval(): Removal | undefined {
    return this.#phase.kind === 'holding' ? this.#phase.removal : undefined;
  }

  /** The registry's head as it was last heard on this connection. */
  get head(): Position | undefined {
    return this.#head;
  }

  /** True while everything that the registry last spoke of is in the served table: then a miss is final. */
  get caughtUp(): boolean {
    return (
      this.#connected &&
      this.#phase.kind === 'following' &&
      this.#head !== undefined &&
      this.#head.epoch === this.#position.epoch &&
      this.#head.revision <= this.#position.revision
    );
  }

  /** Takes over a table that was kept elsewhere, before anything is followed. */
  restore(table: RouteTable, position: TablePosition): void {
    this.#table = table;
    this.#position = position;
    this.#streamEpoch = position.epoch;
  }

  /** What a new conversation begins with: entries that no snapshot precedes go on from there. */
  hello(): TablePosition {
    this.#streamEpoch = this.#position.epoch;
    if (this.#phase.kind === 'holding') this.#phase.followed = false;
    return this.#position;
  }

  connected(): void {
    this.#connected = true;
    this.#head = undefined;
  }

  /** The stream ended. A half-received snapshot is dropped; a held one stays until it is accepted or another comes. */
  disconnected(): void {
    this.#connected = false;
    this.#head = undefined;
    if (this.#phase.kind === 'staging') this.#phase = { kind: 'following' };
  }

  /** Of a later epoch, or of the served one at a moment that everything served is before: then it can take its place as it is. */
  snapshotBegin(epoch: string, revision: number): Effect {
    if (epoch === '') return { kind: 'broken', reason: 'a snapshot began without an epoch' };
    const served = this.#position;
    const follows = epoch === served.epoch ? revision >= served.seen.revision : epochNumber(epoch) > epochNumber(served.epoch);
    if (served.epoch !== '' && !follows)
      return { kind: 'broken', reason: `a snapshot of ${epoch}/${revision} came, behind ${served.epoch}/${served.seen.revision}` };
    this.#phase = { kind: 'staging', table: new RouteTable(this.#table.names), epoch, revision, received: 0 };
    return none;
  }

  /** Entries of the snapshot (`revision` 0) or of the journal up to `revision`, at `stamp`; `skipped` more came that could not be read. */
  batch(entries: readonly RouteEntry[], revision: number, stamp: string, skipped = 0): Effect {
    const phase = this.#phaseAfterHello();
    switch (phase.kind) {
      case 'staging':
        if (revision !== 0) return { kind: 'broken', reason: `entries of revision ${revision} came within a snapshot` };
        for (const entry of entries) phase.table.apply(entry);
        phase.received += entries.length + skipped;
        return none;
      case 'holding':
        for (const entry of entries) phase.table.apply(entry);
        phase.position = advanced(phase.position, revision, stamp);
        return none;
      case 'following':
        return this.#advance(entries, revision, stamp);
      default:
        throw new TypeError(`unknown phase ${String(phase satisfies never)}`);
    }
  }

  #advance(entries: readonly RouteEntry[], revision: number, stamp: string): Effect {
    const { epoch } = this.#position;
    if (revision === 0) return { kind: 'broken', reason: 'entries of a snapshot came before it began' };
    if (epoch === '') return { kind: 'broken', reason: 'entries came before any snapshot' };
    if (epoch !== this.#streamEpoch) return { kind: 'broken', reason: 'a snapshot of another epoch was accepted since hello' };
    for (const entry of entries) this.#table.apply(entry);
    this.#position = advanced(this.#position, revision, stamp);
    this.#listener?.applied(entries);
    return { kind: 'advanced' };
  }

  /** `entries`: how many the snapshot carried, by the registry's count. */
  snapshotEnd(revision: number, entries: number, seen: Seen): Effect {
    const phase = this.#phase;
    if (phase.kind !== 'staging') return { kind: 'broken', reason: 'a snapshot ended that had not begun' };
    this.#phase = { kind: 'following' };
    if (revision !== phase.revision) return { kind: 'broken', reason: `a snapshot of ${phase.revision} ended as one of ${revision}` };
    if (entries !== phase.received) return { kind: 'broken', reason: `a snapshot of ${entries} entries brought ${phase.received}` };
    const { table, epoch } = phase;
    // A registry that knows of no stamps says nothing here.
    const position = { epoch, revision, seen: seen.revision < revision ? { revision, stamp: '' } : seen };
    this.#streamEpoch = epoch;
    const { hosts, lost } = this.#table.lossTo(table);
    const removal = { removed: lost, hosts };
    if (removal.hosts >= hostsToGuardMin && removal.removed > removal.hosts * removedShareMax) {
      this.#phase = { kind: 'holding', table, position, removal, followed: true };
      return { kind: 'held', epoch, ...removal };
    }
    this.#swap(table, position);
    return { kind: 'swapped' };
  }

  registryHead(epoch: string, revision: number): Effect {
    this.#phaseAfterHello();
    this.#head = { epoch, revision };
    return none;
  }

  /** An operator accepts the held snapshot; false where none is held. */
  acceptSnapshot(): boolean {
    const phase = this.#phase;
    if (phase.kind !== 'holding') return false;
    this.#phase = { kind: 'following' };
    this.#swap(phase.table, phase.position);
    return true;
  }

  /** Where a new stream goes on from what is served, nothing has to take its place any more. */
  #phaseAfterHello(): Phase {
    if (this.#phase.kind === 'holding' && !this.#phase.followed) this.#phase = { kind: 'following' };
    return this.#phase;
  }

  #swap(table: RouteTable, position: TablePosition): void {
    const before = this.#position;
    this.#table = table;
    this.#position = position;
    this.#listener?.swapped(before);
  }
}

function advanced(position: TablePosition, revision: number, stamp: string): TablePosition {
  if (revision <= position.revision) return position;
  return { epoch: position.epoch, revision, seen: revision < position.seen.revision ? position.seen : { revision, stamp } };
}
