// Metric labels stay bounded, and go to the busiest.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { perSlice } from './by-number.ts';
import { RequestSeries } from './request-series.ts';
import { type MeteredTenant, otherTenants, type TenantMeter, TenantMeters } from './tenant-meters.ts';

/** Meters, and the label that each series belongs to. */
function labelled(labelsMax: number) {
  const series = new Map<string, RequestSeries>();
  const seriesOf = (label: string) => {
    const known = series.get(label) ?? new RequestSeries([1]);
    series.set(label, known);
    return known;
  };
  const numbers: string[] = [];
  const meters = new TenantMeters(seriesOf, (number) => numbers[number] ?? `ten_${number}`, labelsMax);
  const labelOf = (tenantId: string) => {
    if (!numbers.includes(tenantId)) numbers.push(tenantId);
    const counted = meters.count({ number: numbers.indexOf(tenantId), tenantId }).series;
    return [...series].find(([, one]) => one === counted)?.[0];
  };
  return { meters, labelOf };
}

function rollAll(meters: TenantMeters): string[] {
  for (let slice = 0; slice < meters.slices; slice++) meters.roll(slice);
  return meters.relabel();
}

describe('tenant meters', () => {
  it('never give more labels at a time than their bound, counting those whose end they did not say', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat({ max: 40 }), fc.constantFrom('roll', 'sweep')), { maxLength: 300, size: 'max' }), (steps) => {
        const { meters, labelOf } = labelled(5);
        const living = new Set<string>();
        for (const step of steps) {
          if (step === 'roll') for (const ended of rollAll(meters)) living.delete(ended);
          else if (step === 'sweep') meters.sweep(0, 1);
          else {
            const label = labelOf(`ten_${step}`) ?? '';
            expect([`ten_${step}`, otherTenants]).toContain(label);
            if (label !== otherTenants) living.add(label);
          }
          expect(living.size).toBeLessThanOrEqual(5);
        }
      }),
    );
  });

  it('give the labels to the busiest', () => {
    const { meters, labelOf } = labelled(2);
    for (const tenant of ['first', 'second']) labelOf(tenant);
    for (let i = 0; i < 10; i++) labelOf('busy');
    expect(labelOf('busy')).toBe(otherTenants);
    expect(rollAll(meters)).toHaveLength(1);
    expect(labelOf('busy')).toBe('busy');
  });

  it('forget who uses nothing and was not heard of for some rolls', () => {
    const { meters } = labelled(2);
    const meter = meters.count({ number: 7, tenantId: 'ten_1' });
    meter.use.enter(0);
    for (let roll = 0; roll < 3; roll++) rollAll(meters);
    for (let second = 1; second <= 10; second++) meters.sweep(0, 1_000 * second);
    expect(meters.size).toBe(1);
    meter.use.leave();
    meters.sweep(0, 11_000);
    expect(meters.size).toBe(0);
  });

  it('forget within seconds who asked once, but for those with labels of their own: they are asked about again', () => {
    const { meters } = labelled(2);
    const asked = Array.from({ length: 5 }, (_, number) => meters.count({ number, tenantId: `ten_${number}` }));
    for (const meter of asked) meter.use.takeRate(1, 0);
    meters.sweep(0, 1_000);
    expect(meters.size).toBe(5);
    for (let second = 2; second <= 4; second++) meters.sweep(0, 1_000 * second);
    expect(asked.map((meter) => meters.get(meter) === meter)).toEqual([true, true, false, false, false]);
  });

  it('keep who is needed', () => {
    const { meters } = labelled(0);
    meters.count({ number: 1, tenantId: 'ten_1' });
    for (let second = 1; second <= 5; second++) meters.sweep(0, 1_000 * second, () => true);
    expect(meters.size).toBe(1);
    meters.sweep(0, 6_000);
    expect(meters.size).toBe(0);
  });

  it('give nothing of a forgotten tenant to the next', () => {
    const tenant = (number: number) => ({ number, tenantId: `ten_${number}` });
    const { meters } = labelled(0);
    const first = meters.count(tenant(1));
    for (let i = 0; i < 5; i++) first.use.takeRate(3, 0);
    Object.assign(first, { concurrencyRefusals: 3, bytes: 1_000, shares: { rate: 0.5, concurrency: 0.5 } });
    Object.assign(first.use, { shedShare: 0.5, shedDue: 0.9 });
    for (let second = 1; second <= 20; second++) meters.sweep(0, 1_000 * second);
    expect(meters.size).toBe(0);
    const next = meters.count(tenant(2));
    // It is made of what the other was, or this would say nothing.
    expect(next).toBe(first);
    const fresh = labelled(0).meters.count(tenant(2));
    const state = (meter: TenantMeter) => ({ ...meter, use: { ...meter.use }, perSecond: meter.perSecond, weight: meter.weight });
    expect(state(next)).toEqual(state(fresh));
    expect(meters.get(tenant(1))).toBeUndefined();
    expect(next.tenantId).toBe('ten_2');
  });

  it('give a label to whom asks much and at times only', () => {
    const { meters, labelOf } = labelled(2);
    for (const tenant of ['first', 'second']) labelOf(tenant);
    for (let i = 0; i < 100; i++) labelOf('bursty');
    for (let second = 1; second <= 55; second++) meters.sweep(0, 1_000 * second);
    rollAll(meters);
    expect(labelOf('bursty')).toBe('bursty');
  });

  it('of a million tenants are looked at in slices that are small, each of them once', () => {
    const { meters } = labelled(2);
    const tenants = Array.from({ length: 1_000 }, (_, index) => 1_000 * index);
    for (const number of tenants) meters.count({ number, tenantId: `ten_${number}` });
    const seen: number[] = [];
    for (let slice = 0; slice < meters.slices; slice++) {
      const before = seen.length;
      meters.each(slice, ({ number }) => seen.push(number));
      const inSlice = seen.slice(before);
      expect(Math.max(...inSlice) - Math.min(...inSlice)).toBeLessThan(perSlice);
    }
    expect(seen).toEqual(tenants);
  });

  it('give labels to the busiest wherever these are', () => {
    const { meters } = labelled(2);
    const count = (number: number, requests: number) => meters.countMany(number, requests);
    for (let slice = 0; slice < 10; slice++) count(slice * perSlice, 1 + slice);
    expect(rollAll(meters).toSorted()).toEqual(['ten_0', `ten_${perSlice}`]);
    const own = new Set([8, 9].map((slice) => meters.get({ number: slice * perSlice, tenantId: '' })?.series));
    const other = meters.get({ number: 0, tenantId: '' })?.series;
    expect(own.size).toBe(2);
    expect(own).not.toContain(other);
  });

  it('say of each second what it cost, also where the seconds of slices do not begin at once', () => {
    const { meters } = labelled(2);
    const [first, last] = [0, perSlice].map((number) => ({ number, tenantId: `ten_${number}` })) as [MeteredTenant, MeteredTenant];
    for (let second = 1; second <= 20; second++) {
      for (const tenant of [first, last]) meters.countMany(tenant.number, 100);
      meters.sweep(0, 1_000 * second);
      meters.sweep(1, 1_000 * second + 700);
    }
    for (const tenant of [first, last]) {
      expect(meters.get(tenant)?.perSecond).toBeCloseTo(100, 5);
      expect(meters.get(tenant)?.weight).toBeCloseTo(100, 2);
    }
  });
});
