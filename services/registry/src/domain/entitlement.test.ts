import { type Hold, holds, type TenantState, tenantStates } from '@burgage/tenancy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testCatalog } from '../testing/catalog.ts';
import { addHold, changePlan, dueTo, liftHold, parseHold, setMoving } from './entitlement.ts';
import { placeTenant, type TenantRecord, tenantRoute } from './tenant.ts';

const nowMs = Date.UTC(2026, 5, 1);
const dayMs = 24 * 60 * 60 * 1000;
const fence = { operationId: 'op_1', token: 1 };

const active: TenantRecord = {
  id: 'ten_1',
  fingerprint: 'f',
  slug: 'acme',
  formerSlug: '',
  company: 'Acme',
  plan: 'trial',
  catalog: 'test',
  isolation: 'pool',
  state: 'active',
  holds: [],
  ownerEmail: 'owner@acme.test',
  createTimeMs: nowMs - dayMs,
  trialEndTimeMs: nowMs + 14 * dayMs,
  hosts: ['acme.localhost'],
  upstream: 'desk-shared',
  limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 1_048_576 },
  features: ['contacts'],
  entitlementVersion: 1,
  branding: { name: 'Acme', color: '#1d4ed8' },
  failure: '',
  operationId: '',
  fenceToken: 1,
};

function must<T>(result: { ok: true; value: T } | { ok: false; error: Error }): T {
  if (result.ok) return result.value;
  throw result.error;
}

const planned = (record: TenantRecord, plan: string) => changePlan(record, plan, testCatalog, fence, nowMs);

/** Everything that can be done to what a tenant is entitled to. */
const changes: Readonly<Record<string, (record: TenantRecord, turn: typeof fence) => ReturnType<typeof addHold>>> = {
  ...Object.fromEntries(holds.map((hold) => [`hold ${hold}`, (record: TenantRecord, turn: typeof fence) => addHold(record, hold, turn)])),
  ...Object.fromEntries(holds.map((hold) => [`lift ${hold}`, (record: TenantRecord, turn: typeof fence) => liftHold(record, hold, turn)])),
  ...Object.fromEntries(
    Object.keys(testCatalog.plans).map((plan) => [
      `plan ${plan}`,
      (record: TenantRecord, turn: typeof fence) => changePlan(record, plan, testCatalog, turn, nowMs),
    ]),
  ),
  'move on': (record, turn) => setMoving(record, true, turn),
  'move off': (record, turn) => setMoving(record, false, turn),
  bridge: (record, turn) => placeTenant(record, { host: 'acme.localhost', upstream: 'desk-shared', isolation: 'bridge' }, turn),
  pool: (record, turn) => placeTenant(record, { host: 'acme.localhost', upstream: 'desk-shared', isolation: 'pool' }, turn),
};

describe('what a tenant is entitled to', () => {
  it('has a version that grows exactly when plan, limits, features, isolation or holds change', () => {
    const entitlements = ({ plan, limits, features, isolation, holds }: TenantRecord) => [plan, limits, features, isolation, holds];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.values(changes)), { maxLength: 30 }), (list) => {
        let record = active;
        for (const change of list) {
          const next = must(change(record, fence));
          const isOther = JSON.stringify(entitlements(next)) !== JSON.stringify(entitlements(record));
          expect(next.entitlementVersion - record.entitlementVersion).toBe(isOther ? 1 : 0);
          // Repeated, nothing is written.
          expect(must(change(next, fence))).toBe(next);
          record = next;
        }
        expect(record.holds).toEqual(holds.filter((hold) => record.holds.includes(hold)));
      }),
    );
  });

  it.each(Object.entries(changes))('is not changed by a worker that lost the tenant: %s', (_, change) => {
    expect(change({ ...active, fenceToken: 2 }, fence)).toMatchObject({ ok: false, error: { code: 'fenced' } });
    expect(must(change(active, { operationId: 'op_1', token: 5 })).fenceToken).toBe(5);
  });

  it('changes only in states in which there is somebody to be served, and what is so already is no error in any', () => {
    const allowed = (change: (record: TenantRecord) => ReturnType<typeof addHold>, record = active): TenantState[] =>
      tenantStates.filter((state) => {
        const result = change({ ...record, state });
        if (!result.ok) expect(result.error).toMatchObject({ code: 'transition_not_allowed', metadata: { state } });
        return result.ok;
      });
    const held = must(addHold(active, 'unpaid', fence));
    const moving = must(setMoving(active, true, fence));
    expect(allowed((record) => addHold(record, 'unpaid', fence))).toEqual(['provisioning', 'active']);
    expect(allowed((record) => addHold(record, 'unpaid', fence), held)).toEqual(tenantStates);
    expect(allowed((record) => liftHold(record, 'unpaid', fence), held)).toEqual(['provisioning', 'active']);
    expect(allowed((record) => liftHold(record, 'unpaid', fence))).toEqual(tenantStates);
    expect(allowed((record) => planned(record, 'starter'))).toEqual(['provisioning', 'active']);
    expect(allowed((record) => planned(record, 'trial'))).toEqual(tenantStates);
    expect(allowed((record) => setMoving(record, true, fence))).toEqual(['active']);
    expect(allowed((record) => setMoving(record, false, fence), moving)).toEqual(tenantStates);
  });
});

describe('holds', () => {
  it('stand beside each other: lifting one leaves the others', () => {
    fc.assert(
      fc.property(fc.subarray([...holds]), fc.constantFrom(...holds), (before, lifted) => {
        const record = before.reduce((held, hold) => must(addHold(held, hold, fence)), active);
        expect(must(liftHold(record, lifted, fence)).holds).toEqual(before.filter((hold) => hold !== lifted));
      }),
    );
  });

  it('are three', () => {
    for (const hold of holds) expect(parseHold(hold)).toEqual({ ok: true, value: hold satisfies Hold });
    for (const text of ['', 'Unpaid', 'late'])
      expect(parseHold(text)).toMatchObject({ ok: false, error: { code: 'invalid_argument', fields: [{ field: 'hold' }] } });
  });
});

describe('another plan', () => {
  it('brings its limits and features at once, leaves the isolation, and ends the trial', () => {
    const catalog = {
      ...testCatalog,
      plans: { ...testCatalog.plans, big: { ...testCatalog.plans.professional, features: ['export'] } as never },
    };
    const next = must(changePlan(active, 'big', catalog, fence, nowMs));
    expect(next).toMatchObject({ plan: 'big', features: ['export'], isolation: 'pool', upstream: 'desk-shared', entitlementVersion: 2 });
    expect(next).not.toHaveProperty('trialEndTimeMs');
    expect(tenantRoute(next)).toMatchObject({ plan: 'big', features: ['export'], isolation: 'pool' });
  });

  it('begins a trial where none ran, and does not begin one anew', () => {
    const paid = must(planned(active, 'free'));
    expect(must(planned(paid, 'trial')).trialEndTimeMs).toBe(nowMs + 15 * dayMs);
    const catalog = { ...testCatalog, plans: { ...testCatalog.plans, other: testCatalog.plans.trial as never } };
    expect(must(changePlan(active, 'other', catalog, fence, nowMs)).trialEndTimeMs).toBe(active.trialEndTimeMs);
    // Not served yet: it is counted from the request, and put off when the tenant is first served.
    expect(must(planned({ ...paid, state: 'provisioning' }, 'trial')).trialEndTimeMs).toBe(active.createTimeMs + 15 * dayMs);
  });

  it('on the same plan is what the catalog says today', () => {
    const limits = { requestsPerSecond: 1, concurrency: 1, bodyBytesMax: 1 };
    expect(must(planned({ ...active, limits }, 'trial'))).toMatchObject({ limits: active.limits, entitlementVersion: 2 });
  });

  it('must be one of the tenant’s own catalog', () => {
    expect(planned(active, 'gold')).toMatchObject({
      ok: false,
      error: { code: 'unknown_plan', metadata: { plans: 'trial,free,starter,professional' } },
    });
    expect(planned({ ...active, catalog: 'other' }, 'starter')).toMatchObject({
      ok: false,
      error: { code: 'unknown_plan', message: expect.stringContaining('a plan of the catalog other') },
    });
  });
});

describe('the isolation that is due', () => {
  const due = (change: Partial<TenantRecord>, dedicated = true) => {
    const { gracePeriodDays: _, ...isolation } = dueTo({ ...active, ...change }, testCatalog, dedicated);
    return isolation;
  };

  it('is pending where the plan gives another one', () => {
    expect(due({})).toEqual({ pendingIsolation: '', isolationNote: '' });
    expect(due({ plan: 'starter' })).toEqual({ pendingIsolation: 'bridge', isolationNote: '' });
    expect(due({ plan: 'professional', isolation: 'silo' })).toEqual({ pendingIsolation: '', isolationNote: '' });
    expect(due({ plan: 'trial', isolation: 'silo' })).toEqual({ pendingIsolation: 'pool', isolationNote: '' });
  });

  it('is pool for everybody where dedicated instances are switched off, and says why', () => {
    const note = 'The plan professional gives silo, but dedicated instances are switched off on this platform: every tenant gets pool.';
    expect(due({ plan: 'professional' }, false)).toEqual({ pendingIsolation: '', isolationNote: note });
    expect(due({ plan: 'professional', isolation: 'silo' }, false)).toEqual({ pendingIsolation: 'pool', isolationNote: note });
    expect(due({}, false)).toEqual({ pendingIsolation: '', isolationNote: '' });
  });

  it('is nothing for who is going or gone, nor on a plan that is not known here', () => {
    for (const state of ['failed', 'terminating', 'terminated'] as const)
      expect(due({ state, plan: 'starter' }, false)).toEqual({ pendingIsolation: '', isolationNote: '' });
    expect(due({ plan: 'gone' })).toEqual({ pendingIsolation: '', isolationNote: '' });
    expect(due({ plan: 'starter', catalog: 'other' })).toEqual({ pendingIsolation: '', isolationNote: '' });
  });
});

describe('the grace period that is due', () => {
  it('is that of the plan, while the tenant is being closed too, and none on a plan that has none or is not known here', () => {
    const catalog = {
      ...testCatalog,
      plans: { trial: { ...testCatalog.plans.trial, gracePeriodDays: 3 } as never, free: testCatalog.plans.free as never },
    };
    const days = (change: Partial<TenantRecord>) => dueTo({ ...active, ...change }, catalog, true).gracePeriodDays;
    expect([days({}), days({ state: 'terminating' }), days({ plan: 'free' }), days({ plan: 'gone' })]).toEqual([3, 3, 0, 0]);
  });
});
