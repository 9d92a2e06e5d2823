// The ledger of limits: which part of each tenant's limits is whose, of all gateways, as it follows demand.

/** Parts are in millionths of a limit, so that what the limit is does not matter here. */
export const whole = 1_000_000;
/** What all gateways together may use at any moment: a tenth beyond the limit, for what is kept ready and for what is under way. */
export const inForceMax = 1_100_000;
/** Of a limit that follows demand, what is kept ready for all that want nothing of it: a first request gets through there. */
const readyPart = 100_000;
/** Beyond these, limits are shared evenly, whatever is wanted. */
export const limitsMax = 200;

/** One gateway's part of one limit. */
export interface Claim {
  /** What it is to use. */
  readonly share: number;
  /** The most that it may be using until it has said that it keeps to `share`; at least that. */
  readonly held: number;
  /** What its clients ask for, as it last said. */
  readonly wanted: number;
}

/** By gateway. */
export type Claims = Readonly<Record<string, Claim>>;

export interface LimitLedger {
  /** Of every limit that is not named in `limits`: the same for each gateway, once all have said that they keep to it. */
  readonly even: Claims;
  /** Limits that some gateway comes near to, by a name of the caller's; with the gateways of `even`, each and no others. */
  readonly limits: Readonly<Record<string, Claims>>;
}

export const emptyLedger: LimitLedger = { even: {}, limits: {} };

/** What a gateway is told. */
export interface GatewayShares {
  readonly gateways: number;
  readonly even: number;
  readonly limits: Readonly<Record<string, number>>;
}

const nothing: Claim = { share: 0, held: 0, wanted: 0 };

/** Gateways choose their names themselves: one may be called as something that every object has. */
function own<T>(byName: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(byName, name) ? byName[name] : undefined;
}

/** A gateway more; it gets what there is room for, and its part once the others have made place. */
export function join(ledger: LimitLedger, gateway: string): LimitLedger {
  if (own(ledger.even, gateway) !== undefined) return ledger;
  return mapped(ledger, (claims) => ({ ...claims, [gateway]: nothing }));
}

/** A gateway that uses nothing any more, or that nobody answers for. */
export function leave(ledger: LimitLedger, gateway: string): LimitLedger {
  return mapped(ledger, ({ [gateway]: _gone, ...others }) => others);
}

/** What a gateway wants of some limits. One that nobody has named before begins as it was shared until now: evenly. */
export function want(ledger: LimitLedger, gateway: string, wanted: ReadonlyMap<string, number>): LimitLedger {
  if (own(ledger.even, gateway) === undefined) return ledger;
  const limits: Record<string, Claims> = { ...ledger.limits };
  let count = Object.keys(limits).length;
  for (const [name, amount] of wanted) {
    if (limits[name] === undefined) {
      if (amount === 0 || count >= limitsMax) continue;
      limits[name] = ledger.even;
      count += 1;
    }
    const claims: Claims = limits[name];
    const claim = own(claims, gateway) ?? nothing;
    limits[name] = { ...claims, [gateway]: { ...claim, wanted: Math.min(amount, whole) } };
  }
  return { ...ledger, limits };
}

/** A gateway has said that it keeps to `told`; of the limits in `inUse` so much is still taken there nevertheless. */
export function keepTo(ledger: LimitLedger, gateway: string, told: GatewayShares, inUse: ReadonlyMap<string, number>): LimitLedger {
  return mapped(ledger, (claims, name) => {
    const claim = own(claims, gateway);
    if (claim === undefined) return claims;
    const kept = name === undefined ? told.even : (told.limits[name] ?? told.even);
    const using = name === undefined ? 0 : (inUse.get(name) ?? 0);
    const held = Math.min(claim.held, Math.max(claim.share, kept, using));
    return held === claim.held ? claims : { ...claims, [gateway]: { ...claim, held } };
  });
}

/**
 * Shares anew, as demand is now: at once where a gateway gets less, and where one gets more as far as there is room. Room is
 * what is missing to `inForceMax` when every gateway uses all that it may be using.
 */
export function settle({ even, limits }: LimitLedger): LimitLedger {
  const evenly = moved(even, evenTargets(even));
  const followed: Record<string, Claims> = {};
  for (const [name, claims] of Object.entries(limits)) {
    const isQuiet = Object.entries(claims).every(([gateway, { wanted }]) => wanted <= (own(evenly, gateway)?.share ?? 0) / 2);
    const next = moved(claims, isQuiet ? evenTargets(claims) : demandTargets(claims));
    // Shared as all others are, it need not be named.
    if (isQuiet && isAsIn(next, evenly)) continue;
    followed[name] = next;
  }
  return { even: evenly, limits: followed };
}

/** What `gateway` is to be told; undefined where it is not in the ledger. */
export function sharesOf({ even, limits }: LimitLedger, gateway: string): GatewayShares | undefined {
  const ofGateway = own(even, gateway);
  if (ofGateway === undefined) return undefined;
  const shares = Object.entries(limits).map(([name, claims]) => [name, own(claims, gateway)?.share ?? ofGateway.share]);
  return { gateways: Object.keys(even).length, even: ofGateway.share, limits: Object.fromEntries(shares) };
}

/** The most that all gateways together may be using of one limit. */
export function inForce(claims: Claims): number {
  return Object.values(claims).reduce((sum, { held }) => sum + held, 0);
}

function mapped({ even, limits }: LimitLedger, change: (claims: Claims, name?: string) => Claims): LimitLedger {
  return { even: change(even), limits: Object.fromEntries(Object.entries(limits).map(([name, claims]) => [name, change(claims, name)])) };
}

type Targets = Readonly<Record<string, number>>;

function evenTargets(claims: Claims): Targets {
  const gateways = Object.keys(claims);
  return Object.fromEntries(gateways.map((gateway) => [gateway, Math.floor(whole / gateways.length)]));
}

/**
 * Who wants less than others gets all of it, the others the same each (max-min fairness); what nobody wants goes to all, as
 * nobody knows who will be the next to want it. Who has next to nothing by that has a little ready beyond the limit.
 */
function demandTargets(claims: Claims): Targets {
  const ascending = Object.entries(claims).sort(([, a], [, b]) => a.wanted - b.wanted);
  const given: [string, number][] = [];
  let left = whole;
  for (const [index, [gateway, { wanted }]] of ascending.entries()) {
    const part = Math.min(wanted, Math.floor(left / (ascending.length - index)));
    given.push([gateway, part]);
    left -= part;
  }
  const [more, ready] = [left, readyPart].map((part) => Math.floor(part / ascending.length));
  return Object.fromEntries(given.map(([gateway, part]) => [gateway, Math.min(Math.max(part + (more ?? 0), ready ?? 0), whole)]));
}

/** `claims` on their way to `targets`. */
function moved(claims: Claims, targets: Targets): Claims {
  const next: [string, Claim][] = [];
  let room = inForceMax - inForce(claims);
  // Who has least is the first to get more.
  for (const [gateway, claim] of Object.entries(claims).sort(([, a], [, b]) => a.share - b.share)) {
    const target = own(targets, gateway) ?? 0;
    const share = target <= claim.share ? target : Math.min(target, Math.max(claim.held + Math.max(room, 0), claim.share));
    const held = Math.max(claim.held, share);
    room -= held - claim.held;
    next.push([gateway, { ...claim, share, held }]);
  }
  return Object.fromEntries(next);
}

function isAsIn(claims: Claims, even: Claims): boolean {
  return Object.entries(claims).every(([gateway, { share, held }]) => {
    const other = own(even, gateway);
    return other !== undefined && share === held && other.share === share && other.held === held;
  });
}
