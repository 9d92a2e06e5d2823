import { expect, test } from 'vitest';
import { got } from './index.ts';

test.for([
  ['', 'is missing'],
  [' ', 'got " "'],
  ['acme', 'got "acme"'],
  ['a "b"\n', String.raw`got "a \"b\"\n"`],
  ['x'.repeat(80), `got "${'x'.repeat(80)}"`],
  ['x'.repeat(81), `got "${'x'.repeat(80)}…"`],
] as const)('%j is shown as %s', ([text, shown]) => {
  expect(got(text)).toBe(shown);
});
