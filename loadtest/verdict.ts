// What a load test came to, as figures with their targets.
import type { Figure } from '@burgage/local/figures';
import type { Metrics } from './k6.ts';
import type { Plan } from './plan.ts';

/** Quiet tenants' p99 while another is noisy: this many times their own before, or so many milliseconds above it. */
const noisyTimesMax = 2;
const noisyMsAboveMax = 5;
/** Of what the limit lets through, that the noisy tenant may get more; the tolerance of a clock and of what is in flight. */
const servedShareMax = 1.1;

/** `isJudged`: times have targets too; what must not happen always has. */
export function figuresOf(metrics: Metrics, plan: Plan, isJudged: boolean): readonly Figure[] {
  const value = (name: string, statistic: string): number => metrics[name]?.values[statistic] ?? (statistic === 'count' ? 0 : Number.NaN);
  const atMost = (target: number) => (isJudged ? { atMost: target } : {});
  const ms = (what: string, name: string, statistic: string, target?: number): Figure => ({
    what,
    value: value(name, statistic),
    unit: 'ms',
    ...(target !== undefined && atMost(target)),
  });
  const before = value('quiet_before_ms', 'p(99)');
  const noisyS = plan.holdS / 2;
  // The burst that a full bucket lets through comes once.
  const servedMax = plan.requestsPerSecond * (noisyS * servedShareMax + 1);
  return [
    { what: 'requests of k6 in all', value: value('http_reqs', 'count'), unit: '' },
    { what: 'requests a second', value: value('http_reqs', 'rate'), unit: '/s' },
    ms('reads and writes through the gateway, median', 'through_ms', 'med'),
    ms('reads and writes through the gateway, p95', 'through_ms', 'p(95)', 200),
    ms('reads and writes through the gateway, p99', 'through_ms', 'p(99)'),
    ms('the same reads straight at the app, p99', 'straight_ms', 'p(99)'),
    ms('added by the gateway, pair by pair, median', 'added_ms', 'med'),
    ms('added by the gateway, pair by pair, p99', 'added_ms', 'p(99)', 20),
    ms('uploads of 1 MB, p95', 'upload_ms', 'p(95)'),
    ms('quiet tenants before the noise, p99', 'quiet_before_ms', 'p(99)'),
    ms('quiet tenants beside the noise, p99', 'quiet_during_ms', 'p(99)', Math.max(noisyTimesMax * before, before + noisyMsAboveMax)),
    { what: 'noisy tenant: served, at its limit', value: value('noisy_served', 'count'), unit: '', atLeast: 1, atMost: servedMax },
    { what: 'noisy tenant: told to slow down', value: value('noisy_refused', 'count'), unit: '', atLeast: 1 },
    { what: 'WebSocket messages that came back', value: value('messages', 'count'), unit: '', atLeast: 1 },
    { what: 'answers that were wrong, sockets that broke', value: value('wrong', 'count'), unit: '', atMost: 0 },
    { what: 'requests that failed', value: value('http_req_failed', 'passes'), unit: '', atMost: 0 },
  ];
}

/** The thresholds of the script that were crossed, as k6 has them. */
export function crossedThresholds(metrics: Metrics): readonly string[] {
  return Object.entries(metrics).flatMap(([name, { thresholds = {} }]) =>
    Object.entries(thresholds).flatMap(([threshold, { ok }]) => (ok ? [] : [`${name}: ${threshold}`])),
  );
}
