// The registry as one object: wires its domain to the store, the events and gRPC.
import type { Events } from '@burgage/events';
import { createRpcServer, type TlsIdentity } from '@burgage/rpc';
import { type Clock, type Component, type Logger, type Metrics, type Random, systemClock, systemRandom } from '@burgage/runtime';
import { createOutboxRelay, type Store } from '@burgage/store';
import type { Catalog } from '@burgage/tenancy';
import { openDocuments } from './adapters/documents.ts';
import { outboxHandlers } from './adapters/outbox.ts';
import { createRoutePublisher } from './adapters/publisher.ts';
import { createGateways } from './gateways.ts';
import { registryHandlers } from './handlers.ts';
import { routeReader } from './host-resolver.ts';
import { createJournalKeeper } from './journal-keeper.ts';
import { createLimitShares } from './limit-shares.ts';
import { registryMetrics } from './metrics.ts';
import { createPlacement } from './placement.ts';
import { createRouteCache } from './route-cache.ts';
import { createRouteFeed, type RouteFeedObserver } from './route-feed.ts';
import { routeSnapshot } from './snapshot.ts';
import { createTenants } from './tenants.ts';

export interface RegistryServiceOptions {
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  /** Needed where the address is one of TCP. */
  readonly tls?: TlsIdentity | undefined;
  /** The registry's own; whoever opened it closes it. */
  readonly store: Store;
  readonly events: Events;
  /** The plans that tenants sign up to. */
  readonly catalog: Catalog;
  /** What tenants' subdomains hang below: `example.com`. */
  readonly baseDomain: string;
  /** Off: every plan gives the isolation `pool`, whatever it says. Default on. */
  readonly dedicated?: boolean;
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
    dedicated = true,
    logger,
    clock = systemClock,
    random = systemRandom,
    journalEntriesKept = defaults.journalEntriesKept,
  } = options;
  const metrics = registryMetrics(options.metrics);
  const documents = openDocuments(store);
  const { routes } = documents;
  const cache = createRouteCache({ journal: routes, load: routeReader(documents), clock, logger });
  const relay = createOutboxRelay({
    documents: [documents.tenants, documents.hosts, documents.upstreams, documents.platformRoutes],
    handlers: outboxHandlers(routes, events, (entries) => cache.written(entries)),
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
  const gateways = createGateways({
    documents: documents.gateways,
    clock,
    random,
    logger,
    changed: (count) => metrics.gatewaysConnected.set(count),
  });
  const shares = createLimitShares({
    documents: documents.limitLedgers,
    gateways,
    clock,
    logger,
    changed: (limits) => metrics.limitsFollowed.set(limits),
  });
  const restoreFound: RouteFeedObserver['restoreFound'] = ({ seen, from, epoch }) => {
    metrics.restoresFound.inc();
    logger.error(
      { seenEpoch: seen.epoch, seenRevision: seen.revision, from, epoch },
      'an older copy of the store was restored: gateways have seen more than it holds; the routes begin a new epoch and every gateway gets a snapshot. Changes made after the copy are gone: make them again',
    );
  };
  const server = createRpcServer({
    address,
    tls: options.tls,
    services: [
      registryHandlers({
        tenants: createTenants({ documents, catalog, dedicated, clock, random, publisher, placement }),
        placement,
        feed: createRouteFeed({
          journal: routes,
          snapshot: () => routeSnapshot(documents, defaults.snapshotPageSize),
          clock,
          observer: { ...metrics, restoreFound },
        }),
        gateways,
        shares,
        routes,
        cache,
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
      await cache.start();
      await shares.start();
      await server.start();
    },
    drain: () => server.drain(),
    async stop() {
      await server.stop();
      await shares.stop();
      await gateways.settled();
      await cache.stop();
      await keeper.stop();
      await relay.stop();
    },
  };
}
