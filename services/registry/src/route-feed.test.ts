import type { Journal } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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
      ...journalOver(routes),
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
