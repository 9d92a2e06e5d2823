// What the registry keeps of a gateway that is connected to one of its replicas.

/** What a gateway last said of itself. */
export interface GatewayRecord {
  /** Chosen by the replica that it is connected to, for this one stream. */
  readonly connection: string;
  readonly bootId: string;
  readonly adminAddress: string;
  readonly epoch: string;
  readonly revision: number;
  readonly snapshotHeld: boolean;
  readonly lastSeenMs: number;
  /** Another process that has said lately that it is this gateway; absent: none has. */
  readonly twin?: Twin;
}

export interface Twin {
  readonly bootId: string;
  readonly adminAddress: string;
  readonly lastSeenMs: number;
  /** Since when both have been heard in turns. */
  readonly sinceMs: number;
}

/** A gateway says every second how far it is, and that is kept every five: who is not heard of for three of these is gone. */
const goneAfterMs = 15_000;
/** A gateway that takes over from another speaks beside it for up to 95 s: a minute to begin, and the other's drain. */
const takeOverMs = 120_000;

export function isGone({ lastSeenMs }: Pick<GatewayRecord, 'lastSeenMs'>, nowMs: number): boolean {
  return nowMs - lastSeenMs > goneAfterMs;
}

/** Nobody asks any more what became of it. */
export function isForgotten({ lastSeenMs }: GatewayRecord, nowMs: number): boolean {
  return nowMs - lastSeenMs > 3_600_000;
}

/** True where `known` is of another stream that was heard later than `record`: the gateway has moved on to another replica. */
export function isOfLaterStream(known: GatewayRecord, record: GatewayRecord): boolean {
  return known.connection !== record.connection && known.lastSeenMs > record.lastSeenMs;
}

/** True where `now` says something that callers wait for. */
export function hasMoved(before: GatewayRecord, now: GatewayRecord): boolean {
  return before.epoch !== now.epoch || before.revision !== now.revision || before.snapshotHeld !== now.snapshotHeld;
}

/** What is kept where `record` takes the place of `known`: whoever that was may live, too. */
export function inPlaceOf(known: GatewayRecord, record: GatewayRecord): GatewayRecord {
  const twin = known.bootId === record.bootId ? known.twin : twinOf(known, record);
  return twin === undefined || isGone(twin, record.lastSeenMs) ? record : { ...record, twin };
}

function twinOf({ bootId, adminAddress, lastSeenMs, twin }: GatewayRecord, record: GatewayRecord): Twin {
  return { bootId, adminAddress, lastSeenMs, sinceMs: twin?.bootId === record.bootId ? twin.sinceMs : record.lastSeenMs };
}

/** The process that shares the gateway's id for longer than one takes to take over from another. */
export function lastingTwin({ twin, lastSeenMs }: GatewayRecord): Twin | undefined {
  return twin !== undefined && lastSeenMs - twin.sinceMs >= takeOverMs ? twin : undefined;
}
