// A registry that is newer than the gateway.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { RouteEntrySchema, WatchRoutesResponseSchema } from '@burgage/contracts';
import { describe, expect, it } from 'vitest';
import { standing } from '../domain/admission.ts';
import { readRouteEntry, readRoutesHeard } from './route-entry.ts';

const tenant = { tenantId: 'ten_1', state: 'active', isolation: 'pool', upstream: 'shared' };

function read(fields: { state?: string; holds?: string[]; isolation?: string }) {
  const message = create(RouteEntrySchema, { version: 1n, entity: { case: 'tenant', value: { ...tenant, ...fields } } });
  const { entity } = readRouteEntry(message);
  if (entity?.kind !== 'tenant') throw new Error('no tenant came back');
  return entity;
}

describe('readRouteEntry', () => {
  it('holds a tenant for a reason that it does not know', () => {
    expect(read({ holds: ['fraud', 'unpaid', 'flood'] }).holds).toEqual(['operator', 'unpaid']);
    expect(standing(read({ holds: ['fraud'] }))?.code).toBe('tenant_suspended');
  });

  it('serves no tenant in a state that it does not know', () => {
    expect(standing(read({ state: 'migrating' }))).toBeDefined();
  });

  it('takes a tenant over whose isolation it does not know', () => {
    expect(read({ isolation: 'cell' })).toMatchObject({ state: 'active', isolation: '' });
    expect(standing(read({}))).toBeUndefined();
  });

  it('refuses a kind that it does not know', () => {
    expect(() => readRouteEntry(create(RouteEntrySchema, { version: 1n }))).toThrow('entity');
  });
});

describe('readRoutesHeard', () => {
  const newer = { state: 'migrating', holds: ['fraud', 'flood'], isolation: 'cell' };
  const known = { version: 1n, entity: { case: 'tenant', value: { ...tenant, ...newer } } } as const;
  const heard = (entries: MessageInitShape<typeof RouteEntrySchema>[]) =>
    readRoutesHeard(
      toBinary(
        WatchRoutesResponseSchema,
        create(WatchRoutesResponseSchema, { message: { case: 'batch', value: { entries, revision: 7n, stamp: 's' } } }),
      ),
    );

  it('reads the entries of a batch as each by itself', () => {
    const entry = readRouteEntry(create(RouteEntrySchema, known));
    expect(heard([known])).toEqual({ case: 'batch', value: { entries: [entry], revision: 7, stamp: 's', unreadable: [] } });
  });

  it('keeps what it can read beside a kind that it does not know', () => {
    const entry = readRouteEntry(create(RouteEntrySchema, known));
    expect(heard([known, { version: 1n }, known])).toMatchObject({
      value: { entries: [entry, entry], revision: 7, stamp: 's', unreadable: [{ code: 'invalid_argument' }] },
    });
  });
});
