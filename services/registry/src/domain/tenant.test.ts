import { type TenantState, tenantStates } from '@burgage/tenancy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testCatalog } from '../testing/catalog.ts';
import { setMoving } from './entitlement.ts';
import { parseFence } from './fence.ts';
import { afterQuarantine, slugKept } from './slug-quarantine.ts';
import { abandoned, moveTenant, newTenant, placeTenant, type TenantRecord, tenantEntry, tenantRoute, unplaceTenant } from './tenant.ts';
import { parseTenantRequest } from './tenant-request.ts';

const nowMs = Date.UTC(2026, 0, 1);
const fence = { operationId: 'op_1', token: 1 };
const place = { host: 'acme.localhost', upstream: 'desk-shared', isolation: 'pool' } as const;

function requested(plan = 'trial'): TenantRecord {
  const wish = parseTenantRequest({ idempotencyKey: 'k', company: 'Acme', plan, ownerEmail: 'owner@acme.test', slug: '' }, testCatalog);
  if (!wish.ok) throw wish.error;
  return newTenant(wish.value, {
    id: 'ten_1',
    fingerprint: 'f',
    slug: 'acme',
    host: 'acme.localhost',
    catalog: 'test',
    isolation: 'pool',
    nowMs,
  });
}

function must<T>(result: { ok: true; value: T } | { ok: false; error: Error }): T {
  if (result.ok) return result.value;
  throw result.error;
}

const move = (record: TenantRecord, state: TenantState, token = 1) =>
  must(moveTenant(record, state, { operationId: 'op_1', token }, 'because', nowMs + 60_000));
const provisioning = () => move(requested(), 'provisioning');
const placed = () => must(placeTenant(provisioning(), place, fence));

describe('a tenant', () => {
  it('has a route that shows its state from its request on, and an upstream from its placing on', () => {
    expect(tenantRoute(requested())).toMatchObject({ state: 'requested', upstream: '', slug: 'acme' });
    expect(tenantEntry(provisioning(), 2)).toMatchObject({ version: 2, removed: false, entity: { state: 'provisioning', upstream: '' } });
    expect(tenantRoute(placed())).toMatchObject({
      state: 'provisioning',
      upstream: 'desk-shared',
      slug: 'acme',
      platform: false,
      limits: { requestsPerSecond: 20 },
    });
    expect(tenantRoute(move(placed(), 'active'))).toMatchObject({ state: 'active' });
  });

  it('starts its trial when it is first served', () => {
    const days15 = 15 * 24 * 60 * 60 * 1000;
    expect(requested().trialEndTimeMs).toBe(nowMs + days15);
    expect(move(placed(), 'active').trialEndTimeMs).toBe(nowMs + 60_000 + days15);
    expect(requested('free')).not.toHaveProperty('trialEndTimeMs');
  });

  it('gives up its slug and its route when it fails, and keeps both names of what happened', () => {
    const failed = move(placed(), 'failed');
    expect(failed).toMatchObject({
      state: 'failed',
      slug: '',
      formerSlug: 'acme',
      hosts: [],
      upstream: '',
      failure: 'because',
      operationId: 'op_1',
    });
    expect(tenantRoute(failed)).toBeUndefined();
    expect(move(failed, 'terminating')).toMatchObject({ failure: '' });
  });

  it('can be opened again while it is terminated, as it was, its trial too', () => {
    const active = move(placed(), 'active');
    const opened = move(move(active, 'terminating'), 'active');
    expect(opened).toEqual(active);
    expect(tenantRoute(move(active, 'terminating'))).toMatchObject({ state: 'terminating', upstream: 'desk-shared' });
  });

  it('cannot be opened again where there is nothing to open: it failed before', () => {
    const result = moveTenant(move(move(placed(), 'failed'), 'terminating'), 'active', fence, '', nowMs);
    expect(result).toMatchObject({ ok: false, error: { code: 'transition_not_allowed', metadata: { allowed: 'terminated' } } });
  });

  it('gives up its route when it is terminated, and its slug for a while to nobody', () => {
    const going = must(setMoving(move(placed(), 'active'), true, fence));
    const gone = move(move(going, 'terminating'), 'terminated');
    expect(gone).toMatchObject({ state: 'terminated', slug: '', formerSlug: 'acme', hosts: [], upstream: '' });
    expect(gone).not.toHaveProperty('moving');
    expect(tenantRoute(gone)).toBeUndefined();
    const endMs = nowMs + 60_000 + 90 * 24 * 60 * 60 * 1000;
    expect(gone.slugQuarantineEndTimeMs).toBe(endMs);
    expect(slugKept(gone)).toBe('acme');
    expect(afterQuarantine(gone, endMs - 1)).toBe(gone);
    expect(slugKept(afterQuarantine(gone, endMs))).toBeUndefined();
    expect(afterQuarantine(gone, endMs)).toMatchObject({ state: 'terminated', formerSlug: 'acme' });
  });

  it('keeps no slug from others that it has given up before', () => {
    const gone = move(move(move(placed(), 'failed'), 'terminating'), 'terminated');
    expect(gone).toMatchObject({ slug: '', formerSlug: 'acme' });
    expect(slugKept(gone)).toBeUndefined();
  });

  it('is off the routes once it is taken off, served or not, until it is placed again', () => {
    for (const record of [requested(), provisioning(), placed()]) {
      const off = must(unplaceTenant(record, fence));
      expect(off).toMatchObject({ slug: 'acme', hosts: [], upstream: '' });
      expect(tenantEntry(off, 2)).toEqual({ version: 2, removed: true, kind: 'tenant', key: 'ten_1' });
      expect(tenantRoute(must(placeTenant(off, place, fence)))).toMatchObject({ upstream: 'desk-shared' });
    }
  });

  it('cannot be placed once it has failed', () => {
    const result = placeTenant(move(placed(), 'failed'), place, fence);
    expect(result).toMatchObject({ ok: false, error: { code: 'transition_not_allowed' } });
  });

  it('is the same object when nothing changes, so that nothing is written', () => {
    const once = placed();
    expect(must(placeTenant(once, place, fence))).toBe(once);
    expect(move(once, 'provisioning')).toBe(once);
    const gone = must(unplaceTenant(once, fence));
    expect(must(unplaceTenant(gone, fence))).toBe(gone);
  });

  it('counts its entitlements up when its isolation changes, not when its upstream does', () => {
    const moved = must(placeTenant(placed(), { ...place, upstream: 'other' }, fence));
    expect(moved.entitlementVersion).toBe(1);
    expect(must(placeTenant(moved, { ...place, isolation: 'silo' }, fence)).entitlementVersion).toBe(2);
  });

  it('keeps the hosts that it has beside its subdomain', () => {
    const withDomain = { ...placed(), hosts: ['acme.localhost', 'www.acme.test'] };
    expect(must(placeTenant(withDomain, { ...place, upstream: 'other' }, fence)).hosts).toEqual(['acme.localhost', 'www.acme.test']);
  });

  it('has given a host up only when it neither holds the slug nor is placed on it', () => {
    expect(abandoned(requested(), 'acme.localhost', 'acme')).toBe(false);
    expect(abandoned(placed(), 'acme.localhost', 'acme')).toBe(false);
    expect(abandoned(move(placed(), 'failed'), 'acme.localhost', 'acme')).toBe(true);
  });
});

describe('the fence', () => {
  it('refuses a worker that lost the tenant, whatever it wants', () => {
    const taken = move(provisioning(), 'active', 5);
    for (const state of tenantStates) {
      expect(moveTenant(taken, state, { operationId: 'op_0', token: 4 }, '', nowMs)).toMatchObject({
        ok: false,
        error: { code: 'fenced' },
      });
    }
    expect(placeTenant(taken, place, fence)).toMatchObject({ ok: false, error: { code: 'fenced' } });
    expect(unplaceTenant(taken, fence)).toMatchObject({ ok: false, error: { code: 'fenced' } });
  });

  it('remembers a higher token even where the state stays', () => {
    expect(move(provisioning(), 'provisioning', 9)).toMatchObject({ state: 'provisioning', fenceToken: 9 });
  });

  it('never goes back, over any calls in any order', () => {
    const call = fc.record({ token: fc.integer({ min: 1, max: 6 }), what: fc.constantFrom(...tenantStates, 'place', 'unplace') });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
        let record = requested();
        for (const { token, what } of calls) {
          const turn = { operationId: 'op', token };
          const result =
            what === 'place'
              ? placeTenant(record, place, turn)
              : what === 'unplace'
                ? unplaceTenant(record, turn)
                : moveTenant(record, what, turn, '', nowMs);
          if (token < record.fenceToken) expect(result).toMatchObject({ ok: false, error: { code: 'fenced' } });
          if (!result.ok) continue;
          expect(result.value.fenceToken).toBe(token);
          record = result.value;
          expect(record.slug === '').toBe(record.formerSlug !== '');
          if (record.upstream !== '') expect(record.hosts).not.toEqual([]);
          if (record.state === 'failed') expect(tenantRoute(record)).toBeUndefined();
        }
      }),
      { numRuns: 300 },
    );
  });

  it('must name an operation and a token from 1', () => {
    expect(parseFence({ operationId: 'op_1', token: 3n })).toEqual({ ok: true, value: { operationId: 'op_1', token: 3 } });
    expect(parseFence(undefined)).toMatchObject({
      ok: false,
      error: { fields: [{ field: 'fence.operation_id' }, { field: 'fence.token' }] },
    });
    expect(parseFence({ operationId: 'op_1', token: 0n })).toMatchObject({ ok: false, error: { fields: [{ field: 'fence.token' }] } });
    expect(parseFence({ operationId: '', token: 2n ** 60n })).toMatchObject({ ok: false, error: { code: 'invalid_argument' } });
  });
});
