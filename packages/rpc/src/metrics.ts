// Every metric of servers and clients.
import type { DescMethod } from '@bufbuild/protobuf';
import type { ErrorCode } from '@burgage/contracts';
import type { Metrics } from '@burgage/runtime';
import { durationBuckets } from './defaults.ts';

/** Records one call that has ended: `code` is `ok` or a code of the catalogue. */
export type ObserveCall = (method: DescMethod, code: ErrorCode | 'ok', durationMs: number) => void;

export function serverCalls(metrics: Metrics): ObserveCall {
  return calls(metrics, 'burgage_rpc_server_seconds', 'Time from the arrival of a call to its end, by service, method and code.');
}

export function clientCalls(metrics: Metrics): ObserveCall {
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

function calls(metrics: Metrics, name: string, help: string): ObserveCall {
  const histogram = metrics.histogram(name, help, durationBuckets, ['service', 'method', 'code']);
  return (method, code, durationMs) =>
    histogram.observe({ service: method.parent.typeName, method: method.name, code }, durationMs / 1_000);
}
