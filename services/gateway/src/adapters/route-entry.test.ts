// A registry that is newer than the gateway.
import { create } from '@bufbuild/protobuf';
import { RouteEntrySchema } from '@burgage/contracts';
import { describe, expect, it } from 'vitest';
import { standing } from '../domain/admission.ts';
import { readRouteEntry } from './route-entry.ts';

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
