// Metric labels stay bounded, and go to the busiest.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestSeries } from './request-series.ts';
import { otherTenants, TenantMeters } from './tenant-meters.ts';

/** Meters, and the label that each series belongs to. */
function labelled(labelsMax: number) {
  const series = new Map<string, RequestSeries>();
  const meters = new TenantMeters((label) => {
    const known = series.get(label) ?? new RequestSeries([1]);
    series.set(label, known);
    return known;
  }, labelsMax);
  const numbers: string[] = [];
  const labelOf = (tenantId: string) => {
    if (!numbers.includes(tenantId)) numbers.push(tenantId);
    const counted = meters.count({ number: numbers.indexOf(tenantId), tenantId }).series;
    return [...series].find(([, one]) => one === counted)?.[0];
  };
  return { meters, labelOf };
}

describe('tenant meters', () => {
  it('never give more labels at a time than their bound, counting those whose end they did not say', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat({ max: 40 }), fc.constantFrom('roll', 'sweep')), { maxLength: 300, size: 'max' }), (steps) => {
        const { meters, labelOf } = labelled(5);
        const living = new Set<string>();
        for (const step of steps) {
          if (step === 'roll') for (const ended of meters.roll()) living.delete(ended);
          else if (step === 'sweep') meters.sweep(1);
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
    expect(meters.roll()).toHaveLength(1);
    expect(labelOf('busy')).toBe('busy');
  });

  it('forget who uses nothing and was not heard of for some rolls', () => {
    const { meters } = labelled(2);
    const meter = meters.count({ number: 7, tenantId: 'ten_1' });
    meter.use.enter(0);
    for (let roll = 0; roll < 3; roll++) meters.roll();
    meters.sweep(1);
    expect(meters.size).toBe(1);
    meter.use.leave();
    meters.sweep(1);
    expect(meters.size).toBe(0);
  });
});
