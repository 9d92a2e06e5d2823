// The registry as one object: wires its domain to the store, the events and gRPC.
import type { Events } from '@burgage/events';
import { createRpcServer } from '@burgage/rpc';
import { type Clock, type Component, type Logger, type Metrics, type Random, systemClock, systemRandom } from '@burgage/runtime';
import { createOutboxRelay, type Store } from '@burgage/store';
import type { Catalog } from '@burgage/tenancy';
import { openDocuments } from './adapters/documents.ts';
import { outboxHandlers } from './adapters/outbox.ts';
import { createRoutePublisher } from './adapters/publisher.ts';
import { createGateways } from './gateways.ts';
import { registryHandlers } from './handlers.ts';
import { createJournalKeeper } from './journal-keeper.ts';
import { registryMetrics } from './metrics.ts';
import { createPlacement } from './placement.ts';
import { createRouteFeed } from './route-feed.ts';
import { routeSnapshot } from './snapshot.ts';
import { createTenants } from './tenants.ts';

export interface RegistryServiceOptions {
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  /** The registry's own; whoever opened it closes it. */
  readonly store: Store;
  readonly events: Events;
  /** The plans that tenants sign up to. */
  readonly catalog: Catalog;
  /** What tenants' subdomains hang below: `example.com`. */
  readonly baseDomain: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Route changes that stay in the journal; a gateway further behind gets a snapshot. Default 100,000: minutes of the heaviest churn, about 40 MB. */
  readonly journalEntriesKept?: number;
}

const defaults = {
  journalEntriesKept: 100_000,
  /** Trimming costs one range delete: often enough that the journal never holds much more than it should. */
  journalTrimIntervalMs: 5_000,
  /** A page of documents is a batch of a snapshot. */
  snapshotPageSize: 500,
} as const;

/** The registry, ready to start. It takes calls from `start` on; drained, it ends the streams of its gateways, which then look for another. */
export function createRegistryService(options: RegistryServiceOptions): Component & { address(): string } {
  const {
    address,
    store,
    events,
    catalog,
    baseDomain,
    logger,
    clock = systemClock,
    random = systemRandom,
    journalEntriesKept = defaults.journalEntriesKept,
  } = options;
  const metrics = registryMetrics(options.metrics);
  const documents = openDocuments(store);
  const { routes } = documents;
  const relay = createOutboxRelay({
    documents: [documents.tenants, documents.hosts, documents.upstreams, documents.platformRoutes],
    handlers: outboxHandlers(routes, events),
    logger,
    clock,
  });
  const keeper = createJournalKeeper({
    routes,
    entriesKept: journalEntriesKept,
    intervalMs: defaults.journalTrimIntervalMs,
    metrics,
    logger,
    clock,
  });
  const publisher = createRoutePublisher(relay, routes);
  const placement = createPlacement({ documents, baseDomain, clock, random, publisher });
  const server = createRpcServer({
    address,
    services: [
      registryHandlers({
        tenants: createTenants({ documents, catalog, clock, random, publisher, placement }),
        placement,
        feed: createRouteFeed({
          journal: routes,
          snapshot: () => routeSnapshot(documents, defaults.snapshotPageSize),
          clock,
          observer: metrics,
        }),
        gateways: createGateways(clock, (count) => metrics.gatewaysConnected.set(count)),
        routes,
        metrics,
        logger,
      }),
    ],
    logger,
    metrics: options.metrics,
    clock,
  });

  return {
    name: 'registry',
    address: () => server.address(),
    async start() {
      await relay.start();
      await keeper.start();
      await server.start();
    },
    drain: () => server.drain(),
    async stop() {
      await server.stop();
      await keeper.stop();
      await relay.stop();
    },
  };
}
