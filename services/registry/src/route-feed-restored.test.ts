// The route feed of a store that has less than its gateway has seen: a replica that is late, or an older copy that was restored.
import { type BurgageError, epochNumber, type WatchRoutesHello } from '@burgage/contracts';
import type { Journal } from '@burgage/store';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { provenPositionOf } from './gateways.ts';
import type { RouteFeed, RouteFeedOptions } from './route-feed.ts';
import { routeSnapshot } from './snapshot.ts';
import { feedOver, hostsOf, journalOver } from './testing/feed.ts';
import { Follower } from './testing/follower.ts';
import { type TestRoutes, testRoutes } from './testing/routes.ts';
import { provenAt } from './testing/table.ts';

let test: TestRoutes;
let routes: Journal;

beforeAll(async () => {
  test = await testRoutes();
  routes = test.routes;
});
afterAll(() => test.close());
beforeEach(() => test.clear());

const feedOf = (options: Partial<RouteFeedOptions> = {}): RouteFeed => feedOver(test, options);

describe('a replica behind the gateway', () => {
  /** The journal as a replica reads it that has not got everything yet; what it appends goes to the end all the same. */
  function lagging(upTo: { revision: number }): RouteFeedOptions['journal'] {
    return {
      ...journalOver(routes),
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
  function feedOn(store: TestRoutes, behindTimeoutMs = 30): RouteFeed {
    const observer = {
      snapshotSent() {},
      deltasSent() {},
      slow() {},
      restoreFound: (restore: (typeof found)[number]) => void found.push(restore),
    };
    return feedOver(store, { observer, behindTimeoutMs });
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
