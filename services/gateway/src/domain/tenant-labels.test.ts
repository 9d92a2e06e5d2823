// Metric labels stay bounded.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { otherTenants, TenantLabels } from './tenant-labels.ts';

describe('TenantLabels', () => {
  it('never has more labels at a time than its bound, counting those whose end it did not say', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat({ max: 40 }), fc.constant('roll' as const)), { maxLength: 300 }), (steps) => {
        const labels = new TenantLabels(5);
        const living = new Set<string>();
        for (const step of steps) {
          if (step === 'roll') for (const ended of labels.roll()) living.delete(ended);
          else {
            const label = labels.label(`ten_${step}`);
            expect([`ten_${step}`, otherTenants]).toContain(label);
            if (label !== otherTenants) living.add(label);
          }
          expect(living.size).toBeLessThanOrEqual(5);
        }
      }),
    );
  });

  it('gives the labels to the busiest', () => {
    const labels = new TenantLabels(2);
    for (const tenant of ['first', 'second']) labels.label(tenant);
    for (let i = 0; i < 10; i++) labels.label('busy');
    expect(labels.label('busy')).toBe(otherTenants);
    expect(labels.roll()).toHaveLength(1);
    expect(labels.label('busy')).toBe('busy');
  });
});
