// What one gateway is told: the routes since the revision that it holds, or all of them.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { BurgageError, isBurgageError, type WatchRoutesResponseSchema } from '@burgage/contracts';
import type { RpcCall } from '@burgage/rpc';
import type { Clock } from '@burgage/runtime';
import { type Journal, type JournalEntry, type JournalPosition, type Standing, standingOf } from '@burgage/store';
import type { RouteBatch, RouteEntry } from '@burgage/tenancy';
import { mark, routeFromJson } from './adapters/outbox.ts';

type WireMessage = MessageInitShape<typeof WatchRoutesResponseSchema>;

/** What a gateway is told: batches as values, which its connection encodes by itself, and the rest as the contract has it. */
export type RouteMessage =
  | { readonly message: { readonly case: 'batch'; readonly value: RouteBatch } }
  | { readonly message: Exclude<NonNullable<WireMessage['message']>, { case: 'batch' } | { case: undefined }> };

/** Where a gateway is. */
export interface RoutePosition {
  /** Empty: it holds nothing. */
  readonly epoch: string;
  /** It has applied everything up to here. */
  readonly revision: number;
}

/** Where a gateway is, and what proves it. */
export interface ProvenPosition extends RoutePosition {
  /** At or behind `revision`, of the same epoch: nothing that it holds is newer. */
  readonly seen: JournalPosition;
}

/** Told what is sent, for the metrics, and of what nobody could repair unseen. */
export interface RouteFeedObserver {
  snapshotSent(entries: number): void;
  deltasSent(entries: number): void;
  /** A gateway took longer than `slowMs` to take one message. */
  slow(tookMs: number): void;
  /** The store turned out to be an older copy than what a gateway has `seen`: the routes left the epoch `from` for another one. */
  restoreFound(found: { readonly seen: JournalPosition; readonly from: string; readonly epoch: string }): void;
}

export interface RouteFeedOptions {
  readonly journal: Pick<Journal, 'head' | 'readAfter' | 'waitBeyond' | 'standing' | 'append' | 'reset'>;
  /** All routes as they are now or later, a page at a time; removed ones marked as such. */
  readonly snapshot: () => AsyncIterable<readonly RouteEntry[]>;
  readonly clock: Clock;
  readonly observer?: RouteFeedObserver;
  /** Entries in one batch of the journal; default 500: about 100 KB, far below what a message may have. */
  readonly batchMax?: number;
  /** Between two heads; default 1,000, as the contract says. */
  readonly headIntervalMs?: number;
  /** How long a replica waits for itself to reach a gateway; default 5,000: longer than replication takes, shorter than a gateway's patience. */
  readonly behindTimeoutMs?: number;
  /** Default 5,000. */
  readonly slowMs?: number;
}

export interface RouteFeed {
  /**
   * Messages for a gateway at `position`, until the signal is aborted. Nothing is buffered: each message is read from the
   * journal when the one before has been taken, and a gateway that falls behind what the journal keeps gets a snapshot.
   * Any `peer` may follow; that an older copy of the store was restored is taken from gateways alone.
   * @throws BurgageError `unavailable` where this replica does not get to see in time what the gateway has;
   * `permission_denied` where a peer that is no gateway has seen what is not in the store.
   */
  follow(position: ProvenPosition, call: Pick<RpcCall, 'peer' | 'signal'>): AsyncGenerator<RouteMessage, void>;
}

/** Between two looks while a replica waits for itself. */
const behindPollMs = 100;

/**
 * A conversation sends entries of one epoch from a known revision on, or a snapshot where that cannot be. What leads from
 * one to the other is where the gateway stands in this store, which docs/decisions/0007-restored-history.md explains.
 */
export function createRouteFeed({
  journal,
  snapshot,
  clock,
  observer,
  batchMax = 500,
  headIntervalMs = 1_000,
  behindTimeoutMs = 5_000,
  slowMs = 5_000,
}: RouteFeedOptions): RouteFeed {
  async function* follow(asked: ProvenPosition, { peer, signal }: Pick<RpcCall, 'peer' | 'signal'>): AsyncGenerator<RouteMessage, void> {
    let position = asked;
    while (!signal.aborted) {
      const goesOn = await canGoOn(position, peer, signal);
      if (signal.aborted) return;
      position = goesOn ? yield* since(position, signal) : ((yield* all(signal)) ?? position);
    }
  }

  /** Whether the entries behind `position` can be had; not where the epoch is over, trimmed, or had to be ended because of this. */
  async function canGoOn({ revision, seen }: ProvenPosition, peer: string | undefined, signal: AbortSignal): Promise<boolean> {
    let standing = await standingInTime(seen, signal);
    if (signal.aborted) return false;
    if (standing === 'ahead' || standing === 'forked') {
      await beginAnewAfterRestore(seen, peer);
      standing = await journal.standing(seen);
    }
    if (standing === 'held') return revision + 1 >= (await journal.head()).oldest;
    if (standing === 'past') return false;
    const head = await journal.head();
    throw new BurgageError('unavailable', {
      message: `This registry has the routes up to revision ${head.revision} of ${head.epoch}, the gateway has ${seen.revision} of ${seen.epoch}; another replica may be further.`,
      retryAfterMs: headIntervalMs,
    });
  }

  /** The standing, once this replica has reached the gateway or its time is over. */
  async function standingInTime(seen: JournalPosition, signal: AbortSignal): Promise<Standing> {
    const endsAtMs = clock.monotonicMs() + behindTimeoutMs;
    for (;;) {
      const standing = await journal.standing(seen);
      const leftMs = endsAtMs - clock.monotonicMs();
      if (standing !== 'ahead' || signal.aborted || leftMs <= 0) return standing;
      await clock.sleep(Math.min(behindPollMs, leftMs), signal);
    }
  }

  /**
   * Begins an epoch beyond the gateway's, if this store is an older copy of what the gateway has seen. A read may be late
   * behind a server that has lost its place; an append is not, so it decides. Of several who find the same, one resets.
   */
  async function beginAnewAfterRestore(seen: JournalPosition, peer: string | undefined): Promise<void> {
    const now = await journal.append([mark]);
    const proofs = [standingOf(seen, now, undefined), await journal.standing(seen)];
    if (proofs[0] !== 'ahead' && !proofs.includes('forked')) return;
    if (peer !== undefined && peer !== 'gateway') throw onlyGatewaysProve(peer, seen);
    const { epoch } = await journal.reset({ from: now.epoch, beyond: seen.epoch });
    observer?.restoreFound({ seen, from: now.epoch, epoch });
  }

  /** A snapshot as of the head or later. Without its end where the gateway has gone or the store was changed meanwhile. */
  async function* all(signal: AbortSignal): AsyncGenerator<RouteMessage, ProvenPosition | undefined> {
    const head = await journal.head();
    const revision = BigInt(head.revision);
    let entries = 0;
    yield { message: { case: 'snapshotBegin', value: { epoch: head.epoch, revision } } };
    for await (const page of snapshot()) {
      if (signal.aborted) return undefined;
      entries += page.length;
      for (const { items } of parts(page, (entry) => entry)) yield* sent(batch(items));
    }
    // Whatever was read is older than this: a copy of the store that has it has all that was read.
    const seen = await journal.append([mark]);
    if (seen.epoch !== head.epoch || seen.revision <= head.revision || (await journal.standing(head)) === 'forked') return undefined;
    observer?.snapshotSent(entries);
    const end = { revision, entries: BigInt(entries), seenRevision: BigInt(seen.revision), stamp: seen.stamp };
    yield { message: { case: 'snapshotEnd', value: end } };
    return { epoch: head.epoch, revision: head.revision, seen };
  }

  /** The entries after `position`, and the head every second; answers with where it came to once they cannot be had any more. */
  async function* since(position: ProvenPosition, signal: AbortSignal): AsyncGenerator<RouteMessage, ProvenPosition> {
    const { epoch } = position;
    let { revision, seen } = position;
    let headDueMs = clock.monotonicMs();
    while (!signal.aborted) {
      const entries = await following(revision, seen);
      if (entries === undefined) break;
      for (const { items, last } of parts(entries, ({ value }) => routeFromJson(value))) {
        revision = last.revision;
        if (revision >= seen.revision) seen = { epoch, revision, stamp: last.stamp };
        if (items.length > 0) observer?.deltasSent(items.length);
        yield* sent(batch(items, last));
      }
      const nowMs = clock.monotonicMs();
      if (nowMs >= headDueMs) {
        const head = await journal.head();
        if (head.epoch === epoch && head.revision >= revision)
          yield { message: { case: 'head', value: { epoch, revision: BigInt(head.revision) } } };
        headDueMs = nowMs + headIntervalMs;
      }
      if (entries.length < batchMax) await journal.waitBeyond(revision, Math.max(headDueMs - nowMs, 1), signal);
    }
    return { epoch, revision, seen };
  }

  /** The entries after `revision`; undefined where they were trimmed, or are of a history without what is `seen`. */
  async function following(revision: number, seen: JournalPosition): Promise<readonly JournalEntry[] | undefined> {
    if (seen.revision === revision && revision > 0) {
      // Read together with the entry that was seen last, they prove themselves.
      const [last, ...entries] = (await readAfter(revision - 1, batchMax + 1)) ?? [];
      if (last?.stamp === seen.stamp) return entries;
    }
    const entries = await readAfter(revision, batchMax);
    return (await journal.standing(seen)) === 'held' ? entries : undefined;
  }

  /** Undefined where the entry after `revision` was trimmed. */
  async function readAfter(revision: number, limit: number): Promise<readonly JournalEntry[] | undefined> {
    try {
      return await journal.readAfter(revision, limit);
    } catch (error) {
      if (isBurgageError(error, 'not_found')) return undefined;
      throw error;
    }
  }

  /** The message, and a note where it was not taken for long. */
  function* sent(message: RouteMessage): Generator<RouteMessage, void> {
    const beganMs = clock.monotonicMs();
    yield message;
    const tookMs = clock.monotonicMs() - beganMs;
    if (tookMs > slowMs) observer?.slow(tookMs);
  }

  return { follow };
}

function onlyGatewaysProve(peer: string, { epoch, revision }: JournalPosition): BurgageError {
  return new BurgageError('permission_denied', {
    message: `peer: got ${peer}, expected gateway: nothing here is revision ${revision} of ${epoch} as it was seen, and only a gateway's word of that begins the routes anew.`,
  });
}

/** With where the journal is then; within a snapshot that is nowhere. */
function batch(entries: readonly RouteEntry[], { revision, stamp } = { revision: 0, stamp: '' }): RouteMessage {
  return { message: { case: 'batch', value: { entries, revision, stamp } } };
}

const weightMax = 1_000;

/** Cuts a list where a message of its routes would come near the 4 MB that gRPC takes: an upstream weighs as much as it has endpoints. */
function* parts<T>(list: readonly T[], routeOf: (one: T) => RouteEntry | undefined): Generator<{ items: RouteEntry[]; last: T }, void> {
  let items: RouteEntry[] = [];
  let weight = 0;
  for (const [index, last] of list.entries()) {
    const route = routeOf(last);
    if (route !== undefined) {
      items.push(route);
      weight += route.entity?.kind === 'upstream' ? 1 + route.entity.endpoints.length : 1;
    }
    if (weight < weightMax && index < list.length - 1) continue;
    yield { items, last };
    items = [];
    weight = 0;
  }
}
