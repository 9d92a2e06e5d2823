// The ledger of limits: whatever happens in which order, all gateways together keep to the bound, and each gets what it needs.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  emptyLedger,
  type GatewayShares,
  inForce,
  inForceMax,
  join,
  keepTo,
  type LimitLedger,
  leave,
  settle,
  sharesOf,
  want,
  whole,
} from './limit-ledger.ts';

/** A gateway as it really is: what it was told on its way to it, and what it keeps to. */
class SimulatedGateway {
  replica: SimulatedReplica | undefined;
  keeps: GatewayShares | undefined;
  keptSequence = 0;
  readonly wanted = new Map<string, number>();
  /** Heard nothing for so long that it has first given up what it had beyond an even share, then taken one where it had less. */
  silence: 'none' | 'gives up' | 'even' = 'none';
  /** Told and not yet heard, in this conversation. */
  underWay: { readonly sequence: number; readonly shares: GatewayShares }[] = [];

  hear(): void {
    const next = this.underWay.shift();
    if (next === undefined) return;
    this.keeps = next.shares;
    this.keptSequence = next.sequence;
    this.silence = 'none';
  }

  /** Time passes without a word from the registry. */
  hearNothing(): void {
    if (this.replica !== undefined || this.keeps === undefined) return;
    const { even, limits } = this.keeps;
    this.silence = this.silence === 'none' ? 'gives up' : 'even';
    const lapsed = Object.entries(limits).map(([name, share]) => [name, this.silence === 'even' ? even : Math.min(share, even)]);
    this.keeps = { ...this.keeps, limits: Object.fromEntries(lapsed) };
  }

  uses(name: string): number {
    return this.keeps === undefined ? 0 : (this.keeps.limits[name] ?? this.keeps.even);
  }
}

interface Stream {
  said: { readonly wanted: ReadonlyMap<string, number>; readonly sequence: number };
  told: { readonly sequence: number; readonly shares: GatewayShares | undefined };
}

/** The one document that all replicas write by compare-and-set. */
class SimulatedStore {
  ledger: LimitLedger = emptyLedger;
  version = 0;
}

/** A replica: what it decides is written later than what it decides by was read, if nobody else has written since. */
class SimulatedReplica {
  readonly streams = new Map<string, Stream>();
  readonly #store: SimulatedStore;
  readonly #gateways: Map<string, SimulatedGateway>;
  #decided: { readonly ledger: LimitLedger; readonly version: number } | undefined;

  constructor(store: SimulatedStore, gateways: Map<string, SimulatedGateway>) {
    this.#store = store;
    this.#gateways = gateways;
  }

  decide(): void {
    let { ledger } = this.#store;
    for (const [id, { said, told }] of this.streams) {
      ledger = want(join(ledger, id), id, said.wanted);
      if (told.shares !== undefined && said.sequence === told.sequence) ledger = keepTo(ledger, id, told.shares, new Map());
    }
    this.#decided = { ledger: settle(ledger), version: this.#store.version };
  }

  write(): void {
    const decided = this.#decided;
    this.#decided = undefined;
    if (decided === undefined || decided.version !== this.#store.version) return;
    this.#store.ledger = decided.ledger;
    this.#store.version += 1;
    for (const [id, stream] of this.streams) {
      const shares = sharesOf(decided.ledger, id);
      if (shares === undefined || JSON.stringify(shares) === JSON.stringify(stream.told.shares)) continue;
      stream.told = { sequence: stream.told.sequence + 1, shares };
      this.#gateways.get(id)?.underWay.push({ sequence: stream.told.sequence, shares });
    }
  }
}

class World {
  readonly store = new SimulatedStore();
  readonly gateways = new Map<string, SimulatedGateway>();
  readonly replicas = Array.from({ length: 3 }, () => new SimulatedReplica(this.store, this.gateways));

  gateway(id: string): SimulatedGateway {
    let known = this.gateways.get(id);
    if (known === undefined) {
      known = new SimulatedGateway();
      this.gateways.set(id, known);
    }
    return known;
  }

  /** To any replica, also to another one than before: it goes on with what it keeps to. */
  connect(id: string, replica: number): void {
    this.disconnect(id);
    const gateway = this.gateway(id);
    gateway.replica = this.replicas[replica];
    gateway.underWay = [];
    gateway.keptSequence = 0;
    gateway.replica?.streams.set(id, { said: { wanted: new Map(), sequence: 0 }, told: { sequence: 0, shares: undefined } });
  }

  disconnect(id: string): void {
    const gateway = this.gateway(id);
    gateway.replica?.streams.delete(id);
    gateway.replica = undefined;
    // What was not heard by then is heard within moments, long before anybody forgets the gateway.
    while (gateway.underWay.length > 0) gateway.hear();
  }

  say(id: string): void {
    const { replica, wanted, keptSequence } = this.gateway(id);
    const stream = replica?.streams.get(id);
    if (stream !== undefined) stream.said = { wanted: new Map(wanted), sequence: keptSequence };
  }

  /** It uses nothing any more, and after a while the ledger knows. */
  stop(id: string): void {
    this.disconnect(id);
    this.gateways.delete(id);
    this.store.ledger = leave(this.store.ledger, id);
    this.store.version += 1;
  }

  /** Cut off for so long that nobody counts with it any more; it goes on with its even share. */
  forget(id: string): void {
    const gateway = this.gateways.get(id);
    if (gateway?.silence !== 'even' || gateway.replica !== undefined) return;
    this.store.ledger = leave(this.store.ledger, id);
    this.store.version += 1;
  }

  hearNothing(id: string): void {
    this.gateway(id).hearNothing();
  }

  hear(id: string): void {
    this.gateway(id).hear();
  }

  round(): void {
    for (const id of this.gateways.keys()) {
      this.gateway(id).hear();
      this.say(id);
    }
    for (const replica of this.replicas) {
      replica.decide();
      replica.write();
    }
  }

  inUse(name: string): number {
    let sum = 0;
    for (const gateway of this.gateways.values()) sum += gateway.uses(name);
    return sum;
  }

  /** What those use who are cut off from all replicas, or have not been told anew since. */
  inUseOfCutOff(): number {
    const cutOff = [...this.gateways.values()].filter(({ silence }) => silence === 'even');
    return cutOff.reduce((sum, { keeps }) => sum + (keeps?.even ?? 0), 0);
  }
}

const limitNames = ['one', 'two', 'never wanted'];
const id = fc.constantFrom('a', 'b', 'gw-3', 'constructor', '__proto__');
const replica = fc.nat({ max: 2 });
const wish = fc.record({ id, name: fc.constantFrom('one', 'two'), wanted: fc.constantFrom(0, 50_000, 300_000, 700_000, whole, 3 * whole) });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('want' as const), wish }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('connect' as const), id, replica }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('disconnect' as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const), id }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('hearNothing' as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), id }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('hear' as const), id }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('say' as const), id }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('decide' as const), replica }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), replica }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('round' as const) }) },
);

function take(world: World, one: typeof step extends fc.Arbitrary<infer S> ? S : never): void {
  switch (one.kind) {
    case 'want':
      world.gateway(one.wish.id).wanted.set(one.wish.name, one.wish.wanted);
      break;
    case 'connect':
      world.connect(one.id, one.replica);
      break;
    case 'decide':
    case 'write':
      world.replicas[one.replica]?.[one.kind]();
      break;
    case 'round':
      world.round();
      break;
    default:
      world[one.kind](one.id);
  }
}

describe('all gateways together', () => {
  it('never use more than 110 % of a limit, and what was an even share of each that is cut off, whatever happens in which order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        const world = new World();
        for (const one of steps) {
          take(world, one);
          for (const name of limitNames) expect(world.inUse(name)).toBeLessThanOrEqual(inForceMax + world.inUseOfCutOff());
          expect(inForce(world.store.ledger.even)).toBeLessThanOrEqual(inForceMax);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('get within eight rounds what is fair: all that they want, or as much as whoever gets most', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 80, size: 'max' }),
        fc.array(fc.record({ id, replica }), { minLength: 1, maxLength: 10 }),
        (steps, connected) => {
          const world = new World();
          for (const one of steps) take(world, one);
          for (const { id, replica } of connected) world.connect(id, replica);
          for (const [id, { replica }] of [...world.gateways]) if (replica === undefined) world.stop(id);
          for (let rounds = 0; rounds < 8; rounds++) world.round();
          for (const name of limitNames) {
            const gateways = [...world.gateways.values()];
            const mostUsed = Math.max(...gateways.map((gateway) => gateway.uses(name)));
            for (const gateway of gateways) {
              const wanted = Math.min(gateway.wanted.get(name) ?? 0, whole);
              expect(gateway.uses(name)).toBeGreaterThanOrEqual(Math.min(wanted, mostUsed) - 1);
              expect(gateway.uses(name)).toBeGreaterThan(0);
            }
            expect(world.inUse(name)).toBeGreaterThanOrEqual(whole - gateways.length);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a gateway alone', () => {
  it('has all of every limit, and nothing that it wants needs a place in the ledger', () => {
    const alone = settle(join(emptyLedger, 'a'));
    expect(sharesOf(alone, 'a')).toEqual({ gateways: 1, even: whole, limits: {} });
  });
});

describe('a limit that nobody comes near to any more', () => {
  it('is shared evenly again, and leaves the ledger', () => {
    const world = new World();
    for (const [index, id] of ['a', 'b', 'c'].entries()) world.connect(id, index);
    world.gateway('a').wanted.set('one', whole);
    for (let rounds = 0; rounds < 8; rounds++) world.round();
    expect(world.gateway('a').uses('one')).toBe(whole);
    expect(world.gateway('b').uses('one')).toBeGreaterThan(0);
    world.gateway('a').wanted.set('one', 0);
    for (let rounds = 0; rounds < 8; rounds++) world.round();
    expect(world.store.ledger.limits).toEqual({});
    for (const gateway of world.gateways.values()) expect(gateway.uses('one')).toBe(Math.floor(whole / 3));
  });
});
