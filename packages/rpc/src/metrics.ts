// Every metric of servers and clients.
import type { DescMethod } from '@bufbuild/protobuf';
import type { ErrorCode } from '@burgage/contracts';
import type { Metrics } from '@burgage/runtime';
import { durationBuckets } from './defaults.ts';

/** Records one call of a method that has ended: `code` is `ok` or a code of the catalogue. */
export type ObserveCall = (code: ErrorCode | 'ok', durationMs: number) => void;

export function serverCalls(metrics: Metrics): (method: DescMethod) => ObserveCall {
  return calls(metrics, 'burgage_rpc_server_seconds', 'Time from the arrival of a call to its end, by service, method and code.');
}

export function clientCalls(metrics: Metrics): (method: DescMethod) => ObserveCall {
  return calls(
    metrics,
    'burgage_rpc_client_seconds',
    'Time from the beginning of a call to its end, retries included, by service, method and code.',
  );
}

export interface ClientEvents {
  retried(method: DescMethod): void;
  breakerOpen(service: string, open: boolean): void;
}

export function clientEvents(metrics: Metrics): ClientEvents {
  const retries = metrics.counter('burgage_rpc_client_retries_total', 'Tries after the first of a call.', ['service', 'method']);
  const breaker = metrics.gauge('burgage_rpc_client_breaker_open', '1 while calls to the service are refused without being sent.', [
    'service',
  ]);
  return {
    retried: (method) => retries.inc({ service: method.parent.typeName, method: method.name }),
    breakerOpen: (service, open) => breaker.set({ service }, open ? 1 : 0),
  };
}

/** Why a connection was refused. */
export type Refusal = 'no_tls' | 'no_certificate' | 'untrusted_certificate' | 'expired_certificate' | 'no_service_name' | 'broken_off';

export function refusedConnections(metrics: Metrics): (refusal: Refusal) => void {
  const refused = metrics.counter(
    'burgage_rpc_server_refused_connections_total',
    'Connections over TCP that were closed before a call: no TLS, no certificate of the authority, or broken off in the handshake.',
    ['refusal'],
  );
  return (refusal) => refused.inc({ refusal });
}

function calls(metrics: Metrics, name: string, help: string): (method: DescMethod) => ObserveCall {
  const histogram = metrics.histogram(name, help, durationBuckets, ['service', 'method', 'code']);
  return ({ parent, name: method }) => {
    const byCode = new Map<string, ReturnType<typeof histogram.labels>>();
    return (code, durationMs) => {
      let series = byCode.get(code);
      if (series === undefined) {
        series = histogram.labels({ service: parent.typeName, method, code });
        byCode.set(code, series);
      }
      series.observe(durationMs / 1_000);
    };
  };
}
