// How a tenant's pages look before anybody has chosen anything.
import type { Branding } from '@burgage/tenancy';

/** Each at least 4.5:1 against white text (WCAG 2.2, 1.4.3). */
export const brandColors = [
  '#1d4ed8',
  '#0f766e',
  '#7c3aed',
  '#be123c',
  '#15803d',
  '#b45309',
  '#0e7490',
  '#a21caf',
  '#4338ca',
  '#9f1239',
  '#3f6212',
  '#475569',
] as const;

/** The company's own name in a colour that depends on the name alone (FNV-1a). */
export function brandingOf(company: string): Branding {
  let hash = 0x811c9dc5;
  for (const character of company) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return { name: company, color: brandColors[hash % brandColors.length] ?? brandColors[0] };
}
