// The follower against a registry that trims, starts over, is cut off and lags.
import type { RouteEntry } from '@burgage/tenancy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entries, newest } from '../testing/route-arbitraries.ts';
import { emptyTable } from '../testing/tables.ts';
import { tenantRoute } from '../testing/tenant-route.ts';
import { RouteFollower, type Seen } from './route-follower.ts';
import type { RouteTable } from './route-table.ts';

const host = (name: string, version = 1, removed = false): RouteEntry =>
  removed
    ? { kind: 'host', key: name, version, removed }
    : { kind: 'host', key: name, version, removed, entity: { kind: 'host', host: name, tenantId: 'ten_1' } };

const hosts = (count: number) => Array.from({ length: count }, (_, i) => host(`h${i}.test`));

const upstream = (endpointCount = 1): RouteEntry => {
  const endpoints = Array.from({ length: endpointCount }, (_, i) => ({ address: `127.0.0.1:${i + 1}`, weight: 1, zone: '' }));
  return { kind: 'upstream', key: 'shared', version: 1, removed: false, entity: { kind: 'upstream', name: 'shared', endpoints } };
};

const tenant: RouteEntry = {
  kind: 'tenant',
  key: 'ten_1',
  version: 1,
  removed: false,
  entity: tenantRoute(),
};

/** Hosts that lead to an app. */
const served = (count: number) => [upstream(), tenant, ...hosts(count)];

function snapshot(follower: RouteFollower, epoch: string, revision: number, list: readonly RouteEntry[]) {
  follower.snapshotBegin(epoch, revision);
  follower.batch(list, 0, '');
  return follower.snapshotEnd(revision, list.length, at(revision));
}

const at = (revision: number): Seen => ({ revision, stamp: `stamp ${revision}` });
const positionAt = (epoch: string, revision: number) => ({ epoch, revision, seen: at(revision) });

function held(table: RouteTable): Record<string, RouteEntry> {
  return Object.fromEntries([...table.entries()].filter(({ removed }) => !removed).map((entry) => [`${entry.kind} ${entry.key}`, entry]));
}

/** A registry in a few lines: a journal with an epoch. */
class Registry {
  epoch = 1;
  trimmed = 0;
  journal: RouteEntry[] = [];
  #versions = new Map<string, number>();

  append(entry: RouteEntry): void {
    const key = `${entry.kind} ${entry.key}`;
    const version = (this.#versions.get(key) ?? 0) + 1;
    this.#versions.set(key, version);
    this.journal.push({ ...entry, version });
  }

  restart(): void {
    this.epoch += 1;
    this.trimmed = 0;
    const state = [...newest(this.journal).values()].filter(({ removed }) => !removed);
    this.journal = [];
    this.#versions.clear();
    for (const entry of state) this.append(entry);
  }

  living(): Record<string, RouteEntry> {
    return Object.fromEntries([...newest(this.journal)].filter(([, { removed }]) => !removed));
  }
}

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: entries.map((entry) => ({ do: 'append', entry }) as const) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('sync' as const),
        cutAfter: fc.option(fc.nat({ max: 6 })),
        batch: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'trim' } as const) },
    { weight: 1, arbitrary: fc.constant({ do: 'restart' } as const) },
  ),
  { maxLength: 60, size: 'max' },
);

describe('RouteFollower', () => {
  it('ends equal to the registry and never claims a revision that it does not show', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const registry = new Registry();
        const follower = new RouteFollower(emptyTable());
        const sync = (cutAfter: number | null, size: number) => {
          let room = cutAfter ?? Number.POSITIVE_INFINITY;
          const say = (what: () => { kind: string }) => {
            if (room-- <= 0) return;
            expect(what().kind).not.toBe('broken');
          };
          follower.connected();
          const epoch = `${registry.epoch}.e`;
          const head = registry.journal.length;
          let from = follower.position.revision;
          if (follower.position.epoch !== epoch || from < registry.trimmed || from > head) {
            const state = [...newest(registry.journal).values()].filter(({ removed }) => !removed);
            say(() => follower.snapshotBegin(epoch, head));
            for (let i = 0; i < state.length; i += size) say(() => follower.batch(state.slice(i, i + size), 0, ''));
            say(() => follower.snapshotEnd(head, state.length, at(head)));
            from = head;
          }
          for (let i = from; i < head; i += size) {
            const part = registry.journal.slice(i, i + size);
            say(() => follower.batch(part, i + part.length, at(i + part.length).stamp));
          }
          say(() => follower.registryHead(epoch, head));
          // Held: ten hosts are more than this registry has names for, so no snapshot ever is.
          if (room >= 0) {
            expect(follower.caughtUp).toBe(true);
            expect(held(follower.table)).toEqual(registry.living());
          }
          follower.disconnected();
          expect(follower.caughtUp).toBe(false);
          if (follower.position.epoch === epoch) {
            // Everything up to the claimed revision is applied: nothing older than it is shown.
            const claimed = newest(registry.journal.slice(0, follower.position.revision));
            for (const entry of follower.table.entries()) {
              const known = claimed.get(`${entry.kind} ${entry.key}`);
              expect(entry.version).toBeGreaterThanOrEqual(known?.removed === false ? known.version : 0);
              if (known?.removed && !entry.removed) expect(entry.version).toBeGreaterThan(known.version);
            }
          }
        };
        for (const step of list) {
          if (step.do === 'append') registry.append(step.entry);
          else if (step.do === 'trim') registry.trimmed = registry.journal.length;
          else if (step.do === 'restart') registry.restart();
          else sync(step.cutAfter, step.batch);
        }
        sync(null, 3);
      }),
    );
  });

  it('removes what a snapshot does not mention only when the snapshot is complete', () => {
    const follower = new RouteFollower(emptyTable());
    snapshot(follower, '1.a', 1, hosts(3));
    follower.snapshotBegin('1.a', 5);
    follower.batch(hosts(1), 0, '');
    follower.disconnected();
    expect(follower.table.hostCount).toBe(3);
    expect(follower.position).toEqual(positionAt('1.a', 1));
  });

  it('takes no snapshot that brought fewer entries than it says', () => {
    const follower = new RouteFollower(emptyTable());
    follower.snapshotBegin('1.a', 5);
    follower.batch(hosts(2), 0, '');
    expect(follower.snapshotEnd(5, 3, at(5))).toMatchObject({ kind: 'broken' });
    expect(follower.position.epoch).toBe('');
    follower.snapshotBegin('1.a', 5);
    follower.batch(hosts(2), 0, '', 1);
    expect(follower.snapshotEnd(5, 3, at(5))).toEqual({ kind: 'swapped' });
  });

  it('lets versions start over in a new epoch', () => {
    const follower = new RouteFollower(emptyTable());
    snapshot(follower, '1.a', 9, [host('a.test', 9)]);
    snapshot(follower, '2.b', 1, [host('a.test', 1)]);
    expect(follower.batch([host('a.test', 2, true)], 2, 'stamp 2')).toEqual({ kind: 'advanced' });
    expect(follower.table.find('a.test')).toBeUndefined();
  });

  it('holds a snapshot that would remove more than a fifth of the hosts until it is accepted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 60 }), fc.nat({ max: 60 }), (before, after) => {
        const follower = new RouteFollower(emptyTable());
        snapshot(follower, '1.a', 1, served(before));
        const removed = Math.max(0, before - after);
        const effect = snapshot(follower, '2.b', 7, served(after));
        expect(effect.kind).toBe(removed > before / 5 ? 'held' : 'swapped');
        if (effect.kind !== 'held') return;
        expect(follower.snapshotHeld).toBe(true);
        expect(follower.caughtUp).toBe(false);
        expect(follower.position).toEqual(positionAt('1.a', 1));
        expect(follower.table.hostCount).toBe(before);
        // What follows goes on into what is held.
        follower.batch([host('later.test', 8)], 8, 'stamp 8');
        expect(follower.table.find('later.test')).toBeUndefined();
        expect(follower.acceptSnapshot()).toBe(true);
        expect(follower.acceptSnapshot()).toBe(false);
        expect(follower.position).toEqual(positionAt('2.b', 8));
        expect(follower.table.hostCount).toBe(after + 1);
      }),
    );
  });

  it.each<[string, RouteEntry[]]>([
    ['upstream is missing', [tenant]],
    ['upstream is removed', [{ kind: 'upstream', key: 'shared', version: 2, removed: true }, tenant]],
    ['upstream has no endpoint', [upstream(0), tenant]],
    ['tenant is missing', [upstream()]],
    ['tenant is removed', [upstream(), { kind: 'tenant', key: 'ten_1', version: 2, removed: true }]],
  ])('holds a snapshot with every host in which their one %s', (_, list) => {
    const follower = new RouteFollower(emptyTable());
    snapshot(follower, '1.a', 1, served(20));
    expect(snapshot(follower, '2.b', 7, [...list, ...hosts(20)])).toEqual({ kind: 'held', epoch: '2.b', removed: 20, hosts: 20 });
    expect(follower.table.endpoints('shared')).toHaveLength(1);
    expect(follower.acceptSnapshot()).toBe(true);
    expect(follower.table.hostCount).toBe(20);
  });

  it('holds a snapshot if and only if of ten or more hosts that lead to an app more than a fifth would no more', () => {
    /** Hosts to tenants, tenants to upstreams, upstreams to as many endpoints; undefined: there is none of these. */
    interface World {
      readonly hosts: readonly (number | undefined)[];
      readonly tenants: readonly (number | undefined)[];
      readonly upstreams: readonly (number | undefined)[];
    }
    const index = fc.nat({ max: 3 });
    const world: fc.Arbitrary<World> = fc.record({
      hosts: fc.array(fc.option(index, { nil: undefined, freq: 12 }), { minLength: 30, maxLength: 30 }),
      tenants: fc.array(fc.option(index, { nil: undefined, freq: 8 }), { minLength: 4, maxLength: 4 }),
      upstreams: fc.array(fc.option(fc.nat({ max: 5 }), { nil: undefined, freq: 12 }), { minLength: 4, maxLength: 4 }),
    });
    const entriesOf = (of: World): RouteEntry[] => [
      ...of.upstreams.flatMap((count, i): RouteEntry[] => {
        const one = upstream(count);
        if (count === undefined || one.entity?.kind !== 'upstream') return [];
        return [{ ...one, key: `u${i}`, entity: { ...one.entity, name: `u${i}` } }];
      }),
      ...of.tenants.flatMap((to, i): RouteEntry[] => {
        if (to === undefined || tenant.entity?.kind !== 'tenant') return [];
        return [{ ...tenant, key: `t${i}`, entity: { ...tenant.entity, tenantId: `t${i}`, upstream: `u${to}` } }];
      }),
      ...of.hosts.flatMap((to, i): RouteEntry[] => {
        if (to === undefined) return [];
        return [{ kind: 'host', key: `h${i}`, version: 1, removed: false, entity: { kind: 'host', host: `h${i}`, tenantId: `t${to}` } }];
      }),
    ];
    const leadOn = ({ hosts, tenants, upstreams }: World): boolean[] =>
      hosts.map((to) => {
        const through = to === undefined ? undefined : tenants[to];
        return (through === undefined ? 0 : (upstreams[through] ?? 0)) > 0;
      });
    const kinds = new Set<string>();
    fc.assert(
      fc.property(world, fc.option(world, { nil: undefined }), fc.nat({ max: 29 }), (before, other, gone) => {
        // Often much the same, with few hosts gone.
        const after = other ?? { ...before, hosts: before.hosts.map((to, i) => (i < gone / 2 ? undefined : to)) };
        const follower = new RouteFollower(emptyTable());
        snapshot(follower, '1.a', 1, entriesOf(before));
        const { kind } = snapshot(follower, '1.a', 2, entriesOf(after));
        const [led, leads] = [leadOn(before), leadOn(after)];
        const count = led.filter((leading) => leading).length;
        const lost = led.filter((leading, i) => leading && !leads[i]).length;
        expect(kind).toBe(count >= 10 && lost > count / 5 ? 'held' : 'swapped');
        kinds.add(kind);
      }),
      { numRuns: 300 },
    );
    expect(kinds.size).toBe(2);
  });

  it('serves a held snapshot no more once another one comes that is not suspicious', () => {
    const follower = new RouteFollower(emptyTable());
    snapshot(follower, '1.a', 1, served(20));
    expect(snapshot(follower, '1.a', 2, served(1)).kind).toBe('held');
    follower.disconnected();
    expect(follower.snapshotHeld).toBe(true);
    expect(snapshot(follower, '1.a', 3, served(19)).kind).toBe('swapped');
    expect(follower.snapshotHeld).toBe(false);
  });

  it('takes a snapshot in the place of everything that it held, whatever its versions are', () => {
    const table = (version: number) => [host('a.test', version), host('b.test', version, true), ...hosts(3)];
    for (const [epoch, revision] of [
      ['1.a', 2],
      ['2.b', 0],
    ] as const) {
      const follower = new RouteFollower(emptyTable());
      snapshot(follower, '1.a', 1, table(3));
      expect(snapshot(follower, epoch, revision, table(2))).toEqual({ kind: 'swapped' });
      expect([...follower.table.entries()]).toEqual(table(2));
    }
  });

  it('takes no snapshot that may be older than what it holds, and no other epoch but a later one', () => {
    const follower = new RouteFollower(emptyTable());
    follower.snapshotBegin('3.c', 5);
    follower.batch(hosts(3), 0, '');
    follower.snapshotEnd(5, 3, at(8));
    expect(follower.position).toEqual({ epoch: '3.c', revision: 5, seen: at(8) });
    for (const [epoch, revision] of [
      ['3.c', 7],
      ['3.other', 99],
      ['2.b', 99],
      ['nonsense', 99],
    ] as const) {
      expect(follower.snapshotBegin(epoch, revision), epoch).toMatchObject({ kind: 'broken' });
    }
    expect(snapshot(follower, '3.c', 8, hosts(3))).toEqual({ kind: 'swapped' });
    expect(snapshot(follower, '4.d', 0, hosts(3))).toEqual({ kind: 'swapped' });
  });

  it('says what it has seen until it has applied that much', () => {
    const follower = new RouteFollower(emptyTable());
    follower.snapshotBegin('1.a', 5);
    follower.snapshotEnd(5, 0, at(8));
    follower.batch([], 7, 'stamp 7');
    expect(follower.hello()).toEqual({ epoch: '1.a', revision: 7, seen: at(8) });
    // One that comes again takes nothing back.
    follower.batch([], 6, 'stamp 6');
    expect(follower.hello()).toEqual({ epoch: '1.a', revision: 7, seen: at(8) });
    follower.batch([], 8, 'stamp 8');
    expect(follower.hello()).toEqual(positionAt('1.a', 8));
    follower.batch([], 9, 'stamp 9');
    expect(follower.hello()).toEqual(positionAt('1.a', 9));
  });

  it('knows of no stamp where a registry says none', () => {
    const follower = new RouteFollower(emptyTable());
    follower.snapshotBegin('1.a', 5);
    follower.snapshotEnd(5, 0, { revision: 0, stamp: '' });
    expect(follower.hello()).toEqual({ epoch: '1.a', revision: 5, seen: { revision: 5, stamp: '' } });
  });

  it('drops a held snapshot when a new conversation goes on from what is served', () => {
    for (const say of ['entries', 'head'] as const) {
      const follower = new RouteFollower(emptyTable());
      snapshot(follower, '1.a', 1, served(20));
      expect(snapshot(follower, '2.b', 0, served(1)).kind).toBe('held');
      follower.disconnected();
      expect(follower.hello()).toEqual(positionAt('1.a', 1));
      if (say === 'entries') expect(follower.batch([host('later.test')], 2, 'stamp 2')).toEqual({ kind: 'advanced' });
      else follower.registryHead('1.a', 1);
      expect(follower.snapshotHeld).toBe(false);
      expect(follower.acceptSnapshot()).toBe(false);
      expect(follower.position.epoch).toBe('1.a');
    }
  });

  it('takes no entries of the epoch that it said hello with once a snapshot of another one was accepted', () => {
    const follower = new RouteFollower(emptyTable());
    snapshot(follower, '1.a', 1, served(20));
    snapshot(follower, '2.b', 0, served(1));
    follower.hello();
    expect(follower.acceptSnapshot()).toBe(true);
    expect(follower.batch([host('later.test')], 2, 'stamp 2')).toMatchObject({ kind: 'broken' });
    expect(follower.position).toEqual(positionAt('2.b', 0));
    expect(follower.hello()).toEqual(positionAt('2.b', 0));
    expect(follower.batch([host('later.test')], 1, 'stamp 1')).toEqual({ kind: 'advanced' });
  });

  it('breaks off a conversation that breaks its rules', () => {
    expect(new RouteFollower(emptyTable()).batch([], 0, '')).toMatchObject({ kind: 'broken' });
    expect(new RouteFollower(emptyTable()).batch([], 3, '')).toMatchObject({ kind: 'broken' });
    expect(new RouteFollower(emptyTable()).snapshotEnd(1, 0, at(1))).toMatchObject({ kind: 'broken' });
    const follower = new RouteFollower(emptyTable());
    follower.snapshotBegin('1.a', 1);
    expect(follower.batch([], 2, '')).toMatchObject({ kind: 'broken' });
  });
});
