// Every metric of the provisioner.
import type { Metrics } from '@burgage/runtime';

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function provisionerMetrics(metrics: Metrics) {
  return {
    operationsStarted: metrics.counter('burgage_operations_started_total', 'Operations that were asked for, by kind.', ['kind']),
    operationsEnded: metrics.counter('burgage_operations_ended_total', 'Operations that have ended, by kind and outcome.', [
      'kind',
      'outcome',
    ]),
    operationDuration: metrics.histogram(
      'burgage_operation_duration_seconds',
      'Time from being asked for to the end, by kind and outcome.',
      secondsBuckets,
      ['kind', 'outcome'],
    ),
    stepDuration: metrics.histogram(
      'burgage_operation_step_duration_seconds',
      'Time of one attempt at a step, by step, direction (run or undo) and outcome (done, not_needed or an error code).',
      secondsBuckets,
      ['step', 'direction', 'outcome'],
    ),
    claimDelay: metrics.histogram('burgage_operation_claim_delay_seconds', 'Time that due work waited for a worker.', secondsBuckets),
    differences: metrics.counter(
      'burgage_reconcile_differences_total',
      'What was not as it should be, by kind and outcome (mended or left).',
      ['kind', 'outcome'],
    ),
    leasesLost: metrics.counter('burgage_operation_leases_lost_total', 'Turns that ended because another worker took the tenant.'),
  };
}

export type ProvisionerMetrics = ReturnType<typeof provisionerMetrics>;
