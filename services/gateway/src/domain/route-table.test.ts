// The route table against the simplest model of it.
import { wildcardCandidates } from '@burgage/tenancy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entries, lookUps, newest } from '../testing/route-arbitraries.ts';
import { RouteTable } from './route-table.ts';

describe('RouteTable', () => {
  it('holds the newest of each entity, in whatever order entries come and however often', () => {
    fc.assert(
      fc.property(fc.array(entries, { maxLength: 60 }), fc.array(fc.nat({ max: 59 }), { maxLength: 30 }), (list, again) => {
        const table = new RouteTable();
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
      }),
    );
  });

  it('finds exact before `*.` before the longest `**.`, and says what it tried', () => {
    fc.assert(
      fc.property(fc.array(entries, { maxLength: 60 }), fc.constantFrom(...lookUps), (list, host) => {
        const table = new RouteTable();
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
    const table = new RouteTable();
    const entity = { kind: 'host', host: 'a.test', tenantId: 'ten_1' } as const;
    table.apply({ kind: 'host', key: 'a.test', version: 5, removed: true });
    expect(table.apply({ kind: 'host', key: 'a.test', version: 4, removed: false, entity })).toBe(false);
    expect(table.find('a.test')).toBeUndefined();
    expect(table.apply({ kind: 'host', key: 'a.test', version: 6, removed: false, entity })).toBe(true);
    expect(table.find('a.test')?.tenantId).toBe('ten_1');
  });

  it('gives the same endpoints until they change', () => {
    const table = new RouteTable();
    const upstream = (version: number) =>
      ({ kind: 'upstream', key: 'u', version, removed: false, entity: { kind: 'upstream', name: 'u', endpoints: [] } }) as const;
    table.apply(upstream(1));
    const before = table.endpoints('u');
    table.apply(upstream(1));
    expect(table.endpoints('u')).toBe(before);
    table.apply(upstream(2));
    expect(table.endpoints('u')).not.toBe(before);
  });
});
