// Colours of a tenant's pages, made from its brand colour so that text is always readable on them (WCAG 2.2, 1.4.3: 4.5 to 1).

/** Used when the tenant's colour is not `#rrggbb`. */
const fallbackColor = '#3b5bdb';
/** The background behind everything. */
export const pageColor = '#f5f6f8';
const contrastMin = 4.5;

export interface Palette {
  readonly brand: string;
  /** Text on the brand colour. */
  readonly onBrand: string;
  /** The brand colour, darkened until it can be read as text on the page. */
  readonly brandText: string;
}

export function paletteOf(color: string): Palette {
  const brand = /^#[0-9a-f]{6}$/i.test(color) ? color.toLowerCase() : fallbackColor;
  // Black or white: for any colour at all one of the two reaches 4.58.
  const onBrand = contrast(brand, '#ffffff') >= contrast(brand, '#000000') ? '#ffffff' : '#000000';
  let brandText = brand;
  for (let percent = 95; contrast(brandText, pageColor) < contrastMin; percent -= 5) brandText = darkened(brand, percent);
  return { brand, onBrand, brandText };
}

/** WCAG's contrast ratio of two `#rrggbb` colours, 1 to 21. */
export function contrast(one: string, other: string): number {
  const [lighter = 0, darker = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

function channels(color: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
}

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = channels(color).map((channel) =>
    channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function darkened(color: string, percent: number): string {
  return `#${channels(color)
    .map((channel) =>
      Math.round((channel * percent) / 100)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}
