import fc from 'fast-check';
import { expect, it } from 'vitest';
import { brandColors, brandingOf } from './branding.ts';

/** Relative luminance, WCAG 2.2. */
function luminance(color: string): number {
  const channel = (at: number): number => {
    const share = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return share <= 0.040_45 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

it('gives every company its own name in one of the colours, the same each time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (company) => {
      const branding = brandingOf(company);
      expect(branding.name).toBe(company);
      expect(brandColors).toContain(branding.color);
      expect(brandingOf(company)).toEqual(branding);
    }),
  );
});

it.each(brandColors)('can be read in white on %s', (color) => {
  expect(1.05 / (luminance(color) + 0.05)).toBeGreaterThanOrEqual(4.5);
});
