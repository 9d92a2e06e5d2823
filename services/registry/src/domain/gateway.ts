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
}

/** A gateway says every second how far it is, and that is kept every five: who is not heard of for three of these is gone. */
const goneAfterMs = 15_000;

export function isGone({ lastSeenMs }: GatewayRecord, nowMs: number): boolean {
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
