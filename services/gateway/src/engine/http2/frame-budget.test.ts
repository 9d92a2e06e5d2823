import { expect, it } from 'vitest';
import { FrameBudget } from './frame-budget.ts';

function spend(budget: FrameBudget, count: number, nowMs: number): boolean {
  let isWithin = true;
  for (let i = 0; i < count; i++) isWithin = budget.spend(nowMs) && isWithin;
  return isWithin;
}

it('200 frames that only cost may come at once, and 20 more with each second, but never more than 200 at once', () => {
  const budget = new FrameBudget(1_000);
  expect(spend(budget, 200, 1_000)).toBe(true);
  expect(spend(budget, 20, 2_000)).toBe(true);
  expect(budget.spend(2_000)).toBe(false);
  const rested = new FrameBudget(0);
  expect(spend(rested, 200, 3_600_000)).toBe(true);
  expect(rested.spend(3_600_000)).toBe(false);
});
