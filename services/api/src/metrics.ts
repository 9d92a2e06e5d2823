// Every metric of the api.
import type { Metrics } from '@burgage/runtime';

export type ApiMetrics = ReturnType<typeof createApiMetrics>;

/** Routes are the patterns of the document, never raw paths. */
export function createApiMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter('burgage_api_requests_total', 'Requests answered.', ['method', 'route', 'status']),
    requestSeconds: metrics.histogram(
      'burgage_api_request_duration_seconds',
      'From the first byte of the request to the head of the answer.',
      [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      ['method', 'route'],
    ),
    progressStreams: metrics.gauge('burgage_api_progress_streams', 'Streams of progress open now.'),
  };
}
