import type { BurgageError } from '@burgage/contracts';
import { systemClock } from '@burgage/runtime';
import type { Journal } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRouteFeed, type RouteFeed, type RouteFeedOptions } from './route-feed.ts';
import { routeSnapshot } from './snapshot.ts';
import { Follower } from './testing/follower.ts';
import { type TestRoutes, testRoutes } from './testing/routes.ts';

let test: TestRoutes;
let routes: Journal;

beforeAll(async () => {
  test = await testRoutes();
  routes = test.routes;
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
    expect(follower.table.head).toEqual(follower.table.position);
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
    const { epoch, revision } = await routes.head();
    const follower = new Follower().open(feedOf({ headIntervalMs: 60_000 }), { epoch, revision });
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

  it('that is just at the oldest entry needs no snapshot', async () => {
    for (let index = 0; index < 5; index++) await test.setAndAppend('one.test', `ten_${index}`);
    await routes.trim(3);
    const { epoch } = await routes.head();
    const follower = new Follower();
    follower.table.position = { epoch, revision: 3 };
    follower.open(feedOf());
    await follower.catchUp(routes);
    expect(follower.kinds).toEqual(['batch']);
    await follower.cut();
  });

  it('of another epoch gets a snapshot, also when the epoch changes while it follows', async () => {
    await test.setAndAppend('one.test', 'ten_1');
    const follower = new Follower().open(feedOf(), { epoch: 'another', revision: 1 });
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
      head: () => routes.head(),
      waitBeyond: (...args) => routes.waitBeyond(...args),
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
    const { epoch } = await routes.head();
    await test.append(...Array.from({ length: 10 }, (_, index) => upstream(index)));
    const follower = new Follower();
    follower.table.position = { epoch, revision: 0 };
    follower.open(feedOf());
    await follower.catchUp(routes);
    expect(follower.kinds.length).toBeGreaterThanOrEqual(5);
    expect(follower.table.shown.size).toBe(10);
    await follower.cut();
  });

  it('that leaves ends the stream at once, whatever it was waiting for', async () => {
    const { epoch, revision } = await routes.head();
    const gone = new AbortController();
    const stream = feedOf({ headIntervalMs: 60_000 }).follow({ epoch, revision }, gone.signal);
    await stream.next();
    const waiting = stream.next();
    gone.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });
});

describe('a replica behind the gateway', () => {
  /** The journal as a replica sees it that has not got everything yet. */
  function lagging(upTo: { revision: number }): RouteFeedOptions['journal'] {
    return {
      head: async () => {
        const head = await routes.head();
        return { ...head, revision: Math.min(head.revision, upTo.revision) };
      },
      readAfter: async (revision, limit) => (await routes.readAfter(revision, limit)).filter((entry) => entry.revision <= upTo.revision),
      waitBeyond: async (revision, timeoutMs, signal) => {
        const endsAtMs = performance.now() + timeoutMs;
        while (upTo.revision <= revision && performance.now() < endsAtMs && !signal?.aborted)
          await new Promise((resolve) => setTimeout(resolve, 2));
        return upTo.revision > revision;
      },
    };
  }

  it('waits for itself, then goes on from the revision that was asked', async () => {
    for (let index = 0; index < 5; index++) await test.setAndAppend('one.test', `ten_${index}`);
    const { epoch } = await routes.head();
    const upTo = { revision: 2 };
    const follower = new Follower();
    follower.table.position = { epoch, revision: 4 };
    follower.open(feedOf({ journal: lagging(upTo) }));
    const taken = follower.take();
    upTo.revision = 5;
    await taken;
    expect(follower.kinds).toEqual(['batch']);
    expect(follower.table.position.revision).toBe(5);
    await follower.cut();
  });

  it('that does not get there says so, and sends nothing old', async () => {
    for (let index = 0; index < 5; index++) await test.setAndAppend('one.test', `ten_${index}`);
    const { epoch } = await routes.head();
    const follower = new Follower();
    follower.open(feedOf({ journal: lagging({ revision: 2 }), behindTimeoutMs: 30 }), { epoch, revision: 4 });
    await expect(follower.take()).rejects.toMatchObject({ code: 'unavailable' } satisfies Partial<BurgageError>);
    expect(follower.kinds).toEqual([]);
  });
});
