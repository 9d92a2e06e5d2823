// Shares of tenants' limits for the gateways of this replica, agreed with the other replicas in one document.
import { isDeepStrictEqual } from 'node:util';
import { LimitKind, type LimitShares as LimitSharesMessage, type WatchRoutesApplied } from '@burgage/contracts';
import { type Clock, type Component, Doorbell, type Logger } from '@burgage/runtime';
import type { Documents } from '@burgage/store';
import { ok } from '@burgage/tenancy';
import { put } from './adapters/documents.ts';
import { emptyLedger, type GatewayShares, join, keepTo, type LimitLedger, leave, settle, sharesOf, want } from './domain/limit-ledger.ts';
import type { Gateways } from './gateways.ts';

/** One gateway's part in a conversation that is about shares too. */
export interface SharesConversation {
  /** What the gateway said of shares; what is not valid in it is left out. */
  said(applied: Pick<WatchRoutesApplied, 'sharesSequence' | 'demands'>): void;
  /** What it has to be told, once; undefined where it knows. */
  take(): Omit<LimitSharesMessage, '$typeName'> | undefined;
  close(): void;
}

export interface LimitShares extends Component {
  /** `news` is called whenever there is something to `take`. */
  connect(gatewayId: string, news: () => void): SharesConversation;
}

export interface LimitSharesOptions {
  readonly documents: Documents<LimitLedger>;
  /** Of all replicas. */
  readonly gateways: Pick<Gateways, 'list'>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** Told of how many limits shares follow demand. */
  readonly changed?: (limits: number) => void;
}

/** There is one ledger. */
export const ledgerId = 'gateways';
/** How often a replica looks what the others have written. */
const lookMs = 1_000;
/** Between two looks, whatever is said. */
const lookGapMs = 100;
/** A gateway that is not connected anywhere for so long has fallen back to its even share, after 10 s, or is no more. */
const goneAfterMs = 12_000;
const demandsMax = 200;

interface Told {
  readonly sequence: number;
  readonly shares: GatewayShares;
}

interface Stream {
  readonly news: () => void;
  wanted: ReadonlyMap<string, number>;
  inUse: ReadonlyMap<string, number>;
  keepsTo: number;
  told: Told | undefined;
  isTaken: boolean;
}

const kinds = { rate: LimitKind.RATE, concurrency: LimitKind.CONCURRENCY } as const;

export function createLimitShares({ documents, gateways, clock, logger, changed = () => {} }: LimitSharesOptions): LimitShares {
  const streams = new Map<string, Stream>();
  /** When each gateway of the ledger was last known to be connected somewhere. */
  const seenMs = new Map<string, number>();
  const stopping = new AbortController();
  const bell = new Doorbell(clock);
  let running: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const gone = await goneGateways();
    const begun = decided(emptyLedger, []);
    const decide = ({ value }: { readonly value: LimitLedger }) => {
      const next = decided(value, gone);
      return ok(isDeepStrictEqual(next, value) ? value : next);
    };
    const { value: ledger } = await put(documents, ledgerId, begun, { begin: () => [], decide, outbox: () => [] });
    changed(Object.keys(ledger.limits).length);
    for (const [gatewayId, stream] of streams) {
      const shares = sharesOf(ledger, gatewayId);
      // One that came after the ledger was read has its turn at the next look.
      if (shares === undefined || isDeepStrictEqual(shares, stream.told?.shares)) continue;
      stream.told = { sequence: (stream.told?.sequence ?? 0) + 1, shares };
      stream.isTaken = false;
      stream.news();
    }
  }

  function decided(ledger: LimitLedger, gone: readonly string[]): LimitLedger {
    let next = gone.reduce(leave, ledger);
    for (const [gatewayId, { wanted, inUse, keepsTo, told }] of streams) {
      next = want(join(next, gatewayId), gatewayId, wanted);
      // What it said before it heard the last proves nothing of what it has heard by now.
      if (told !== undefined && told.sequence === keepsTo) next = keepTo(next, gatewayId, told.shares, inUse);
    }
    return settle(next);
  }

  /** Those in the ledger that nobody has been connected with for long. */
  async function goneGateways(): Promise<string[]> {
    const nowMs = clock.monotonicMs();
    for (const gatewayId of streams.keys()) seenMs.set(gatewayId, nowMs);
    const known = Object.keys((await documents.get(ledgerId))?.value.even ?? {});
    if (known.some((gatewayId) => !streams.has(gatewayId))) {
      for (const { gatewayId } of await gateways.list()) seenMs.set(gatewayId, nowMs);
    }
    for (const gatewayId of seenMs.keys()) if (!known.includes(gatewayId) && !streams.has(gatewayId)) seenMs.delete(gatewayId);
    return known.filter((gatewayId) => {
      const lastMs = seenMs.get(gatewayId) ?? nowMs;
      seenMs.set(gatewayId, lastMs);
      return nowMs - lastMs >= goneAfterMs;
    });
  }

  async function keep(): Promise<void> {
    let failed = false;
    while (!stopping.signal.aborted) {
      await bell.wait(lookMs, stopping.signal);
      if (streams.size === 0 || stopping.signal.aborted) continue;
      try {
        await look();
        failed = false;
      } catch (error) {
        if (!failed) logger.warn({ err: error }, 'shares of limits cannot be agreed on: gateways keep those that they have');
        failed = true;
      }
      await clock.sleep(lookGapMs, stopping.signal);
    }
  }

  return {
    name: 'limit shares',
    start: async () => {
      running = keep();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    connect(gatewayId, news) {
      const stream: Stream = { news, wanted: new Map(), inUse: new Map(), keepsTo: 0, told: undefined, isTaken: true };
      streams.set(gatewayId, stream);
      bell.ring();
      return {
        said({ sharesSequence, demands }) {
          const before = [stream.wanted, stream.inUse, stream.keepsTo];
          stream.wanted = amounts(demands, 'wantedPpm');
          stream.inUse = amounts(demands, 'inUsePpm');
          stream.keepsTo = Number(sharesSequence);
          if (!isDeepStrictEqual(before, [stream.wanted, stream.inUse, stream.keepsTo])) bell.ring();
        },
        take() {
          if (stream.told === undefined || stream.isTaken) return undefined;
          stream.isTaken = true;
          return messageOf(stream.told);
        },
        close() {
          if (streams.get(gatewayId) === stream) streams.delete(gatewayId);
        },
      };
    },
  };
}

function amounts(demands: WatchRoutesApplied['demands'], field: 'wantedPpm' | 'inUsePpm'): ReadonlyMap<string, number> {
  const byName = new Map<string, number>();
  for (const { tenantId, kind, [field]: amount } of demands.slice(0, demandsMax)) {
    const name = nameOf(tenantId, kind);
    if (name !== undefined) byName.set(name, amount);
  }
  return byName;
}

/** How the ledger names a limit; undefined for what is none. */
function nameOf(tenantId: string, kind: LimitKind): string | undefined {
  const [word] = Object.entries(kinds).find(([, known]) => known === kind) ?? [];
  return word === undefined || !/^[\x21-\x7e]{1,100}$/.test(tenantId) ? undefined : `${word} ${tenantId}`;
}

function messageOf({ sequence, shares }: Told): Omit<LimitSharesMessage, '$typeName'> {
  const named = Object.entries(shares.limits).map(([name, sharePpm]) => {
    const space = name.indexOf(' ');
    const kind = kinds[name.slice(0, space) as keyof typeof kinds];
    return { $typeName: 'burgage.registry.v1.LimitShare' as const, tenantId: name.slice(space + 1), kind, sharePpm };
  });
  return { sequence: BigInt(sequence), gateways: shares.gateways, evenPpm: shares.even, shares: named };
}
