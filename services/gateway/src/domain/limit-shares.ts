// This gateway's shares of tenants' limits: as the registry gave them, and what is left of them when it falls silent.
import { isDeepStrictEqual } from 'node:util';
import type { TenantLimits } from '@burgage/tenancy';
import type { TenantMeter } from './tenant-meters.ts';

/** Parts of a tenant's limits, above 0 to 1. */
export interface Shares {
  rate: number;
  concurrency: number;
}

export type LimitName = keyof Shares;

/** What the registry says: all of this gateway's shares. */
export interface ToldShares {
  readonly sequence: number;
  /** How many share. */
  readonly gateways: number;
  readonly even: number;
  readonly shares: readonly { readonly tenantId: string; readonly limit: LimitName; readonly share: number }[];
}

/** What this gateway needs of one limit, as parts of it. */
export interface LimitDemand {
  readonly tenantId: string;
  readonly limit: LimitName;
  readonly wanted: number;
  readonly inUse: number;
}

/** In one place, for people. */
export interface SharesStatus {
  readonly gateways: number;
  /** Of every limit that no gateway comes near to. */
  readonly evenShare: number;
  /** Tenants of whose limits this gateway has a share of its own. */
  readonly tenants: number;
}

/** After so long without a word from the registry, what is more than an even share is given up … */
const giveUpAfterMs = 5_000;
/** … and after this, when every other gateway that was cut off too has done so, an even share is taken where it was less. */
const evenAfterMs = 10_000;
/** A limit is named when its tenant has used up so much of its burst: it asks for more than there is, and has not yet been refused. */
const nearMs = 500;
/** Changes below this part of a limit are not said: what follows every wave is never at rest. */
const noticeable = 0.05;
/** The registry reads so many. */
const demandsMax = 200;
/** Nobody's share is nothing: nothing would be taken for no limit. */
const shareMin = 1e-6;

export class LimitShares {
  /** Of all tenants that have no shares of their own; one object, changed in place. */
  readonly #even: Shares = { rate: 1, concurrency: 1 };
  #own = new Map<string, Shares>();
  /** Which limits of these tenants: `rate ten_…`. */
  #named = new Set<string>();
  #sequence = 0;
  #gateways = 1;
  #heardMs = 0;
  #silence: 'none' | 'gives up' | 'even' = 'none';
  #demands: readonly LimitDemand[] = [];

  /** Hot path where a tenant is new. */
  of(tenantId: string): Shares {
    return this.#own.get(tenantId) ?? this.#even;
  }

  /** Of all tenants: those that have shares of their own, and the others. */
  get all(): { readonly even: Shares; readonly own: ReadonlyMap<string, Shares> } {
    return { even: this.#even, own: this.#own };
  }

  get status(): SharesStatus {
    return { gateways: this.#gateways, evenShare: this.#even.rate, tenants: this.#own.size };
  }

  /** What the registry is to be told, as of the last look; another list only where it says something else. */
  get demands(): readonly LimitDemand[] {
    return this.#demands;
  }

  /** Of the last shares in this conversation; 0 where there were none. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Another conversation: it has told nothing yet. */
  begin(): void {
    this.#sequence = 0;
  }

  /** The registry said something. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  told({ sequence, gateways, even, shares }: ToldShares): void {
    this.#sequence = sequence;
    this.#gateways = gateways;
    this.#silence = 'none';
    this.#even.rate = part(even);
    this.#even.concurrency = part(even);
    const own = new Map<string, Shares>();
    this.#named = new Set(shares.map(({ tenantId, limit }) => `${limit} ${tenantId}`));
    for (const { tenantId, limit, share } of shares) {
      const ofTenant = own.get(tenantId) ?? { ...this.#even };
      ofTenant[limit] = part(share);
      own.set(tenantId, ofTenant);
    }
    this.#own = own;
  }

  /**
   * Once a second: what the registry's silence has cost, and what is wanted now of limits that `meters` come near to. True where
   * shares are other ones than before.
   */
  look(nowMs: number, meters: Iterable<TenantMeter>, limitsOf: (tenantId: string) => TenantLimits | undefined): boolean {
    const isChanged = this.#lapse(nowMs - this.#heardMs);
    // One alone has everything, and nothing to ask for.
    const demands = this.#even.rate < 1 || this.#own.size > 0 ? this.#measure(nowMs, meters, limitsOf) : [];
    if (!isDeepStrictEqual(demands, this.#demands)) this.#demands = demands;
    return isChanged;
  }

  #lapse(silentMs: number): boolean {
    // Who was never told anything shares with nobody.
    if (this.#own.size === 0 || this.#silence === 'even') return false;
    if (silentMs >= evenAfterMs) {
      this.#silence = 'even';
      this.#own = new Map();
      this.#named = new Set();
      return true;
    }
    if (silentMs < giveUpAfterMs || this.#silence === 'gives up') return false;
    this.#silence = 'gives up';
    for (const shares of this.#own.values()) {
      shares.rate = Math.min(shares.rate, this.#even.rate);
      shares.concurrency = Math.min(shares.concurrency, this.#even.concurrency);
    }
    return true;
  }

  #measure(nowMs: number, meters: Iterable<TenantMeter>, limitsOf: (tenantId: string) => TenantLimits | undefined): LimitDemand[] {
    const before = new Map(this.#demands.map((demand) => [`${demand.limit} ${demand.tenantId}`, demand.wanted]));
    const unsaid = new Set(this.#named);
    const demands: LimitDemand[] = [];
    const say = (tenantId: string, limit: LimitName, wanted: number, inUse: number): void => {
      const name = `${limit} ${tenantId}`;
      unsaid.delete(name);
      const last = before.get(name);
      const isNews = last === undefined || Math.abs(last - wanted) > noticeable || wanted === 0;
      demands.push({ tenantId, limit, wanted: Math.min(isNews ? wanted : last, 1), inUse: Math.min(inUse, 1) });
    };
    for (const meter of meters) {
      const { tenantId, shares, use, concurrencyRefusals } = meter;
      meter.concurrencyRefusals = 0;
      const isNear = use.dueMs - nowMs > nearMs && shares.rate < 1;
      const isPressed = concurrencyRefusals > 0 && shares.concurrency < 1;
      const isOwn = this.#own.has(tenantId);
      if (!isOwn && !isNear && !isPressed) continue;
      const { requestsPerSecond = 0, concurrency = 0 } = limitsOf(tenantId) ?? {};
      if (requestsPerSecond > 0 && (isNear || unsaid.has(`rate ${tenantId}`))) {
        say(tenantId, 'rate', meter.perSecond / requestsPerSecond, 0);
      }
      if (concurrency > 0 && (isPressed || unsaid.has(`concurrency ${tenantId}`))) {
        say(tenantId, 'concurrency', (use.inflight + concurrencyRefusals) / concurrency, use.inflight / concurrency);
      }
    }
    // What was named and is not asked for here is free for others.
    for (const name of unsaid) {
      const space = name.indexOf(' ');
      say(name.slice(space + 1), name.slice(0, space) as LimitName, 0, 0);
    }
    return demands.sort((a, b) => b.wanted - a.wanted).slice(0, demandsMax);
  }
}

function part(share: number): number {
  return Math.min(Math.max(share, shareMin), 1);
}

/** Of a limit that is counted in whole requests: at least one, for a tenant without any would never be served here. */
export function wholePart(limit: number, share: number): number {
  // A third of three is one, also where a third is 0.333333.
  return share === 1 ? limit : Math.max(1, Math.floor(limit * share + 1e-4));
}
