// What the engine adds to the steps of operations: the time of operations that no step took.
import type { Platform } from '../stories/platform.ts';
import type { Figure } from './figures.ts';

/** Runs `work`, in which operations run one at a time and never wait for their turn, and measures what they took besides their steps. */
export async function stepOverhead<T>(
  platform: Platform,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly figures: Figure[] }> {
  const before = await totals(platform);
  const result = await work();
  const after = await totals(platform);
  const steps = after.steps - before.steps;
  const overheadMs = (1_000 * (after.operationSeconds - before.operationSeconds - (after.stepSeconds - before.stepSeconds))) / steps;
  return { result, figures: [{ what: `engine: overhead a step, mean of ${steps}`, value: overheadMs, unit: 'ms', atMost: 10 }] };
}

interface Totals {
  readonly operationSeconds: number;
  readonly stepSeconds: number;
  readonly steps: number;
}

/** Since the control plane began. */
async function totals(platform: Platform): Promise<Totals> {
  const metrics = await (await fetch((await platform.readyUrlOf('control')).replace(/\/readyz$/, '/metrics'))).text();
  const sum = (name: string): number =>
    [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce((total, [, value]) => total + Number(value), 0);
  return {
    operationSeconds: sum('burgage_operation_duration_seconds_sum'),
    stepSeconds: sum('burgage_operation_step_duration_seconds_sum'),
    steps: sum('burgage_operation_step_duration_seconds_count'),
  };
}
