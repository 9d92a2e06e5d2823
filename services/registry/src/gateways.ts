// The gateways that are connected to this registry, and how far each is.
import { invalidField, type WatchRoutesApplied, type WatchRoutesHello } from '@burgage/contracts';
import { err, got, ok, type Result } from '@burgage/tenancy';
import { parseAddress } from './domain/upstream.ts';
import type { RoutePosition } from './route-feed.ts';

/** What a gateway last said of itself. */
export interface ConnectedGateway {
  readonly gatewayId: string;
  readonly bootId: string;
  readonly adminAddress: string;
  readonly position: RoutePosition;
  readonly lastSeen: Date;
  readonly snapshotHeld: boolean;
}

/** One gateway's stream. */
export interface GatewayConnection {
  said(position: RoutePosition, snapshotHeld: boolean): void;
  close(): void;
}

export interface Gateways {
  /** A gateway that connects again while its old stream has not been noticed to be dead is listed once, as its new self. */
  connect(hello: WatchRoutesHello): GatewayConnection;
  /** By id. */
  list(): readonly ConnectedGateway[];
}

export function createGateways(clock: { now(): Date }, changed: (count: number) => void = () => {}): Gateways {
  const byId = new Map<string, { state: ConnectedGateway }>();
  return {
    connect({ gatewayId, bootId, adminAddress, epoch, revision }) {
      const entry = {
        state: {
          gatewayId,
          bootId,
          adminAddress,
          position: { epoch, revision: Number(revision) },
          lastSeen: clock.now(),
          snapshotHeld: false,
        },
      };
      byId.set(gatewayId, entry);
      changed(byId.size);
      return {
        said(position, snapshotHeld) {
          entry.state = { ...entry.state, position, snapshotHeld, lastSeen: clock.now() };
        },
        close() {
          if (byId.get(gatewayId) !== entry) return;
          byId.delete(gatewayId);
          changed(byId.size);
        },
      };
    },
    list: () => [...byId.values()].map(({ state }) => state).sort((a, b) => (a.gatewayId < b.gatewayId ? -1 : 1)),
  };
}

const idPattern = /^[\x21-\x7e]{1,100}$/;

/** The position in a message, or `invalid_argument` naming the field under `at`. */
export function positionOf(at: string, { epoch, revision }: WatchRoutesHello | WatchRoutesApplied): Result<RoutePosition> {
  if (epoch.length > 100) return err(invalidField(`${at}.epoch`, `got ${epoch.length} characters, expected at most 100`));
  if (revision > BigInt(Number.MAX_SAFE_INTEGER))
    return err(invalidField(`${at}.revision`, `got ${revision}, expected at most ${Number.MAX_SAFE_INTEGER}`));
  return ok({ epoch, revision: Number(revision) });
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
