// The watch protocol as a whole: whatever happens between the registry and its gateways, no gateway shows what is not so.
import { epochNumber } from '@burgage/contracts';
import { systemRandom } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { upstreamNames } from './registry-writes.ts';
import type { StoreFaults } from './replica-store.ts';
import type { WatchedRegistry } from './watched-registry.ts';
import { WatchedWorld } from './watched-world.ts';
import type { Disk, WatchingGateway } from './watching-gateway.ts';

const runs = Number(process.env.BURGAGE_MODEL_RUNS ?? 6);
/** The same steps in each run; what they meet differs, as sockets and disk do. */
const seedAsked = process.env.BURGAGE_MODEL_SEED;
const seeds = Array.from({ length: runs }, () => Number(seedAsked ?? Math.floor(systemRandom.float() * 2 ** 31)));
const stepsMin = 30;
const stepsMax = 60;
const gatewayCount = 3;

interface Step {
  readonly weight: number;
  readonly name: string;
  /** A promise that it answers with is waited for before the next. */
  readonly take: (world: WatchedWorld, gateway: WatchingGateway) => unknown;
}

const chance = ({ random }: WatchedWorld, share: number): boolean => random.float() < share;
const upTo = ({ random }: WatchedWorld, max: number): number => Math.floor(random.float() * (max + 1));
const slug = (of: WatchedWorld): string => `tenant-${upTo(of, 23)}`;
const upstream = (of: WatchedWorld): string => upstreamNames[upTo(of, upstreamNames.length - 1)] ?? upstreamNames[0];
const disk = (of: WatchedWorld): Disk => (chance(of, 0.6) ? 'kept' : chance(of, 0.7) ? 'cut off' : 'lost');

const steps: readonly Step[] = [
  { weight: 8, name: 'sign up', take: (of) => void of.writes.signUp(slug(of)) },
  { weight: 16, name: 'move on', take: (of) => void of.writes.moveOn(slug(of)) },
  { weight: 5, name: 'unplace', take: (of) => void of.writes.unplace(slug(of)) },
  { weight: 4, name: 'put upstream', take: (of) => void of.writes.putUpstream(upstream(of), chance(of, 0.1) ? 800 : upTo(of, 3)) },
  { weight: 2, name: 'remove upstream', take: (of) => void of.writes.removeUpstream(upstream(of)) },
  { weight: 2, name: 'put platform route', take: (of) => void of.writes.putPlatformRoute() },
  { weight: 2, name: 'unplace many', take: unplaceMany },
  { weight: 2, name: 'end before append', take: (of) => relay(of, 'ends before append') },
  { weight: 2, name: 'end before pull', take: (of) => relay(of, 'ends before pull') },
  { weight: 6, name: 'relay again', take: (of) => relay(of, 'works') },
  { weight: 4, name: 'read slowly', take: (of) => readSlowly(of, upTo(of, 15)) },
  { weight: 4, name: 'repeat entries', take: (of) => of.registry.repeat(1 + upTo(of, 5)) },
  { weight: 4, name: 'trim', take: (of) => of.registry.trim(chance(of, 0.5) ? 0 : upTo(of, 10)) },
  { weight: 2, name: 'reset', take: ({ registry }) => registry.reset() },
  { weight: 3, name: 'back up', take: ({ registry }) => registry.backUp() },
  { weight: 3, name: 'restore', take: (of) => of.restore() },
  { weight: 1, name: 'restart leading', take: ({ registry }) => registry.restart('leading') },
  { weight: 1, name: 'restart lagging', take: ({ registry }) => registry.restart('lagging') },
  { weight: 4, name: 'fall behind', take: ({ registry }) => registry.fallBehind() },
  { weight: 3, name: 'catch up', take: ({ registry }) => registry.catchUp() },
  { weight: 4, name: 'cut', take: (_, { wire }) => wire.cut() },
  { weight: 4, name: 'cut within', take: (of, { wire }) => wire.cutAfter(upTo(of, 6_000)) },
  { weight: 3, name: 'stall', take: (_, { wire }) => wire.stall() },
  { weight: 2, name: 'take away', take: (_, { wire }) => wire.takeAway() },
  { weight: 6, name: 'mend', take: (_, { wire }) => wire.mend() },
  { weight: 4, name: 'lead to leading', take: (of, gateway) => of.leadTo(gateway, 'leading') },
  { weight: 4, name: 'lead to lagging', take: (of, gateway) => of.leadTo(gateway, 'lagging') },
  { weight: 3, name: 'stop', take: (of, gateway) => gateway.restart('stopped', disk(of)) },
  { weight: 3, name: 'kill', take: (of, gateway) => gateway.restart('killed', disk(of)) },
  { weight: 2, name: 'accept', take: ({ gateways }) => void gateways.map((held) => held.accept()) },
  { weight: 6, name: 'nothing', take: () => {} },
];
const weightOfAll = steps.reduce((sum, { weight }) => sum + weight, 0);

function stepAt(share: number): Step {
  let left = share * weightOfAll;
  for (const step of steps) {
    left -= step.weight;
    if (left < 0) return step;
  }
  throw new RangeError(`no step at ${share}`);
}

function unplaceMany(of: WatchedWorld): void {
  for (let index = 0; index < 24; index++) if (chance(of, 0.4)) void of.writes.unplace(`tenant-${index}`);
}

function relay({ registry }: WatchedWorld, how: StoreFaults['relay']): void {
  registry.faults.relay = how;
}

function readSlowly({ noise, registry }: WatchedWorld, msMax: number): void {
  registry.faults.beforeRead = () => sleep(noise.float() * msMax);
}

/** Enough hosts that a snapshot can be suspicious. */
async function populate(of: WatchedWorld, tenants: number): Promise<void> {
  for (const name of upstreamNames.slice(0, 3)) void of.writes.putUpstream(name, 1);
  await of.writes.settled();
  for (let index = 0; index < tenants; index++) void of.writes.signUp(`tenant-${index}`);
  await of.writes.settled();
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function run(seed: number): Promise<void> {
  const taken: string[] = [];
  const world = await WatchedWorld.open(seed, gatewayCount);
  try {
    await populate(world, 12 + upTo(world, 8));
    for (let left = stepsMin + upTo(world, stepsMax - stepsMin); left > 0; left--) {
      const step = stepAt(world.random.float());
      const gateway = the(world.gateways[upTo(world, gatewayCount - 1)]);
      taken.push(`${step.name} (${gateway.name})`);
      await step.take(world, gateway);
      if (chance(world, 0.7)) await sleep(upTo(world, 12));
      world.check();
    }
    taken.push('settle');
    await world.settle();
  } catch (error) {
    throw new Error(`BURGAGE_MODEL_SEED=${seed} after ${taken.join(', ')}:\n${String(error)}`, { cause: error });
  } finally {
    await world.close();
  }
}

describe('the routes of gateways', () => {
  test(
    'show nothing that is not so, and end as the registry has them, whatever happens in between',
    async () => {
      for (const seed of seeds) await run(seed);
    },
    30_000 + seeds.length * 5_000,
  );
});

describe('a gateway’s routes, in one situation each', () => {
  let world: WatchedWorld;
  let registry: WatchedRegistry;
  let gateway: WatchingGateway;

  beforeEach(async () => {
    world = await WatchedWorld.open(1, 1);
    registry = world.registry;
    gateway = the(world.gateways[0]);
    await populate(world, 12);
    await world.quiet();
  });
  afterEach(() => world.close());

  const hosts = (): number => gateway.follower.table.hostCount;

  /** While the gateway is out of reach. */
  async function meanwhile(happens: () => Promise<unknown>): Promise<void> {
    gateway.wire.takeAway();
    await happens();
    gateway.wire.mend();
  }

  async function unplace(from: number, to: number): Promise<void> {
    for (let index = from; index < to; index++) void world.writes.unplace(`tenant-${index}`);
    await world.writes.settled();
  }

  test('a snapshot that would remove more than a fifth of the hosts is held until an operator accepts it', async () => {
    await meanwhile(async () => {
      await unplace(0, 3);
      await registry.reset();
    });
    await world.until('the snapshot is held', async () => gateway.follower.snapshotHeld);
    expect(hosts()).toBe(12);
    const [listed] = await registry.listGateways();
    expect(listed?.epoch).not.toBe(registry.log.epoch);
    await world.until('the registry knows', async () => (await registry.listGateways())[0]?.snapshotHeld === true);
    await unplace(3, 4);
    await world.quiet();
    expect(hosts()).toBe(12);
    expect(gateway.accept()).toBe(true);
    expect(hosts()).toBe(8);
    await world.settle();
  });

  test('a snapshot that removes a fifth of the hosts or less is applied', async () => {
    await meanwhile(async () => {
      await unplace(0, 2);
      await registry.trim(0);
    });
    await world.until('the snapshot is applied', async () => hosts() === 10);
    await world.settle();
  });

  test('a snapshot that breaks off removes nothing', async () => {
    const reached = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    await meanwhile(async () => {
      await unplace(0, 2);
      await registry.trim(0);
      registry.faults.beforeRead = async (what) => {
        if (what !== 'hosts') return;
        reached.resolve();
        await goOn.promise;
      };
    });
    await reached.promise;
    await sleep(20);
    gateway.wire.takeAway();
    await world.until('the gateway knows', async () => !gateway.follower.caughtUp);
    goOn.resolve();
    expect(hosts()).toBe(12);
    await world.settle();
    expect(hosts()).toBe(10);
  });

  test.each(['before', 'after'])('a held snapshot accepted %s entries of the epoch before came is not mixed with them', async (when) => {
    await meanwhile(async () => {
      await unplace(0, 1);
      registry.fallBehind();
      await unplace(1, 6);
      await registry.reset();
    });
    await world.until('the snapshot is held', async () => gateway.follower.snapshotHeld);
    const asked = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    world.leadTo(gateway, 'lagging');
    registry.faults.beforeRead = async () => {
      asked.resolve();
      await goOn.promise;
    };
    // The lagging replica has heard a hello of the epoch before.
    await asked.promise;
    const { conversations } = gateway;
    if (when === 'before') expect(gateway.accept()).toBe(true);
    goOn.resolve();
    if (when === 'before') {
      await world.until('the gateway says hello again', async () => gateway.conversations > conversations);
    } else {
      await world.until('the entries have come', async () => hosts() === 11);
      expect(gateway.accept()).toBe(false);
    }
    await world.settle();
    expect(hosts()).toBe(6);
  });

  test('a gateway that is slower than the journal is trimmed gets a snapshot', async () => {
    const goOn = Promise.withResolvers<void>();
    registry.faults.beforeRead = () => goOn.promise;
    await unplace(0, 2);
    await registry.trim(0);
    goOn.resolve();
    await world.until('the snapshot is applied', async () => hosts() === 10);
    await world.settle();
  });

  test('a replica that is behind sends nothing, however long it is', async () => {
    const reached = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    await meanwhile(async () => {
      await unplace(0, 1);
      await registry.trim(0);
      registry.faults.beforeRead = async (what) => {
        if (what !== 'upstreams') return;
        reached.resolve();
        await goOn.promise;
      };
    });
    // Between the head of a snapshot and its routes: the gateway comes to hold more than the snapshot's revision says.
    await reached.promise;
    registry.fallBehind();
    await world.writes.putUpstream('pool-a', 3);
    goOn.resolve();
    await world.until('the snapshot is applied', async () => hosts() === 11);
    expect(gateway.follower.table.endpoints('pool-a')).toHaveLength(3);
    const { conversations } = gateway;
    world.leadTo(gateway, 'lagging');
    await world.until('it is sent away', async () => gateway.conversations >= conversations + 2);
    expect(gateway.follower.caughtUp).toBe(false);
    expect(gateway.follower.table.endpoints('pool-a')).toHaveLength(3);
    await world.settle();
  });

  test('a tenant is placed at a revision that shows its upstream, whatever became of the call that made that', async () => {
    registry.faults.relay = 'ends before append';
    await world.writes.putUpstream('pool-d', 1);
    registry.faults.relay = 'works';
    await world.writes.signUp('tenant-12', 'pool-d');
    await world.settle();
  });
});

describe('an older copy of the store that is restored behind gateways', () => {
  let world: WatchedWorld;
  let registry: WatchedRegistry;
  /** One on each replica. */
  let gateways: readonly WatchingGateway[];

  beforeEach(async () => {
    world = await WatchedWorld.open(2, 2);
    ({ registry, gateways } = world);
    await populate(world, 12);
    await world.quiet();
  });
  afterEach(() => world.close());

  const epochs = (): number[] => gateways.map(({ follower }) => epochNumber(follower.position.epoch));
  const hosts = (): number[] => gateways.map(({ follower }) => follower.table.hostCount);

  async function signUp(from: number, to: number): Promise<void> {
    for (let index = from; index < to; index++) void world.writes.signUp(`tenant-${index}`);
    await world.writes.settled();
  }

  test('takes everything back that came after it, by itself, in one new epoch', async () => {
    const [before = 0] = epochs();
    registry.backUp();
    await signUp(12, 14);
    await world.writes.putUpstream('pool-a', 3);
    await world.quiet();
    expect(hosts()).toEqual([14, 14]);
    await world.restore();
    await world.until('both gateways have it', async () => hosts().every((count) => count === 12));
    await world.settle();
    expect(epochs()).toEqual([before + 1, before + 1]);
    for (const { follower } of gateways) expect(follower.table.endpoints('pool-a')).toHaveLength(1);
  });

  test('and written to beyond the gateways is found out all the same', async () => {
    registry.backUp();
    await signUp(12, 14);
    await world.quiet();
    for (const { wire } of gateways) wire.takeAway();
    await world.restore();
    for (let times = 0; times < 20; times++) await world.writes.putUpstream('pool-b', 1 + (times % 3));
    await signUp(20, 22);
    await world.settle();
    expect(hosts()).toEqual([14, 14]);
    for (const { follower } of gateways) expect(follower.table.find('tenant-12.test')).toBeUndefined();
  });

  test('that has lost most hosts is held until an operator accepts it, and the old routes are served', async () => {
    registry.backUp();
    await signUp(12, 20);
    await world.quiet();
    await world.restore();
    await world.until('both hold it', async () => gateways.every(({ follower }) => follower.snapshotHeld));
    expect(hosts()).toEqual([20, 20]);
    // Also a gateway that starts anew meanwhile, from its disk.
    await gateways[0]?.restart('stopped', 'kept');
    expect(hosts()).toEqual([20, 20]);
    await world.until('it holds it again', async () => gateways.every(({ follower }) => follower.snapshotHeld));
    for (const gateway of gateways) expect(gateway.accept()).toBe(true);
    expect(hosts()).toEqual([12, 12]);
    await world.settle();
  });

  test('is followed when it has all that a gateway has seen', async () => {
    const [before = 0] = epochs();
    registry.backUp();
    await signUp(12, 13);
    registry.backUp();
    await world.quiet();
    registry.backUp();
    await world.restore();
    await world.settle();
    expect(epochs()).toEqual([before, before]);
    expect(hosts()).toEqual([13, 13]);
  });

  test('and again an older one, and a newer one, never leads a gateway back', async () => {
    registry.backUp();
    for (const upTo of [13, 14]) {
      await signUp(upTo - 1, upTo);
      await world.quiet();
      const [before = 0] = epochs();
      await world.restore();
      await world.settle();
      expect(hosts()).toEqual([12, 12]);
      for (const epoch of epochs()) expect(epoch).toBe(before + 1);
    }
  });
});

function the<T>(found: T | undefined): T {
  if (found === undefined) throw new TypeError('there is none');
  return found;
}
