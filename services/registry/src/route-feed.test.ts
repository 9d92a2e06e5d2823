import { type BurgageError, epochNumber, type WatchRoutesHello } from '@burgage/contracts';
import { systemClock } from '@burgage/runtime';
import type { Journal } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { provenPositionOf } from './gateways.ts';
import { createRouteFeed, type RouteFeed, type RouteFeedOptions } from './route-feed.ts';
import { routeSnapshot } from './snapshot.ts';
import { Follower } from './testing/follower.ts';
import { type TestRoutes, testRoutes } from './testing/routes.ts';
import { provenAt } from './testing/table.ts';

let test: TestRoutes;
let routes: Journal;
/** The journal, for tests that replace a part of it. */
let live: RouteFeedOptions['journal'];

beforeAll(async () => {
  test = await testRoutes();
  routes = test.routes;
  live = {
    head: () => routes.head(),
    readAfter: (...args) => routes.readAfter(...args),
    waitBeyond: (...args) => routes.waitBeyond(...args),
    standing: (position) => routes.standing(position),
    append: (values) => routes.append(values),
    reset: (options) => routes.reset(options),
  };
});
afterAll(() => test.close());
beforeEach(() => test.clear());

const feedOf = (options: Partial<RouteFeedOptions> = {}): RouteFeed =>
  createRouteFeed({
    journal: routes,
    snapshot: () => routeSnapshot(test.documents, 4),
    clock: systemClock,
    headIntervalMs: 20,
    ...options,
  });

const hostsOf = (follower: Follower): string[] => [...follower.table.shown.keys()];

describe('a gateway', () => {
  it('that holds nothing gets a snapshot, then what follows, then heads', async () => {
    for (let index = 0; index < 10; index++) await test.setAndAppend(`h${index}.test`, 'ten_1');
    const follower = new Follower().open(feedOf());
    await follower.catchUp(routes);
    expect(follower.kinds).toEqual(['snapshotBegin', 'batch', 'batch', 'batch', 'snapshotEnd']);
    expect(hostsOf(follower)).toHaveLength(10);
    await test.setAndAppend('later.test', 'ten_1');
    await follower.catchUp(routes);
    expect(follower.table.snapshots).toBe(1);
    expect(hostsOf(follower)).toContain('host later.test');
    follower.kinds = [];
    await follower.takeUntil(() => follower.kinds.length === 3);
    expect(follower.kinds).toEqual(['head', 'head', 'head']);
    expect(follower.table.position).toMatchObject(follower.table.head);
    await follower.cut();
  });

  it('that is somewhere in the journal gets what it has not, and no snapshot', async () => {
    await test.setAndAppend('one.test', 'ten_1');
    const follower = new Follower().open(feedOf());
    await follower.catchUp(routes);
    await follower.cut();
    await test.setAndAppend('two.test', 'ten_1');
    await test.setAndAppend('one.test', null);
    follower.open(feedOf());
    await follower.catchUp(routes);
    expect(follower.kinds).toEqual(['batch']);
    expect(hostsOf(follower)).toEqual(['host two.test']);
    await follower.cut();
  });

  it('that has everything is told the head at once', async () => {
    await test.setAndAppend('one.test', 'ten_1');
    const head = await routes.head();
    const follower = new Follower().open(feedOf({ headIntervalMs: 60_000 }), provenAt(head));
    await follower.take();
    expect(follower.kinds).toEqual(['head']);
    await follower.cut();
  });

  it('whose revision was trimmed gets a snapshot', async () => {
    await test.setAndAppend('one.test', 'ten_1');
    const follower = new Follower().open(feedOf());
    await follower.catchUp(routes);
    await follower.cut();
    for (let index = 0; index < 5; index++) await test.setAndAppend('one.test', `ten_${index}`);
    await routes.trim(4);
    follower.open(feedOf());
    await follower.catchUp(routes);
    expect(follower.kinds[0]).toBe('snapshotBegin');
    expect(follower.table.shown.get('host one.test')).toMatchObject({ tenantId: 'ten_4' });
    await follower.cut();
  });

  it('that is just at the oldest entry and has seen it needs no snapshot', async () => {
    for (let index = 0; index < 5; index++) await test.setAndAppend('one.test', `ten_${index}`);
    const [seen] = await routes.readAfter(3, 1);
    await routes.trim(3);
    const { epoch } = await routes.head();
    const follower = new Follower();
    follower.table.position = { ...provenAt({ epoch, revision: 4, stamp: seen?.stamp ?? '' }), revision: 3 };
    follower.open(feedOf());
    await follower.catchUp(routes);
    expect(follower.kinds).toEqual(['batch']);
    await follower.cut();
  });

  it('that cannot prove what it has seen gets a snapshot', async () => {
    const { epoch } = await test.setAndAppend('one.test', 'ten_1');
    const follower = new Follower();
    follower.table.position = provenAt({ epoch, revision: 1, stamp: '' });
    follower.open(feedOf());
    await follower.takeUntil(() => follower.table.snapshots === 1);
    await follower.cut();
  });

  it('of another epoch gets a snapshot, also when the epoch changes while it follows', async () => {
    await test.setAndAppend('one.test', 'ten_1');
    const follower = new Follower().open(feedOf(), provenAt({ epoch: 'another', revision: 1, stamp: 'any' }));
    await follower.catchUp(routes);
    expect(follower.table.snapshots).toBe(1);
    await routes.reset();
    for (let index = 0; index < 5; index++) await test.setAndAppend('one.test', `ten_${index}`);
    await follower.catchUp(routes);
    expect(follower.table.snapshots).toBe(2);
    expect(follower.table.shown.get('host one.test')).toMatchObject({ tenantId: 'ten_4' });
    await follower.cut();
  });

  it('learns with a snapshot what was removed, so that a late duplicate cannot bring it back', async () => {
    const late = await test.setHost('gone.test', 'ten_1');
    await test.append(late);
    await test.setAndAppend('gone.test', null);
    const follower = new Follower().open(feedOf());
    await follower.catchUp(routes);
    await test.append(late);
    await follower.catchUp(routes);
    expect(hostsOf(follower)).toEqual([]);
    await follower.cut();
  });

  it('that is slow has nothing buffered for it: the journal is read only as it takes', async () => {
    let reads = 0;
    const counting: RouteFeedOptions['journal'] = {
      ...live,
      readAfter: (revision, limit) => {
        reads++;
        return routes.readAfter(revision, limit);
      },
    };
    await test.setAndAppend('one.test', 'ten_1');
    const follower = new Follower().open(feedOf({ journal: counting, batchMax: 10 }));
    await follower.catchUp(routes);
    const before = reads;
    const entry = await test.setHost('one.test', 'ten_2');
    await test.append(...Array.from({ length: 1_000 }, () => entry));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(reads).toBe(before);
    await follower.take();
    expect(reads - before).toBeLessThanOrEqual(2);
    await follower.catchUp(routes);
    expect(reads - before).toBeGreaterThanOrEqual(100);
    await follower.cut();
  });

  it('that is so slow that the journal was trimmed past it gets a snapshot and goes on', async () => {
    await test.setAndAppend('one.test', 'ten_1');
    const follower = new Follower().open(feedOf({ batchMax: 2 }));
    await follower.catchUp(routes);
    for (let index = 0; index < 20; index++) await test.setAndAppend('one.test', `ten_${index}`);
    await follower.take();
    await routes.trim(15);
    await follower.catchUp(routes);
    expect(follower.table.snapshots).toBe(2);
    expect(follower.table.shown.get('host one.test')).toMatchObject({ tenantId: 'ten_19' });
    await follower.cut();
  });

  it('gets batches that stay far below what a message may have', async () => {
    const endpoints = Array.from({ length: 900 }, (_, index) => ({ address: `10.0.${index >> 8}.${index & 255}:80`, weight: 1, zone: '' }));
    const upstream = (index: number): RouteEntry => ({
      version: 1,
      removed: false,
      kind: 'upstream',
      key: `u${index}`,
      entity: { kind: 'upstream', name: `u${index}`, endpoints },
    });
    const follower = new Follower();
    follower.table.position = provenAt(await routes.head());
    await test.append(...Array.from({ length: 10 }, (_, index) => upstream(index)));
    follower.open(feedOf());
    await follower.catchUp(routes);
    expect(follower.kinds.length).toBeGreaterThanOrEqual(5);
    expect(follower.table.shown.size).toBe(10);
    await follower.cut();
  });

  it('that leaves ends the stream at once, whatever it was waiting for', async () => {
    const gone = new AbortController();
    const stream = feedOf({ headIntervalMs: 60_000 }).follow(provenAt(await routes.head()), { peer: undefined, signal: gone.signal });
    await stream.next();
    const waiting = stream.next();
    gone.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });
});

describe('a replica behind the gateway', () => {
  /** The journal as a replica reads it that has not got everything yet; what it appends goes to the end all the same. */
  function lagging(upTo: { revision: number }): RouteFeedOptions['journal'] {
    return {
      ...live,
      head: async () => {
        const head = await routes.head();
        return { ...head, revision: Math.min(head.revision, upTo.revision) };
      },
      readAfter: async (revision, limit) => (await routes.readAfter(revision, limit)).filter((entry) => entry.revision <= upTo.revision),
      standing: async (position) => (position.revision > upTo.revision ? 'ahead' : await routes.standing(position)),
      waitBeyond: async (revision, timeoutMs, signal) => {
        const endsAtMs = performance.now() + timeoutMs;
        while (upTo.revision <= revision && performance.now() < endsAtMs && !signal?.aborted)
          await new Promise((resolve) => setTimeout(resolve, 2));
        return upTo.revision > revision;
      },
    };
  }

  /** A gateway that has everything up to the revision. */
  async function followerAt(revision: number): Promise<Follower> {
    const { epoch } = await routes.head();
    const [entry] = await routes.readAfter(revision - 1, 1);
    const follower = new Follower();
    follower.table.position = provenAt({ epoch, revision, stamp: entry?.stamp ?? '' });
    return follower;
  }

  it('waits for itself, then goes on from the revision that was asked', async () => {
    for (let index = 0; index < 5; index++) await test.setAndAppend('one.test', `ten_${index}`);
    const upTo = { revision: 2 };
    const follower = (await followerAt(4)).open(feedOf({ journal: lagging(upTo) }));
    const taken = follower.take();
    upTo.revision = 5;
    await taken;
    expect(follower.kinds).toEqual(['batch']);
    expect(follower.table.position.revision).toBe(5);
    await follower.cut();
  });

  it('that does not get there says so, sends nothing old, and begins no new epoch', async () => {
    for (let index = 0; index < 5; index++) await test.setAndAppend('one.test', `ten_${index}`);
    const { epoch } = await routes.head();
    const follower = (await followerAt(4)).open(feedOf({ journal: lagging({ revision: 2 }), behindTimeoutMs: 30 }));
    await expect(follower.take()).rejects.toMatchObject({ code: 'unavailable' } satisfies Partial<BurgageError>);
    expect(follower.kinds).toEqual([]);
    expect((await routes.head()).epoch).toBe(epoch);
    // The gateway goes on elsewhere as if nothing had been.
    follower.open(feedOf());
    await follower.catchUp(routes);
    expect(follower.kinds).toEqual(['batch']);
    await follower.cut();
  });
});

describe('an older copy of the store', () => {
  let found: Parameters<NonNullable<RouteFeedOptions['observer']>['restoreFound']>[0][];

  beforeEach(() => {
    found = [];
  });

  /** A feed of a store that is not the one of the other tests. */
  function feedOn({ routes, documents }: TestRoutes, behindTimeoutMs = 30): RouteFeed {
    const observer = {
      snapshotSent() {},
      deltasSent() {},
      slow() {},
      restoreFound: (restore: (typeof found)[number]) => void found.push(restore),
    };
    return feedOf({ journal: routes, snapshot: () => routeSnapshot(documents, 4), observer, behindTimeoutMs });
  }

  /** Five routes, a copy after the third of them, and a gateway that has all five. */
  async function restored(): Promise<{ follower: Follower; copy: TestRoutes }> {
    for (let index = 0; index < 3; index++) await test.setAndAppend(`h${index}.test`, 'ten_1');
    const copy = await test.copy();
    await test.setAndAppend('h0.test', 'ten_lost');
    await test.setAndAppend('lost.test', 'ten_1');
    const follower = new Follower().open(feedOf());
    await follower.catchUp(routes);
    await follower.cut();
    return { follower, copy };
  }

  const restoredHosts = ['host h0.test', 'host h1.test', 'host h2.test'];

  it('that is restored behind a gateway takes it over in a later epoch', async () => {
    const { follower, copy } = await restored();
    const { seen } = follower.table.position;
    follower.open(feedOn(copy));
    await follower.takeUntil(() => follower.table.snapshots === 2);
    expect(hostsOf(follower)).toEqual(restoredHosts);
    expect(follower.table.shown.get('host h0.test')).toMatchObject({ tenantId: 'ten_1' });
    const { epoch } = await copy.routes.head();
    expect(epochNumber(epoch)).toBe(epochNumber(seen.epoch) + 1);
    expect(found).toEqual([{ seen, from: seen.epoch, epoch }]);
    // And follows it.
    await copy.setAndAppend('h0.test', 'ten_2');
    await follower.catchUp(copy.routes);
    expect(follower.table.shown.get('host h0.test')).toMatchObject({ tenantId: 'ten_2' });
    await follower.cut();
  });

  it('that was written to since is found out at once, however far it is', async () => {
    const { follower, copy } = await restored();
    for (let index = 0; index < 9; index++) await copy.setAndAppend('h0.test', `ten_${index}`);
    follower.open(feedOn(copy, 60_000));
    await follower.takeUntil(() => follower.table.snapshots === 2);
    expect(follower.table.shown.get('host h0.test')).toMatchObject({ tenantId: 'ten_8' });
    expect(found).toHaveLength(1);
    await follower.cut();
  });

  it('that was written to and trimmed past the gateway since takes it over all the same', async () => {
    const { follower, copy } = await restored();
    await copy.setAndAppend('h1.test', 'ten_2');
    for (let index = 0; index < 9; index++) await copy.setAndAppend('h2.test', `ten_${index}`);
    await copy.routes.trim(10);
    follower.open(feedOn(copy));
    await follower.catchUp(copy.routes);
    expect(hostsOf(follower)).toEqual(restoredHosts);
    expect(follower.table.shown.get('host h0.test')).toMatchObject({ tenantId: 'ten_1' });
    await follower.cut();
  });

  it('begins one epoch, however many gateways come to however many replicas at once', async () => {
    const { follower, copy } = await restored();
    const replicas = [copy, await copy.again(), await copy.again()];
    const followers = replicas.flatMap((replica) =>
      [1, 2, 3].map(() => {
        const one = new Follower();
        one.table.position = follower.table.position;
        return one.open(feedOn(replica));
      }),
    );
    await Promise.all(followers.map((one) => one.takeUntil(() => one.table.snapshots === 1)));
    const { epoch } = await copy.routes.head();
    expect(epochNumber(epoch)).toBe(2 + epochNumber(follower.table.position.epoch) - 1);
    for (const one of followers) {
      expect(one.table.position.epoch).toBe(epoch);
      await one.cut();
    }
  });

  it('goes beyond the epoch of a gateway that has seen more than one', async () => {
    const { copy } = await restored();
    for (let resets = 0; resets < 4; resets++) await routes.reset();
    await test.setAndAppend('lost.test', 'ten_1');
    const follower = new Follower().open(feedOf());
    await follower.catchUp(routes);
    await follower.cut();
    follower.open(feedOn(copy));
    await follower.takeUntil(() => follower.table.snapshots === 2);
    expect(hostsOf(follower)).toEqual(restoredHosts);
    await follower.cut();
  });

  it('is never left for an epoch from which no gateway is listened to, whatever hellos say', async () => {
    const { copy } = await restored();
    const own = async (): Promise<string> => (await copy.routes.head()).epoch;
    const positionIn = async (epoch: string) => {
      const hello = { epoch, revision: 1n, seenRevision: 1n, stamp: 'any' };
      return provenPositionOf(hello as WatchRoutesHello, await own());
    };
    for (let times = 0; times < 5; times++) {
      const before = epochNumber(await own());
      for (const far of [999_999_999_999_999, 1_000_000_000_000, before + 1_001]) expect((await positionIn(`${far}.x`)).ok).toBe(false);
      const farthest = await positionIn(`${before + 1_000}.x`);
      if (!farthest.ok) throw farthest.error;
      const follower = new Follower().open(feedOn(copy), farthest.value);
      await follower.takeUntil(() => follower.table.snapshots === 1);
      await follower.cut();
      expect(epochNumber(await own())).toBe(before + 1_001);
      expect((await positionIn(await own())).ok).toBe(true);
    }
  });

  it('is found out by what a gateway holds beyond its revision', async () => {
    await test.setAndAppend('a.test', 'ten_1');
    const copies: TestRoutes[] = [];
    // The copy is made after the head was read and before the routes are.
    const snapshot = async function* () {
      copies.push(await test.copy());
      await test.setAndAppend('a.test', 'ten_lost');
      yield* routeSnapshot(test.documents, 4);
    };
    const follower = new Follower().open(feedOf({ snapshot }));
    await follower.takeUntil(() => follower.table.snapshots === 1);
    await follower.cut();
    const copy = copies[0];
    if (copy === undefined) throw new Error('no copy was made');
    expect(follower.table.position).toMatchObject({ revision: 1, seen: { revision: 3 } });
    follower.open(feedOn(copy));
    await copy.setAndAppend('a.test', 'ten_2');
    await follower.takeUntil(() => follower.table.snapshots === 2);
    expect(follower.table.shown.get('host a.test')).toMatchObject({ tenantId: 'ten_2' });
    await follower.cut();
  });

  it('that comes under a stream is found out by it', async () => {
    for (let index = 0; index < 3; index++) await test.setAndAppend(`h${index}.test`, 'ten_1');
    const copy = await test.copy();
    let now = test;
    const journal: RouteFeedOptions['journal'] = {
      head: () => now.routes.head(),
      readAfter: (...args) => now.routes.readAfter(...args),
      waitBeyond: (revision, timeoutMs, signal) => now.routes.waitBeyond(revision, Math.min(timeoutMs, 20), signal),
      standing: (position) => now.routes.standing(position),
      append: (values) => now.routes.append(values),
      reset: (options) => now.routes.reset(options),
    };
    const follower = new Follower().open(feedOf({ journal, snapshot: () => routeSnapshot(now.documents, 4), behindTimeoutMs: 30 }));
    await follower.catchUp(routes);
    await test.setAndAppend('lost.test', 'ten_1');
    await follower.catchUp(routes);
    expect(hostsOf(follower)).toContain('host lost.test');
    now = copy;
    // Ends as the copy is, though the same revision is reached again.
    for (let index = 0; index < 4; index++) await copy.setAndAppend('h2.test', `ten_${index}`);
    await follower.takeUntil(() => follower.table.snapshots === 2);
    expect(hostsOf(follower)).toEqual(restoredHosts);
    expect(follower.table.shown.get('host h2.test')).toMatchObject({ tenantId: 'ten_3' });
    await follower.cut();
  });
});

describe('a snapshot', () => {
  it('that the epoch changes under is not ended, but begun again', async () => {
    await test.setAndAppend('one.test', 'ten_1');
    let scans = 0;
    const snapshot = async function* () {
      scans += 1;
      if (scans === 1) await routes.reset();
      yield* routeSnapshot(test.documents, 4);
    };
    const follower = new Follower().open(feedOf({ snapshot }));
    await follower.takeUntil(() => follower.table.snapshots === 1);
    expect(follower.kinds).toEqual(['snapshotBegin', 'batch', 'snapshotBegin', 'batch', 'snapshotEnd']);
    expect(follower.table.position.epoch).toBe((await routes.head()).epoch);
    await follower.cut();
  });
});
