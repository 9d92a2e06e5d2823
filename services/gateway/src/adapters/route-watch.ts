// The gateway's end of WatchRoutes: says hello, applies what comes, says how far it is, and begins again when the registry goes.

import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  isBurgageError,
  LimitKind,
  type LimitShares as LimitSharesMessage,
  type RegistryService,
  type WatchRoutesRequestSchema,
} from '@burgage/contracts';
import type { RpcClient } from '@burgage/rpc';
import { type Clock, type Component, Doorbell, type Logger, type Random } from '@burgage/runtime';
import type { RoutesHeard } from '@burgage/tenancy';
import type { LimitShares, ToldShares } from '../domain/limit-shares.ts';
import type { Effect, RouteFollower, TablePosition } from '../domain/route-follower.ts';
import { readRoutesHeard } from './route-entry.ts';

export type Said = MessageInitShape<typeof WatchRoutesRequestSchema>;

/** Opens a conversation. */
export type OpenRoutes = (said: AsyncIterable<Said>, options: { readonly signal: AbortSignal }) => AsyncIterable<RoutesHeard>;

/** Conversations with the registry that `client` calls. */
export function routesOf(client: Pick<RpcClient<typeof RegistryService>, 'watchRoutes'>): OpenRoutes {
  return (said, { signal }) => client.watchRoutes(said, { signal, read: readRoutesHeard });
}

/** How often the gateway says what it applied. */
const ackMs = 1_000;
/** The registry says its head every second, a replica that is behind us waits 5 s for itself; after this it is taken for gone. */
const silenceMs = 8_000;
const backoffMinMs = 100;
const backoffMaxMs = 5_000;

export interface RouteWatchOptions {
  readonly open: OpenRoutes;
  readonly follower: RouteFollower;
  /** What is said to be applied: how far the routes go that every request is answered by. Absent: what the follower serves. */
  readonly applied?: () => TablePosition;
  /** Absent: this gateway shares no limits with others. */
  readonly limits?: { readonly shares: LimitShares; readonly onChange: () => void };
  readonly gatewayId: string;
  readonly bootId: string;
  /** Known once the admin port is bound. */
  readonly adminAddress: () => string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Hears of every effect of what came, and of the stream coming and going. */
  readonly onChange: (change: Effect['kind'] | 'connected' | 'disconnected') => void;
}

export interface RouteWatch extends Component {
  /** Since when the registry has been out of reach, on the monotonic clock; undefined while it is not. */
  disconnectedSinceMs(): number | undefined;
  /** Says how far the gateway is at once. */
  ack(): void;
}

/** Keeps `follower` equal to the registry's routes for as long as it runs. Never gives up. */
export function createRouteWatch(options: RouteWatchOptions): RouteWatch {
  const {
    open,
    follower,
    applied = () => follower.position,
    limits,
    gatewayId,
    bootId,
    adminAddress,
    logger,
    clock,
    random,
    onChange,
  } = options;
  const stopping = new AbortController();
  const bell = new Doorbell(clock);
  let running: Promise<void> = Promise.resolve();
  let disconnectedSinceMs: number | undefined;

  async function* said(signal: AbortSignal): AsyncGenerator<Said> {
    const { epoch, revision, seen } = follower.hello();
    const position = { epoch, revision: BigInt(revision), seenRevision: BigInt(seen.revision), stamp: seen.stamp };
    yield {
      message: {
        case: 'hello',
        value: { gatewayId, bootId, adminAddress: adminAddress(), ...position, takesShares: limits !== undefined },
      },
    };
    while (!signal.aborted) {
      await bell.wait(ackMs, signal);
      const { epoch, revision } = applied();
      const { snapshotHeld } = follower;
      yield { message: { case: 'applied', value: { epoch, revision: BigInt(revision), snapshotHeld, ...wanted() } } };
    }
  }

  function wanted() {
    if (limits === undefined) return {};
    const { shares } = limits;
    const demands = shares.demands.map(({ tenantId, limit, wanted, inUse }) => {
      return { tenantId, kind: limitKinds[limit], wantedPpm: inPpm(wanted), inUsePpm: inPpm(inUse) };
    });
    return { sharesSequence: BigInt(shares.sequence), demands };
  }

  /** One stream from hello to its end; throws what ended it. */
  async function converse(onHeard: () => void): Promise<void> {
    const conversation = new AbortController();
    const end = () => conversation.abort();
    stopping.signal.addEventListener('abort', end, { once: true });
    let heardMs = clock.monotonicMs();
    limits?.shares.begin();
    const watchdog = (async () => {
      while (!conversation.signal.aborted) {
        await clock.sleep(silenceMs / 5, conversation.signal);
        if (clock.monotonicMs() - heardMs > silenceMs) end();
      }
    })();
    let connected = false;
    try {
      for await (const message of open(said(conversation.signal), { signal: conversation.signal })) {
        heardMs = clock.monotonicMs();
        limits?.shares.heard(heardMs);
        if (!connected) {
          connected = true;
          disconnectedSinceMs = undefined;
          follower.connected();
          onChange('connected');
          onHeard();
        }
        hear(message);
      }
    } finally {
      end();
      stopping.signal.removeEventListener('abort', end);
      await watchdog;
      if (connected) {
        follower.disconnected();
        disconnectedSinceMs = clock.monotonicMs();
        onChange('disconnected');
      }
    }
  }

  function hear(message: RoutesHeard): void {
    if (message.case === 'limitShares') {
      limits?.shares.told(toldShares(message.value));
      limits?.onChange();
      bell.ring();
      return;
    }
    const { epoch: from } = follower.position;
    const effect = apply(message);
    switch (effect.kind) {
      case 'broken':
        throw new Error(`the conversation cannot go on: ${effect.reason}`);
      case 'held':
        logger.error(
          { removed: effect.removed, hosts: effect.hosts, from, epoch: effect.epoch },
          `snapshot held${begunAnew(from, effect.epoch)}: with it too many hosts would lead to no app any more; the old routes are served until an operator accepts it with: burgage gateways accept-snapshot ${gatewayId}`,
        );
        break;
      case 'swapped': {
        const { table, position } = follower;
        const anew = begunAnew(from, position.epoch);
        logger[anew === '' ? 'info' : 'warn']({ from, ...position, hosts: table.hostCount }, `routes replaced by a snapshot${anew}`);
        break;
      }
      case 'none':
      case 'advanced':
        break;
      default:
        throw new TypeError(`unknown effect ${String(effect satisfies never)}`);
    }
    if (effect.kind !== 'none') bell.ring();
    onChange(effect.kind);
  }

  function apply(message: Exclude<RoutesHeard, { case: 'limitShares' }>): Effect {
    switch (message.case) {
      case 'snapshotBegin':
        return follower.snapshotBegin(message.value.epoch, Number(message.value.revision));
      case 'batch': {
        const { entries, revision, stamp, unreadable } = message.value;
        for (const error of unreadable) logger.error({ err: error }, 'route entry skipped: it cannot be read');
        return follower.batch(entries, revision, stamp, unreadable.length);
      }
      case 'snapshotEnd': {
        const { revision, entries, seenRevision, stamp } = message.value;
        return follower.snapshotEnd(Number(revision), Number(entries), { revision: Number(seenRevision), stamp });
      }
      case 'head':
        return follower.registryHead(message.value.epoch, Number(message.value.revision));
      case undefined:
        // A newer registry may say what this version does not know.
        return { kind: 'none' };
      default:
        throw new TypeError(`unknown message ${String(message satisfies never)}`);
    }
  }

  async function follow(): Promise<void> {
    let failures = 0;
    let problem: string | undefined;
    disconnectedSinceMs = clock.monotonicMs();
    while (!stopping.signal.aborted) {
      // With how far it is, hello says what every request is answered by.
      while (applied() !== follower.position && !stopping.signal.aborted) await clock.sleep(backoffMinMs, stopping.signal);
      try {
        await converse(() => {
          if (failures > 0) logger.info('registry reached');
          failures = 0;
          problem = undefined;
        });
        failures += 1;
      } catch (error) {
        failures += 1;
        const before = problem;
        problem = problemOf(error);
        // Said once, not at every try; another one is said too.
        if (problem !== before && !stopping.signal.aborted) logger.warn({ err: error }, `${problem}: serving what is known`);
      }
      const ceilingMs = Math.min(backoffMinMs * 2 ** Math.min(failures - 1, 10), backoffMaxMs);
      await clock.sleep(ceilingMs * (0.5 + random.float() / 2), stopping.signal);
    }
  }

  return {
    name: 'route watch',
    start: async () => {
      running = follow();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    disconnectedSinceMs: () => disconnectedSinceMs,
    ack: () => bell.ring(),
  };
}

const limitKinds = { rate: LimitKind.RATE, concurrency: LimitKind.CONCURRENCY } as const;
const ppm = 1_000_000;

/** Not less than it is. */
function inPpm(part: number): number {
  return Math.ceil(part * ppm);
}

function toldShares({ sequence, gateways, evenPpm, shares }: LimitSharesMessage): ToldShares {
  const known = shares.flatMap(({ tenantId, kind, sharePpm }) => {
    // A newer registry may share what this version does not know.
    const limit = kind === LimitKind.RATE ? 'rate' : kind === LimitKind.CONCURRENCY ? 'concurrency' : undefined;
    return limit === undefined ? [] : [{ tenantId, limit, share: sharePpm / ppm } as const];
  });
  return { sequence: Number(sequence), gateways, even: evenPpm / ppm, shares: known };
}

/** Why a conversation did not come to be, or ended. */
function problemOf(error: unknown): string {
  if (isBurgageError(error, 'unavailable', 'deadline_exceeded', 'cancelled')) return 'registry not reached';
  return isBurgageError(error) ? `registry reached, and it answered ${error.code}` : 'conversation with the registry broken off';
}

/** Why a snapshot came of another epoch than the gateway was in; empty where it was in none or is in the same. */
function begunAnew(from: string, epoch: string): string {
  if (from === '' || from === epoch) return '';
  return ` because the registry has begun its routes anew, as it does when an older copy of its store was restored (it says so in its own log)`;
}
