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

type MeterOf = (tenantId: string) => TenantMeter | undefined;
type LimitsOf = (tenantId: string) => TenantLimits | undefined;

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
  /** Of limits that are not named: as of the last time that all tenants were seen, and what was seen since. */
  #near: readonly LimitDemand[] = [];
  #seen: LimitDemand[] = [];
  /** Tenants whose meters have shares of their own. */
  #handedTo: readonly string[] = [];

  /** Hot path where a tenant is new. */
  of(tenant: { readonly tenantId: string }): Shares {
    if (this.#own.size === 0) return this.#even;
    return this.#own.get(tenant.tenantId) ?? this.#even;
  }

  /** Has the meters of those whose shares are other ones than before hold what they have now. */
  handOut(meterOf: MeterOf): void {
    const own = [...this.#own.keys()];
    for (const tenantId of [...this.#handedTo, ...own]) {
      const meter = meterOf(tenantId);
      if (meter !== undefined) meter.shares = this.of({ tenantId });
    }
    this.#handedTo = own;
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
    this.#named = new Set(shares.map(nameOf));
    for (const { tenantId, limit, share } of shares) {
      const ofTenant = own.get(tenantId) ?? { ...this.#even };
      ofTenant[limit] = part(share);
      own.set(tenantId, ofTenant);
    }
    this.#own = own;
  }

  /** About once a second with each tenant: whether it comes near to its limits. True where `look` needs the same meter then. */
  see(meter: TenantMeter, nowMs: number, limitsOf: LimitsOf): boolean {
    // Hardly any do. Those whose limits are named are looked at by their names.
    if (!isNear(meter, nowMs) && meter.concurrencyRefusals === 0) return false;
    if (this.#own.has(meter.tenantId)) return true;
    this.#seen.push(...needsOf(meter, nowMs, limitsOf(meter.tenantId)));
    if (this.#seen.length >= 2 * demandsMax) this.#seen = most(this.#seen);
    return false;
  }

  /** All tenants were seen. */
  seenAll(): void {
    this.#near = most(this.#seen);
    this.#seen = [];
  }

  /**
   * What the registry's silence has cost, and what is wanted now of limits that are named or come near. True where shares are other
   * ones than before.
   */
  look(nowMs: number, meterOf: MeterOf, limitsOf: LimitsOf): boolean {
    const isChanged = this.#lapse(nowMs - this.#heardMs);
    // One alone has everything, and nothing to ask for.
    const demands = this.#even.rate < 1 || this.#own.size > 0 ? this.#measure(nowMs, meterOf, limitsOf) : [];
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

  #measure(nowMs: number, meterOf: MeterOf, limitsOf: LimitsOf): LimitDemand[] {
    const before = new Map(this.#demands.map((demand) => [nameOf(demand), demand.wanted]));
    const unsaid = new Set(this.#named);
    const needs = this.#near.filter(({ tenantId }) => !this.#own.has(tenantId));
    for (const tenantId of this.#own.keys()) {
      const meter = meterOf(tenantId);
      if (meter !== undefined) needs.push(...needsOf(meter, nowMs, limitsOf(tenantId), unsaid));
    }
    for (const need of needs) unsaid.delete(nameOf(need));
    // What was named and is not asked for here is free for others.
    for (const name of unsaid) {
      const space = name.indexOf(' ');
      needs.push({ tenantId: name.slice(space + 1), limit: name.slice(0, space) as LimitName, wanted: 0, inUse: 0 });
    }
    return most(
      needs.map((need) => {
        const { wanted, inUse } = need;
        const last = before.get(nameOf(need));
        const isNews = last === undefined || Math.abs(last - wanted) > noticeable || wanted === 0;
        return { ...need, wanted: Math.min(isNews ? wanted : last, 1), inUse: Math.min(inUse, 1) };
      }),
    );
  }
}

/** As parts of a tenant's limits, what is needed of those that it comes near to, and of those that are `named`. */
function needsOf(meter: TenantMeter, nowMs: number, limits: TenantLimits | undefined, named?: ReadonlySet<string>): LimitDemand[] {
  const { tenantId, shares, use, perSecond, concurrencyRefusals } = meter;
  meter.concurrencyRefusals = 0;
  const { requestsPerSecond = 0, concurrency = 0 } = limits ?? {};
  const needs: LimitDemand[] = [];
  if (requestsPerSecond > 0 && (isNear(meter, nowMs) || named?.has(nameOf({ tenantId, limit: 'rate' }))))
    needs.push({ tenantId, limit: 'rate', wanted: perSecond / requestsPerSecond, inUse: 0 });
  const isPressed = concurrencyRefusals > 0 && shares.concurrency < 1;
  if (concurrency > 0 && (isPressed || named?.has(nameOf({ tenantId, limit: 'concurrency' })))) {
    const { inflight } = use;
    needs.push({ tenantId, limit: 'concurrency', wanted: (inflight + concurrencyRefusals) / concurrency, inUse: inflight / concurrency });
  }
  return needs;
}

function isNear({ use, shares }: TenantMeter, nowMs: number): boolean {
  return shares.rate < 1 && use.dueMs - nowMs > nearMs;
}

/** Those that want most, as many as the registry reads. */
function most(demands: readonly LimitDemand[]): LimitDemand[] {
  return demands.toSorted((a, b) => b.wanted - a.wanted).slice(0, demandsMax);
}

function nameOf({ tenantId, limit }: Pick<LimitDemand, 'tenantId' | 'limit'>): string {
  return `${limit} ${tenantId}`;
}

function part(share: number): number {
  return Math.min(Math.max(share, shareMin), 1);
}

/** Of a limit that is counted in whole requests: at least one, for a tenant without any would never be served here. */
export function wholePart(limit: number, share: number): number {
  // A third of three is one, also where a third is 0.333333.
  return share === 1 ? limit : Math.max(1, Math.floor(limit * share + 1e-4));
}
