// The route table against the simplest model of it.
import { type RouteEntry, wildcardCandidates } from '@burgage/tenancy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entries, lookUps, newest } from '../testing/route-arbitraries.ts';
import { emptyTable } from '../testing/tables.ts';
import { tenantRoute } from '../testing/tenant-route.ts';
import { RouteTable } from './route-table.ts';

describe('RouteTable', () => {
  it('holds the newest of each entity, in whatever order entries come and however often', () => {
    fc.assert(
      fc.property(
        fc.array(entries, { maxLength: 60, size: 'max' }),
        fc.array(fc.nat({ max: 59 }), { maxLength: 30, size: 'max' }),
        (list, again) => {
          const table = emptyTable();
          for (const entry of list) table.apply(entry);
          for (const index of again) {
            const entry = list[index];
            if (entry !== undefined) expect(table.apply(entry)).toBe(false);
          }
          const model = newest(list);
          const held = new Map([...table.entries()].map((entry) => [`${entry.kind} ${entry.key}`, entry]));
          expect(Object.fromEntries(held)).toEqual(Object.fromEntries(model));
          const living = [...model.values()].filter(({ removed }) => !removed);
          expect(table.hostCount).toBe(living.filter(({ kind }) => kind === 'host').length);
          expect(table.tenantCount).toBe(living.filter(({ kind }) => kind === 'tenant').length);
          expect(table.upstreamCount).toBe(living.filter(({ kind }) => kind === 'upstream').length);
        },
      ),
    );
  });

  it('finds exact before `*.` before the longest `**.`, and says what it tried', () => {
    fc.assert(
      fc.property(fc.array(entries, { maxLength: 60, size: 'max' }), fc.constantFrom(...lookUps), (list, host) => {
        const table = emptyTable();
        for (const entry of list) table.apply(entry);
        const model = newest(list);
        const order = [host, ...wildcardCandidates(host)];
        const pattern = order.find((name) => model.get(`host ${name}`)?.removed === false);
        const match = table.find(host);
        expect(match?.pattern).toBe(pattern);
        const trail = table.trace(host);
        expect(trail.match).toEqual(match);
        expect(trail.tried).toEqual(pattern === undefined ? order : order.slice(0, order.indexOf(pattern) + 1));
        const entity = pattern === undefined ? undefined : model.get(`host ${pattern}`)?.entity;
        if (entity?.kind === 'host') expect(match?.tenant === undefined).toBe(model.get(`tenant ${entity.tenantId}`)?.removed !== false);
      }),
    );
  });

  it('forgets nothing of a removal: an older entry does not bring the entity back', () => {
    const table = emptyTable();
    const entity = { kind: 'host', host: 'a.test', tenantId: 'ten_1' } as const;
    table.apply({ kind: 'host', key: 'a.test', version: 5, removed: true });
    expect(table.apply({ kind: 'host', key: 'a.test', version: 4, removed: false, entity })).toBe(false);
    expect(table.find('a.test')).toBeUndefined();
    expect(table.apply({ kind: 'host', key: 'a.test', version: 6, removed: false, entity })).toBe(true);
    expect(table.find('a.test')?.tenantId).toBe('ten_1');
  });

  it('gives the same endpoints until they change', () => {
    const table = emptyTable();
    const upstream = (version: number) =>
      ({ kind: 'upstream', key: 'u', version, removed: false, entity: { kind: 'upstream', name: 'u', endpoints: [] } }) as const;
    table.apply(upstream(1));
    const before = table.endpoints('u');
    table.apply(upstream(1));
    expect(table.endpoints('u')).toBe(before);
    table.apply(upstream(2));
    expect(table.endpoints('u')).not.toBe(before);
  });

  it('has nothing to do with another table of the same names', () => {
    const lists = fc.array(entries, { maxLength: 40, size: 'max' });
    fc.assert(
      fc.property(lists, lists, (some, others) => {
        const table = emptyTable();
        const beside = new RouteTable(table.names);
        for (let i = 0; i < Math.max(some.length, others.length); i++) {
          const [one, other] = [some[i], others[i]];
          if (one !== undefined) table.apply(one);
          if (other !== undefined) beside.apply(other);
        }
        expect(heldBy(table)).toEqual(Object.fromEntries(newest(some)));
        expect(heldBy(beside)).toEqual(Object.fromEntries(newest(others)));
        const leading = [leadOn(newest(some)), leadOn(newest(others))] as const;
        const lost = [...leading[0]].filter((host) => !leading[1].has(host));
        expect(table.lossTo(beside)).toEqual({ hosts: leading[0].size, lost: lost.length });
      }),
    );
  });

  it('keeps every row as it grows, and every text as others are replaced', () => {
    const table = emptyTable();
    const count = 5_000;
    const tenant = (i: number, version: number, name: string): RouteEntry => ({
      kind: 'tenant',
      key: `ten_${i}`,
      version,
      removed: false,
      entity: tenantRoute({ tenantId: `ten_${i}`, slug: `slug-${i}`, branding: { name, color: '#336699' }, entitlementVersion: i }),
    });
    for (let i = 0; i < count; i++) {
      table.apply({
        kind: 'host',
        key: `h${i}.test`,
        version: 1,
        removed: false,
        entity: { kind: 'host', host: `h${i}.test`, tenantId: `ten_${i}` },
      });
      table.apply(tenant(i, 1, `Name ${i}`));
    }
    for (let version = 2; version < 12; version++)
      for (let i = 0; i < count; i += 2) table.apply(tenant(i, version, `Name ${i}.${version} ${'x'.repeat(40)}`));
    for (let i = 0; i < count; i++) {
      const found = table.tenantAt(`h${i}.test`);
      expect(found?.tenantId).toBe(`ten_${i}`);
      expect(found?.slug).toBe(`slug-${i}`);
      expect(found?.entitlementVersion).toBe(i);
      expect(found?.branding).toEqual({ name: i % 2 === 0 ? `Name ${i}.11 ${'x'.repeat(40)}` : `Name ${i}`, color: '#336699' });
    }
    expect(table.hostCount).toBe(count);
    expect(table.tenantCount).toBe(count);
  });
});

function heldBy(table: RouteTable): Record<string, RouteEntry> {
  return Object.fromEntries([...table.entries()].map((entry) => [`${entry.kind} ${entry.key}`, entry]));
}

/** The hosts of tenants with endpoints. */
function leadOn(model: ReadonlyMap<string, RouteEntry>): Set<string> {
  const hosts = new Set<string>();
  for (const { entity } of model.values()) {
    if (entity?.kind !== 'host') continue;
    const tenant = model.get(`tenant ${entity.tenantId}`)?.entity;
    const upstream = tenant?.kind === 'tenant' ? model.get(`upstream ${tenant.upstream}`)?.entity : undefined;
    if (upstream?.kind === 'upstream' && upstream.endpoints.length > 0) hosts.add(entity.host);
  }
  return hosts;
}
