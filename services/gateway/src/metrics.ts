// Every metric of the gateway. No label carries a host, and tenant labels are bounded.
import { type CollectedValue, type Metrics, Tally } from '@burgage/runtime';
import type { Termination } from './domain/exchange.ts';
import { RequestSeries, statusClasses } from './domain/request-series.ts';
import type { HandshakeFailure } from './engine/front/handshake-failures.ts';

export type ProxyHeaderFailure = 'malformed' | 'client_gone' | 'timeout';

export type GatewayMetrics = ReturnType<typeof gatewayMetrics>;

/** Seconds; the first bounds are where an answer through the gateway usually is. */
export const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function gatewayMetrics(metrics: Metrics) {
  /** What is counted with every request is counted in plain numbers. */
  const tally = (kind: 'counter' | 'gauge', name: string, help: string): Tally => {
    const counted = new Tally();
    metrics.collected(kind, name, help, () => [{ labels: {}, value: counted.value }]);
    return counted;
  };
  /** What is counted nowhere until somebody says how. */
  const later = (kind: 'counter' | 'gauge', name: string, help: string): { collect(from: () => Iterable<CollectedValue>): void } => {
    let collect: () => Iterable<CollectedValue> = () => [];
    metrics.collected(kind, name, help, () => collect());
    return {
      collect: (from) => {
        collect = from;
      },
    };
  };
  return {
    requests: requestSeries(metrics),
    refusals: metrics.counter('burgage_gateway_refusals_total', 'Requests that the gateway answered itself, by code.', ['code']),
    terminations: tallies<Termination>(metrics, 'burgage_gateway_terminations_total', 'How requests and tunnels ended.', 'reason'),
    bytes: tallies<'in' | 'out'>(
      metrics,
      'burgage_gateway_body_bytes_total',
      'Bytes of bodies and tunnels: in from clients, out to them.',
      'direction',
    ),
    waited: metrics.counter(
      'burgage_gateway_requests_held_total',
      "Requests held for the end of their tenant's move, by outcome: served, timed_out, full (not held, too many were), left (by the client).",
      ['outcome'],
    ),
    waiting: metrics.gauge('burgage_gateway_requests_held', "Requests that wait for the end of their tenant's move."),
    inflight: tally('gauge', 'burgage_gateway_requests_in_flight', 'Requests in flight.'),
    tunnels: tally('gauge', 'burgage_gateway_tunnels', 'Open tunnels.'),
    backlog: tally(
      'gauge',
      'burgage_gateway_backlog_bytes',
      'Bytes of answers and tunnels that wait for clients which read more slowly than they come.',
    ),
    connections: tally('gauge', 'burgage_gateway_client_connections', 'Open connections of clients.'),
    connectionsMax: tally('gauge', 'burgage_gateway_client_connections_max', 'Connections of clients that may be open at once.'),
    connectionsShed: tallies<'idle' | 'refused'>(
      metrics,
      'burgage_gateway_client_connections_shed_total',
      'Connections of clients closed because there were too many: idle (made room for a new one), refused (found no room).',
      'which',
    ),
    handshakes: tallies<'full' | 'resumed'>(metrics, 'burgage_gateway_tls_handshakes_total', 'TLS handshakes, full or resumed.', 'kind'),
    handshakeFailures: tallies<HandshakeFailure>(
      metrics,
      'burgage_gateway_tls_handshake_failures_total',
      'TLS handshakes that failed, by reason: no_certificate, protocol, refused (by the client), client_gone, timeout, other.',
      'reason',
    ),
    calmed: tally('counter', 'burgage_gateway_http2_calmed_total', 'HTTP/2 connections closed for resets, pings or settings without end.'),
    proxyHeaderFailures: tallies<ProxyHeaderFailure>(
      metrics,
      'burgage_gateway_proxy_header_failures_total',
      'Connections of trusted proxies without a PROXY protocol header, by reason: malformed, client_gone, timeout.',
      'reason',
    ),
    retries: metrics.counter('burgage_gateway_retries_total', 'Requests sent to a second endpoint.'),
    ejections: metrics.counter('burgage_gateway_ejections_total', 'Endpoints taken out after failures in a row.'),
    cookiesDropped: metrics.counter('burgage_gateway_cookies_dropped_total', 'Cookies of tenants for the domain that all share.'),
    logLinesDropped: metrics.counter('burgage_gateway_access_log_dropped_total', 'Lines of the access log that found no room.'),
    resolves: metrics.counter('burgage_gateway_resolves_total', 'Questions to the registry about one host, by outcome.', ['outcome']),
    loopDelay: metrics.gauge('burgage_gateway_loop_delay_seconds', 'How late the event loop usually was in the last second.'),
    heapShare: metrics.gauge('burgage_gateway_heap_share', 'Of the heap that the process may have, the part in use: 0 to 1.'),
    shedShare: metrics.gauge('burgage_gateway_shed_share', 'Part of all requests that is refused because of overload: 0 to 0.95.'),
    evenShare: metrics.gauge(
      'burgage_gateway_limit_share_even',
      "Part of tenants' limits that is this gateway's where no gateway comes near to them.",
    ),
    sharedTenants: metrics.gauge('burgage_gateway_limit_shares', 'Tenants of whose limits this gateway has a share that follows demand.'),
    hosts: metrics.gauge('burgage_gateway_hosts', 'Hosts in the route table.'),
    tenants: metrics.gauge('burgage_gateway_tenants', 'Tenants in the route table.'),
    revision: metrics.gauge('burgage_gateway_revision', 'Revision of the routes that is applied.'),
    inSync: metrics.gauge('burgage_gateway_in_sync', '1 while the routes are those of the registry.'),
    workers: later('gauge', 'burgage_gateway_workers', 'Workers that serve, where there are several.'),
    workersReplaced: metrics.counter('burgage_gateway_workers_replaced_total', 'Workers that ended or stood still, and were replaced.'),
    workerConnections: later(
      'gauge',
      'burgage_gateway_worker_connections',
      'Open connections of clients by worker, where there are several.',
    ),
    snapshotHeld: metrics.gauge('burgage_gateway_snapshot_held', '1 while a snapshot waits for an operator.'),
  };
}

/** The series of requests by tenant label; those of a label are made when it is first used. */
export interface RequestSeriesByLabel {
  of(label: string): RequestSeries;
  /** Takes them out. */
  forget(label: string): void;
}

function requestSeries(metrics: Metrics): RequestSeriesByLabel {
  const byLabel = new Map<string, RequestSeries>();
  metrics.collected('counter', 'burgage_gateway_requests_total', 'Requests answered, by tenant and class of status.', function* () {
    for (const [tenant, { statuses }] of byLabel) {
      for (const [index, status] of statusClasses.entries()) {
        const value = statuses[index] ?? 0;
        if (value > 0) yield { labels: { tenant, status }, value };
      }
    }
  });
  const duration = 'burgage_gateway_request_duration_seconds';
  metrics.collected('histogram', duration, 'From the head of a request to the end of its answer.', function* () {
    for (const [tenant, series] of byLabel) yield* histogramValues(duration, tenant, series);
  });
  return {
    of(label) {
      let series = byLabel.get(label);
      if (series === undefined) {
        series = new RequestSeries(durationBuckets);
        byLabel.set(label, series);
      }
      return series;
    },
    forget: (label) => void byLabel.delete(label),
  };
}

function* histogramValues(name: string, tenant: string, { buckets, secondsSum }: RequestSeries): Generator<CollectedValue> {
  let count = 0;
  for (const [index, le] of [...durationBuckets, '+Inf'].entries()) {
    count += buckets[index] ?? 0;
    yield { metricName: `${name}_bucket`, labels: { tenant, le }, value: count };
  }
  yield { metricName: `${name}_sum`, labels: { tenant }, value: secondsSum };
  yield { metricName: `${name}_count`, labels: { tenant }, value: count };
}

/** A counter by one label with few values. */
function tallies<Value extends string>(metrics: Metrics, name: string, help: string, label: string): { of(value: Value): Tally } {
  const byValue = new Map<Value, Tally>();
  metrics.collected('counter', name, help, function* () {
    for (const [value, counted] of byValue) yield { labels: { [label]: value }, value: counted.value };
  });
  return {
    of(value) {
      let counted = byValue.get(value);
      if (counted === undefined) {
        counted = new Tally();
        byValue.set(value, counted);
      }
      return counted;
    },
  };
}
