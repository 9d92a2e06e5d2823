// The gateways that are connected to any replica of the registry, and how far each is.
import {
  type BurgageError,
  epochNumber,
  invalidField,
  isBurgageError,
  type WatchRoutesApplied,
  type WatchRoutesHello,
} from '@burgage/contracts';
import { type Clock, Doorbell, type Logger, type Random } from '@burgage/runtime';
import type { Documents, Stored } from '@burgage/store';
import { err, got, ok, type Result } from '@burgage/tenancy';
import { put } from './adapters/documents.ts';
import { type GatewayRecord, hasMoved, inPlaceOf, isForgotten, isGone, isOfLaterStream, lastingTwin } from './domain/gateway.ts';
import { parseAddress } from './domain/upstream.ts';
import type { ProvenPosition, RoutePosition } from './route-feed.ts';

/** What a gateway last said of itself. */
export interface ConnectedGateway extends GatewayRecord {
  readonly gatewayId: string;
}

/** One gateway's stream. */
export interface GatewayConnection {
  said(position: RoutePosition, snapshotHeld: boolean): void;
  close(): void;
}

export interface Gateways {
  /** A gateway that connects again while its old stream has not been noticed to be dead is listed once, as its new self. */
  connect(hello: WatchRoutesHello): GatewayConnection;
  /** Of every replica, by id. Those of other replicas as they were up to half a second ago. */
  list(): Promise<readonly ConnectedGateway[]>;
  /** Resolves when nothing is left to be written about streams that were closed. */
  settled(): Promise<void>;
}

export interface GatewaysOptions {
  /** What all replicas know; a gateway's document belongs to the replica that heard it last. */
  readonly documents: Documents<GatewayRecord>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Pick<Logger, 'warn'>;
  /** Told how many are connected to this replica. */
  readonly changed?: (count: number) => void;
}

/** Between two writes about one gateway that moves: short, because sign-ups wait for it; a few a second are no load. */
const writeGapMs = 200;
/** Between two writes about one gateway that does not move. */
const heartbeatMs = 5_000;
/** What is read is good for so long, however many ask. */
const readAgeMs = 100;

interface Stream {
  record: GatewayRecord;
  readonly bell: Doorbell;
}

export function createGateways({ documents, clock, random, logger, changed = () => {} }: GatewaysOptions): Gateways {
  const streams = new Map<string, Stream>();
  const keeping = new Set<Promise<void>>();
  let read: { readonly atMs: number; readonly records: Promise<readonly ConnectedGateway[]> } | undefined;

  function connect({ gatewayId, bootId, adminAddress, epoch, revision }: WatchRoutesHello): GatewayConnection {
    const connection = Buffer.from(random.bytes(9)).toString('base64url');
    const said = { epoch, revision: Number(revision), snapshotHeld: false, lastSeenMs: clock.now().getTime() };
    const stream: Stream = { record: { connection, bootId, adminAddress, ...said }, bell: new Doorbell(clock) };
    const closed = new AbortController();
    const kept = keep(gatewayId, stream, closed.signal).finally(() => keeping.delete(kept));
    keeping.add(kept);
    streams.set(gatewayId, stream);
    changed(streams.size);
    return {
      said({ epoch, revision }, snapshotHeld) {
        const before = stream.record;
        stream.record = { ...before, epoch, revision, snapshotHeld, lastSeenMs: clock.now().getTime() };
        if (hasMoved(before, stream.record)) stream.bell.ring();
      },
      close() {
        closed.abort();
        if (streams.get(gatewayId) !== stream) return;
        streams.delete(gatewayId);
        changed(streams.size);
      },
    };
  }

  /** Writes what is said: at once where the gateway moved, else every five seconds. Where it says nothing, nothing is written. */
  async function keep(gatewayId: string, stream: Stream, closed: AbortSignal): Promise<void> {
    let written: GatewayRecord | undefined;
    let failed = false;
    let isWarned = false;
    while (!closed.aborted) {
      const { record } = stream;
      if (record !== written) {
        try {
          const decide = ({ value }: Stored<GatewayRecord>) => ok(isOfLaterStream(value, record) ? value : inPlaceOf(value, record));
          const stored = await put(documents, gatewayId, record, { begin: () => [], decide, outbox: () => [] });
          failed = false;
          if (!isWarned) isWarned = warnOfTwin(gatewayId, stored.value);
          // What a later stream has said stays. Clocks of replicas may differ, so this one looks again until it is closed.
          if (stored.value.connection === record.connection) {
            if (written === undefined) await removeForgotten();
            written = record;
          }
        } catch (error) {
          if (!failed) logger.warn({ err: error, gateway: gatewayId }, 'how far a gateway is could not be written for the other replicas');
          failed = true;
        }
        await clock.sleep(writeGapMs, closed);
      }
      if (written !== undefined && !hasMoved(written, stream.record)) await stream.bell.wait(heartbeatMs, closed);
    }
    const { connection } = stream.record;
    // What cannot be removed now is gone by itself when nothing is heard any more.
    await remove(gatewayId, (record) => record.connection === connection).catch(() => undefined);
  }

  /** Whether there was something to warn of. */
  function warnOfTwin(gatewayId: string, record: GatewayRecord): boolean {
    const twin = lastingTwin(record);
    if (twin === undefined) return false;
    const processes = [record, twin].map(({ bootId, adminAddress }) => ({ bootId, adminAddress }));
    logger.warn(
      { gateway: gatewayId, processes },
      'two gateways have one id: limits and changes of routes are reckoned with as if they were one; give each its own --gateway-id',
    );
    return true;
  }

  async function removeForgotten(): Promise<void> {
    const nowMs = clock.now().getTime();
    for (const known of await all()) {
      if (isForgotten(known, nowMs)) await remove(known.gatewayId, (record) => isForgotten(record, nowMs));
    }
  }

  /** Unless somebody has written about the gateway meanwhile. */
  async function remove(gatewayId: string, isMeant: (record: GatewayRecord) => boolean): Promise<void> {
    const stored = await documents.get(gatewayId);
    if (stored === undefined || !isMeant(stored.value)) return;
    try {
      await documents.remove(gatewayId, stored.version);
    } catch (error) {
      if (!isBurgageError(error, 'version_conflict', 'document_not_found')) throw error;
    }
  }

  async function all(): Promise<readonly ConnectedGateway[]> {
    const records: ConnectedGateway[] = [];
    let cursor: string | undefined;
    do {
      const page = await documents.list({ tooNew: 'omit', pageSize: 1_000, ...(cursor !== undefined && { cursor }) });
      for (const { id, value } of page.items) records.push({ gatewayId: id, ...value });
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return records;
  }

  function recentlyRead(): Promise<readonly ConnectedGateway[]> {
    const nowMs = clock.monotonicMs();
    if (read === undefined || nowMs - read.atMs >= readAgeMs) {
      read = { atMs: nowMs, records: all() };
      read.records.catch(() => (read = undefined));
    }
    return read.records;
  }

  async function list(): Promise<readonly ConnectedGateway[]> {
    const byId = new Map((await recentlyRead()).map((known) => [known.gatewayId, known]));
    // This replica's own are newer in memory than what it has written of them, unless they have gone to another one since.
    for (const [gatewayId, { record }] of streams) {
      const known = byId.get(gatewayId);
      if (known === undefined) byId.set(gatewayId, { gatewayId, ...record });
      else if (!isOfLaterStream(known, record)) byId.set(gatewayId, { gatewayId, ...inPlaceOf(known, record) });
    }
    const nowMs = clock.now().getTime();
    return [...byId.values()].filter((known) => !isGone(known, nowMs)).sort((a, b) => (a.gatewayId < b.gatewayId ? -1 : 1));
  }

  return { connect, list, settled: async () => void (await Promise.all(keeping)) };
}

const idPattern = /^[\x21-\x7e]{1,100}$/;

/**
 * How far the epoch of a hello may be beyond the registry's own: more than an older copy of the store can be behind. The
 * registry begins an epoch beyond the gateway's, and one at the end of all numbers would have no later one.
 */
const epochsAheadMax = 1_000;

/** The position in a message, or `invalid_argument` naming the field under `at`. */
export function positionOf(at: string, { epoch, revision }: WatchRoutesHello | WatchRoutesApplied): Result<RoutePosition> {
  if (epoch.length > 100) return err(invalidField(`${at}.epoch`, `got ${epoch.length} characters, expected at most 100`));
  if (revision > BigInt(Number.MAX_SAFE_INTEGER)) return err(tooHigh(`${at}.revision`, revision));
  return ok({ epoch, revision: Number(revision) });
}

/**
 * The position in a hello to a registry that is in the epoch `own`. A gateway that says nothing of what it has seen has
 * seen its revision, and no stamp there.
 */
export function provenPositionOf(hello: WatchRoutesHello, own: string): Result<ProvenPosition> {
  const { seenRevision, stamp } = hello;
  const position = positionOf('hello', hello);
  if (!position.ok) return position;
  const [number, numberMax] = [epochNumber(hello.epoch), epochNumber(own) + epochsAheadMax];
  if (number > numberMax)
    return err(invalidField('hello.epoch', `got number ${number}, expected at most ${numberMax}: the registry is in ${own}`));
  if (seenRevision > BigInt(Number.MAX_SAFE_INTEGER)) return err(tooHigh('hello.seen_revision', seenRevision));
  if (stamp.length > 100) return err(invalidField('hello.stamp', `got ${stamp.length} characters, expected at most 100`));
  const { epoch, revision } = position.value;
  const seen = seenRevision < revision ? { epoch, revision, stamp: '' } : { epoch, revision: Number(seenRevision), stamp };
  return ok({ epoch, revision, seen });
}

function tooHigh(field: string, revision: bigint): BurgageError {
  return invalidField(field, `got ${revision}, expected at most ${Number.MAX_SAFE_INTEGER}`);
}

/** `invalid_argument` unless the hello says who the gateway is. */
export function checkHello(hello: WatchRoutesHello): Result<WatchRoutesHello> {
  for (const [field, text] of [
    ['hello.gateway_id', hello.gatewayId],
    ['hello.boot_id', hello.bootId],
  ] as const) {
    if (!idPattern.test(text)) return err(invalidField(field, `${got(text)}, expected 1 to 100 visible ASCII characters`));
  }
  // The api asks gateways at this address and shows them the internal token: nothing but an address may stand there.
  if (hello.adminAddress !== '' && parseAddress(hello.adminAddress) === undefined)
    return err(invalidField('hello.admin_address', `${got(hello.adminAddress)}, expected host:port or nothing`));
  return ok(hello);
}
