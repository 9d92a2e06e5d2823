import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contrast, pageColor, paletteOf } from './brand.ts';

const color = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);

test('text can be read on and in any brand colour: the contrast is at least 4.5', () => {
  fc.assert(
    fc.property(color, (chosen) => {
      const { brand, onBrand, brandText } = paletteOf(chosen);
      expect(brand).toBe(chosen);
      expect(contrast(onBrand, brand)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(brandText, pageColor)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(brandText, '#ffffff')).toBeGreaterThanOrEqual(4.5);
    }),
    { numRuns: 500 },
  );
});

test('contrast is as WCAG defines it', () => {
  expect(contrast('#000000', '#ffffff')).toBe(21);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
});

test('what is not a colour cannot get into the style sheet', () => {
  for (const text of ['', 'red', '#fff', '#0f766e; } body { display: none', '</style><script>'])
    expect(paletteOf(text)).toEqual(paletteOf(''));
});
