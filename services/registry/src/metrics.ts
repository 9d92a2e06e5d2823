// Every metric of the registry.
import type { Metrics } from '@burgage/runtime';
import type { RouteFeedObserver } from './route-feed.ts';

export interface RegistryMetrics extends Omit<RouteFeedObserver, 'restoreFound'> {
  readonly restoresFound: { inc(): void };
  readonly tenantsCreated: { inc(): void };
  readonly transitions: { inc(labels: { state: string }): void };
  readonly gatewaysConnected: { set(count: number): void };
  readonly limitsFollowed: { set(count: number): void };
  readonly journalHead: { set(revision: number): void };
  readonly journalEntries: { set(count: number): void };
}

export function registryMetrics(metrics: Metrics): RegistryMetrics {
  const sent = metrics.counter('burgage_registry_route_entries_sent_total', 'Route entries sent to gateways, in snapshots or as deltas.', [
    'kind',
  ]);
  const snapshots = metrics.counter('burgage_registry_route_snapshots_sent_total', 'Complete snapshots of the routes sent to gateways.');
  const slow = metrics.counter(
    'burgage_registry_route_messages_slow_total',
    'Messages that a gateway took longer than five seconds to take.',
  );
  return {
    restoresFound: metrics.counter(
      'burgage_registry_restores_found_total',
      'Times that the store turned out to be an older copy than what a gateway had seen, and the routes began anew.',
    ),
    tenantsCreated: metrics.counter('burgage_registry_tenants_created_total', 'Tenants created.'),
    transitions: metrics.counter(
      'burgage_registry_tenant_transitions_total',
      'Transitions of tenants that were answered, by the state asked for.',
      ['state'],
    ),
    gatewaysConnected: metrics.gauge('burgage_registry_gateways_connected', 'Gateways connected to this registry.'),
    limitsFollowed: metrics.gauge('burgage_registry_limits_followed', 'Limits of tenants that gateways share by demand, and not evenly.'),
    journalHead: metrics.gauge('burgage_registry_routes_revision', 'Newest revision of the routes that this registry has seen.'),
    journalEntries: metrics.gauge('burgage_registry_routes_journal_entries', 'Entries that the journal of the routes keeps.'),
    snapshotSent(entries) {
      snapshots.inc();
      sent.inc({ kind: 'snapshot' }, entries);
    },
    deltasSent: (entries) => sent.inc({ kind: 'delta' }, entries),
    slow: () => slow.inc(),
  };
}
