// Admission: places are counted exactly, whatever happens in which order.
import type { TenantRoute } from '@burgage/tenancy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tenantRoute } from '../testing/tenant-route.ts';
import { Admission, isPermit, type Permit, standing } from './admission.ts';
import { RequestSeries } from './request-series.ts';
import { type MeteredTenant, TenantMeters } from './tenant-meters.ts';

function tenant(fields: Partial<TenantRoute> = {}): TenantRoute & MeteredTenant {
  return { number: 1, ...tenantRoute(fields) };
}

const limits = (concurrency: number, requestsPerSecond = 0) => ({ requestsPerSecond, concurrency, bodyBytesMax: 0 });

describe('Admission', () => {
  it('never has more requests in flight than the limit, and never loses a place', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.constantFrom('admit', 'release', 'tunnel', 'releaseTwice'), { maxLength: 100, size: 'max' }),
        (concurrency, steps) => {
          const meters = new TenantMeters(
            () => new RequestSeries([1]),
            (number) => `ten_${number}`,
          );
          const admission = new Admission({ tunnelsPerTenantMax: 3, bodyBytesMax: 0 }, meters);
          const admit = (tenant: TenantRoute & MeteredTenant, nowMs: number) => admission.admit(tenant, meters.count(tenant), nowMs);
          const inflight: Permit[] = [];
          const tunnels: Permit[] = [];
          for (const step of steps) {
            if (step === 'admit') {
              const outcome = admit(tenant({ limits: limits(concurrency) }), 0);
              expect(isPermit(outcome)).toBe(inflight.length < concurrency);
              if (isPermit(outcome)) inflight.push(outcome);
            } else if (step === 'tunnel') {
              const permit = inflight.shift();
              if (permit === undefined) continue;
              const refusal = permit.becomeTunnel();
              expect(refusal === undefined).toBe(tunnels.length < 3);
              (refusal === undefined ? tunnels : inflight).push(permit);
            } else {
              const permit = inflight.pop() ?? tunnels.pop();
              permit?.release();
              if (step === 'releaseTwice') permit?.release();
            }
            expect(admission.inflight(tenant())).toBe(inflight.length);
          }
          for (const permit of [...inflight, ...tunnels]) permit.release();
          for (let roll = 0; roll < 8; roll++) meters.roll(0);
          for (let second = 1; second <= 12; second++) meters.sweep(0, 1_000 * second);
          expect(meters.size).toBe(0);
        },
      ),
    );
  });

  it('uses nothing of the rate for a request that concurrency refuses', () => {
    const meters = new TenantMeters(
      () => new RequestSeries([1]),
      (number) => `ten_${number}`,
    );
    const admission = new Admission({ tunnelsPerTenantMax: 1, bodyBytesMax: 0 }, meters);
    const admit = (tenant: TenantRoute & MeteredTenant, nowMs: number) => admission.admit(tenant, meters.count(tenant), nowMs);
    const limited = tenant({ limits: limits(1, 2) });
    const first = admit(limited, 0);
    for (let i = 0; i < 5; i++) expect(admit(limited, 0)).toMatchObject({ code: 'concurrency_limited' });
    if (isPermit(first)) first.release();
    expect(isPermit(admit(limited, 0))).toBe(true);
  });

  it('previews what it would answer without counting it', () => {
    const meters = new TenantMeters(
      () => new RequestSeries([1]),
      (number) => `ten_${number}`,
    );
    const admission = new Admission({ tunnelsPerTenantMax: 1, bodyBytesMax: 0 }, meters);
    const admit = (tenant: TenantRoute & MeteredTenant, nowMs: number) => admission.admit(tenant, meters.count(tenant), nowMs);
    const limited = tenant({ limits: limits(0, 1) });
    for (let i = 0; i < 5; i++) expect(admission.preview(limited, 0)).toBeUndefined();
    admit(limited, 0);
    for (let i = 0; i < 5; i++) expect(admission.preview(limited, 0)).toMatchObject({ code: 'rate_limited', retryAfterMs: 1000 });
    expect(admission.preview(limited, 1000)).toBeUndefined();
  });

  it('keeps what a tenant has used of its rate until that means nothing any more', () => {
    const meters = new TenantMeters(
      () => new RequestSeries([1]),
      (number) => `ten_${number}`,
    );
    const admission = new Admission({ tunnelsPerTenantMax: 1, bodyBytesMax: 0 }, meters);
    const admit = (tenant: TenantRoute & MeteredTenant, nowMs: number) => admission.admit(tenant, meters.count(tenant), nowMs);
    const permit = admit(tenant({ limits: limits(0, 1) }), 0);
    if (isPermit(permit)) permit.release();
    meters.roll(0);
    meters.sweep(0, 500);
    expect(meters.size).toBe(1);
    meters.sweep(0, 1_500);
    expect(meters.size).toBe(0);
  });
});

describe('a tenant that is being moved', () => {
  const meters = new TenantMeters(
    () => new RequestSeries([1]),
    (number) => `ten_${number}`,
  );
  const admission = new Admission({ tunnelsPerTenantMax: 1, bodyBytesMax: 0 }, meters);
  const admit = (tenant: TenantRoute & MeteredTenant, nowMs: number) => admission.admit(tenant, meters.count(tenant), nowMs);

  it('is let in, to wait, and previewed as what is answered at once', () => {
    expect(isPermit(admit(tenant({ moving: true }), 0))).toBe(true);
    expect(admission.preview(tenant({ moving: true }), 0)).toMatchObject({ code: 'tenant_moving', retryAfterMs: 1_000 });
  });

  it('is answered by its state and its holds first: it waits for nothing that would not be served', () => {
    expect(admission.preview(tenant({ moving: true, state: 'terminating' }), 0)).toMatchObject({ code: 'tenant_closing' });
    expect(admit(tenant({ moving: true, holds: ['unpaid'] }), 0)).toMatchObject({ code: 'tenant_unpaid' });
  });
});

describe('standing', () => {
  it('says the hold that the owner cannot lift before those that it can', () => {
    fc.assert(
      fc.property(fc.subarray(['operator', 'unpaid', 'trial_ended'] as const), (holds) => {
        const code = holds.includes('operator')
          ? 'tenant_suspended'
          : holds.includes('unpaid')
            ? 'tenant_unpaid'
            : holds.length > 0
              ? 'tenant_trial_ended'
              : undefined;
        expect(standing(tenant({ holds }))?.code).toBe(code);
      }),
    );
  });
});
