// What one gateway is told: the routes since the revision that it holds, or all of them.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { BurgageError, isBurgageError, type WatchRoutesResponseSchema } from '@burgage/contracts';
import type { Clock } from '@burgage/runtime';
import type { Journal, JournalHead } from '@burgage/store';
import { type RouteEntry, routeEntryToProto } from '@burgage/tenancy';
import { routeFromJson } from './adapters/outbox.ts';

export type RouteMessage = MessageInitShape<typeof WatchRoutesResponseSchema>;

/** Where a gateway is. */
export interface RoutePosition {
  /** Empty: it holds nothing. */
  readonly epoch: string;
  /** It has applied everything up to here. */
  readonly revision: number;
}

/** Told what is sent, for the metrics. */
export interface RouteFeedObserver {
  snapshotSent(entries: number): void;
  deltasSent(entries: number): void;
  /** A gateway took longer than `slowMs` to take one message. */
  slow(tookMs: number): void;
}

export interface RouteFeedOptions {
  readonly journal: Pick<Journal, 'head' | 'readAfter' | 'waitBeyond'>;
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
   * Messages for a gateway at `position`, until `signal` is aborted. Nothing is buffered: each message is read from the
   * journal when the one before has been taken, and a gateway that falls behind what the journal keeps gets a snapshot.
   * @throws BurgageError `unavailable` where the gateway has seen more of this epoch than this replica gets to see in time.
   */
  follow(position: RoutePosition, signal: AbortSignal): AsyncGenerator<RouteMessage, void>;
}

/**
 * A conversation is one of three things at any time: waiting for this replica to reach the gateway, sending a snapshot,
 * or sending entries of one epoch from a known revision on. Losing the epoch or the revision leads back to a snapshot.
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
  async function* follow(asked: RoutePosition, signal: AbortSignal): AsyncGenerator<RouteMessage, void> {
    let head = await headNotBehind(asked, signal);
    let position = asked.epoch === head.epoch && asked.revision >= head.oldest - 1 ? asked : undefined;
    while (!signal.aborted) {
      if (position === undefined) {
        head = await journal.head();
        yield* all(head, signal);
        position = { epoch: head.epoch, revision: head.revision };
      }
      yield* since(position, signal);
      position = undefined;
    }
  }

  /** The head, once it is not behind what the gateway has seen of the same epoch. */
  async function headNotBehind({ epoch, revision }: RoutePosition, signal: AbortSignal): Promise<JournalHead> {
    const head = await journal.head();
    if (epoch !== head.epoch || revision <= head.revision) return head;
    await journal.waitBeyond(revision - 1, behindTimeoutMs, signal);
    const later = await journal.head();
    if (epoch !== later.epoch || revision <= later.revision || signal.aborted) return later;
    throw new BurgageError('unavailable', {
      message: `This registry has the routes up to revision ${later.revision}, the gateway has ${revision}; another replica may be further.`,
      retryAfterMs: headIntervalMs,
    });
  }

  /** A snapshot as of `head` or later. Without its end where the gateway has gone. */
  async function* all(head: JournalHead, signal: AbortSignal): AsyncGenerator<RouteMessage, void> {
    const revision = BigInt(head.revision);
    let entries = 0;
    yield { message: { case: 'snapshotBegin', value: { epoch: head.epoch, revision } } };
    for await (const page of snapshot()) {
      if (signal.aborted) return;
      entries += page.length;
      for (const part of parts(page)) yield* sent(batch(part, 0));
    }
    observer?.snapshotSent(entries);
    yield { message: { case: 'snapshotEnd', value: { revision, entries: BigInt(entries) } } };
  }

  /**
   * The entries after `position`, and the head every second; returns once they cannot be had any more. The epoch is
   * looked at after each read: what was read before a reset is of the old epoch, what could be of the new is thrown away.
   */
  async function* since({ epoch, revision }: RoutePosition, signal: AbortSignal): AsyncGenerator<RouteMessage, void> {
    let at = revision;
    let headDueMs = clock.monotonicMs();
    while (!signal.aborted) {
      const entries = await readAfter(at);
      const head = await journal.head();
      if (entries === undefined || head.epoch !== epoch) return;
      if (entries.length > 0) observer?.deltasSent(entries.length);
      for (const part of parts(entries.map(({ value }) => routeFromJson(value)))) {
        at += part.length;
        yield* sent(batch(part, at));
      }
      const nowMs = clock.monotonicMs();
      if (nowMs >= headDueMs) {
        yield { message: { case: 'head', value: { epoch, revision: BigInt(head.revision) } } };
        headDueMs = nowMs + headIntervalMs;
      }
      if (entries.length < batchMax) await journal.waitBeyond(at, Math.max(headDueMs - nowMs, 1), signal);
    }
  }

  /** Undefined where the entry after `revision` was trimmed. */
  async function readAfter(revision: number): Promise<Awaited<ReturnType<Journal['readAfter']>> | undefined> {
    try {
      return await journal.readAfter(revision, batchMax);
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

function batch(entries: readonly RouteEntry[], revision: number): RouteMessage {
  return { message: { case: 'batch', value: { entries: entries.map(routeEntryToProto), revision: BigInt(revision) } } };
}

const weightMax = 1_000;

/** Cuts entries where a message would come near the 4 MB that gRPC takes: an upstream weighs as much as it has endpoints. */
function* parts(entries: readonly RouteEntry[]): Generator<readonly RouteEntry[], void> {
  let begin = 0;
  let weight = 0;
  for (const [index, { entity }] of entries.entries()) {
    weight += entity?.kind === 'upstream' ? 1 + entity.endpoints.length : 1;
    if (weight < weightMax && index < entries.length - 1) continue;
    yield entries.slice(begin, index + 1);
    begin = index + 1;
    weight = 0;
  }
}
