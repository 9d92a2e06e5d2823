import { expect, test } from 'vitest';
import { createMetrics } from './metrics.ts';

test('a metric that is declared twice is one metric, and appears beside those of the process', async () => {
  const metrics = createMetrics();
  metrics.counter('burgage_calls_total', 'Calls.', ['code']).inc({ code: 'ok' });
  metrics.counter('burgage_calls_total', 'Calls.', ['code']).inc({ code: 'ok' });
  metrics.histogram('burgage_seconds', 'Time.', [0.1, 1]).observe(0.5);
  metrics.gauge('burgage_open', 'Open.').set(3);
  const text = await metrics.registry.metrics();
  expect(text).toContain('burgage_calls_total{code="ok"} 2');
  expect(text).toContain('burgage_seconds_bucket{le="0.1"} 0');
  expect(text).toContain('burgage_open 3');
  expect(text).toContain('process_cpu_seconds_total');
});

test('a name that is declared as another kind is refused', () => {
  const metrics = createMetrics();
  metrics.counter('burgage_things', 'Things.');
  expect(() => metrics.gauge('burgage_things', 'Things.')).toThrow(/declared before/);
});
