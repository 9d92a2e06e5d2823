// Numbers as settings have them: written in decimal, within bounds.
import { z } from 'zod';

const wholePattern = /^\d{1,15}$/;
const fractionPattern = /^\d{1,15}(?:\.\d{1,15})?$/;

/** Digits alone: nothing at all is no number here, nor are `0x50` and `1e3`. Both bounds are allowed; `expected` is what errors say. */
export function wholeNumber(expected: string, min: number, max: number): z.ZodType<number, string> {
  return decimal(wholePattern, expected, min, max);
}

/** The same, and there may be digits behind a point. */
export function fraction(expected: string, min: number, max: number): z.ZodType<number, string> {
  return decimal(fractionPattern, expected, min, max);
}

function decimal(pattern: RegExp, expected: string, min: number, max: number): z.ZodType<number, string> {
  const number = z.string().transform((text) => (pattern.test(text) ? Number(text) : Number.NaN));
  return number.refine((value) => value >= min && value <= max, { error: expected });
}
