import { judge } from '@burgage/local/figures';
import { expect, test } from 'vitest';
import type { Metrics } from './k6.ts';
import { fullPlan } from './plan.ts';
import { crossedThresholds, figuresOf } from './verdict.ts';

/** A run in which all is well; `changes` are what was not. */
function metrics(changes: Metrics = {}): Metrics {
  const times = { count: 1_000, med: 2, 'p(95)': 10, 'p(99)': 15, max: 20 };
  return {
    http_reqs: { values: { count: 10_000, rate: 100 } },
    http_req_failed: { values: { passes: 0 } },
    through_ms: { values: times },
    straight_ms: { values: times },
    added_ms: { values: times },
    upload_ms: { values: times },
    quiet_before_ms: { values: { ...times, 'p(99)': 3 } },
    quiet_during_ms: { values: { ...times, 'p(99)': 3 } },
    noisy_served: { values: { count: 3_000 } },
    noisy_refused: { values: { count: 27_000 } },
    messages: { values: { count: 1 } },
    ...changes,
  };
}

const missed = (changes: Metrics, isJudged = true): readonly string[] =>
  figuresOf(metrics(changes), fullPlan, isJudged)
    .filter((figure) => judge(figure) === 'missed')
    .map(({ what }) => what);

test('a run in which all is well meets every target', () => {
  expect(missed({})).toEqual([]);
});

test.each([
  ['noisy tenant: served, at its limit', { noisy_served: { values: { count: 3_400 } } }],
  ['noisy tenant: served, at its limit', { noisy_served: { values: {} } }],
  ['noisy tenant: told to slow down', { noisy_refused: { values: {} } }],
  ['WebSocket messages that came back', { messages: { values: {} } }],
  ['answers that were wrong, sockets that broke', { wrong: { values: { count: 1 } } }],
  ['requests that failed', { http_req_failed: { values: { passes: 1 } } }],
])('%s: is a miss in either form of the test', (what, changes) => {
  for (const isJudged of [true, false]) expect(missed(changes, isJudged)).toEqual([what]);
});

test.each([
  ['reads and writes through the gateway, p95', { through_ms: { values: { 'p(95)': 201 } } }],
  ['added by the gateway, pair by pair, p99', { added_ms: { values: { 'p(99)': 21 } } }],
  ['added by the gateway, pair by pair, p99', { added_ms: { values: {} } }],
])('%s: is a miss where times are judged', (what, changes) => {
  expect(missed(changes)).toEqual([what]);
  expect(missed(changes, false)).toEqual([]);
});

test('quiet tenants may take twice their own time beside a noisy one, or 5 ms more', () => {
  const beside = (before: number, during: number) =>
    missed({ quiet_before_ms: { values: { 'p(99)': before } }, quiet_during_ms: { values: { 'p(99)': during } } });
  expect(beside(3, 8)).toEqual([]);
  expect(beside(20, 40)).toEqual([]);
  for (const [before, during] of [
    [3, 8.1],
    [20, 40.1],
  ] as const)
    expect(beside(before, during)).toEqual(['quiet tenants beside the noise, p99']);
});

test('thresholds of the script that were crossed are named', () => {
  const thresholds = { 'p(99)<20': { ok: false }, 'p(95)<200': { ok: true } };
  expect(crossedThresholds({ added_ms: { values: {}, thresholds } })).toEqual(['added_ms: p(99)<20']);
});
