// Every metric of the gateway. No label carries a host, and tenant labels are bounded.
import type { Metrics } from '@burgage/runtime';

export type GatewayMetrics = ReturnType<typeof gatewayMetrics>;

/** Seconds; the first bounds are where an answer through the gateway usually is. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function gatewayMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter('burgage_gateway_requests_total', 'Requests answered, by tenant and class of status.', ['tenant', 'status']),
    duration: metrics.histogram(
      'burgage_gateway_request_duration_seconds',
      'From the head of a request to the end of its answer.',
      durationBuckets,
      ['tenant'],
    ),
    refusals: metrics.counter('burgage_gateway_refusals_total', 'Requests that the gateway answered itself, by code.', ['code']),
    terminations: metrics.counter('burgage_gateway_terminations_total', 'How requests and tunnels ended.', ['reason']),
    bytes: metrics.counter('burgage_gateway_body_bytes_total', 'Bytes of bodies and tunnels: in from clients, out to them.', ['direction']),
    waited: metrics.counter(
      'burgage_gateway_requests_held_total',
      "Requests held for the end of their tenant's move, by outcome: served, timed_out, full (not held, too many were), left (by the client).",
      ['outcome'],
    ),
    waiting: metrics.gauge('burgage_gateway_requests_held', "Requests that wait for the end of their tenant's move."),
    inflight: metrics.gauge('burgage_gateway_requests_in_flight', 'Requests in flight.'),
    tunnels: metrics.gauge('burgage_gateway_tunnels', 'Open tunnels.'),
    connections: metrics.gauge('burgage_gateway_client_connections', 'Open connections of clients.'),
    retries: metrics.counter('burgage_gateway_retries_total', 'Requests sent to a second endpoint.'),
    ejections: metrics.counter('burgage_gateway_ejections_total', 'Endpoints taken out after failures in a row.'),
    cookiesDropped: metrics.counter('burgage_gateway_cookies_dropped_total', 'Cookies of tenants for the domain that all share.'),
    logLinesDropped: metrics.counter('burgage_gateway_access_log_dropped_total', 'Lines of the access log that found no room.'),
    resolves: metrics.counter('burgage_gateway_resolves_total', 'Questions to the registry about one host, by outcome.', ['outcome']),
    hosts: metrics.gauge('burgage_gateway_hosts', 'Hosts in the route table.'),
    tenants: metrics.gauge('burgage_gateway_tenants', 'Tenants in the route table.'),
    revision: metrics.gauge('burgage_gateway_revision', 'Revision of the routes that is applied.'),
    inSync: metrics.gauge('burgage_gateway_in_sync', '1 while the routes are those of the registry.'),
    snapshotHeld: metrics.gauge('burgage_gateway_snapshot_held', '1 while a snapshot waits for an operator.'),
  };
}
