// The provisioner as one object: wires operations to their store, their drivers and the registry.
import type { RegistryService } from '@burgage/contracts';
import { type Events, eventFromOutbox, handling, type Subscription } from '@burgage/events';
import { createRpcServer, type RpcClient, type TlsIdentity } from '@burgage/rpc';
import type { Clock, Component, Logger, Metrics, Random } from '@burgage/runtime';
import type { Store } from '@burgage/store';
import { createRegistryTenants } from './adapters/registry-tenants.ts';
import { operationDefinitions } from './domain/operations/index.ts';
import { createKit } from './domain/operations/kit.ts';
import type { Infrastructure } from './domain/ports.ts';
import { Reconciler } from './engine/reconciler.ts';
import { OperationRepository } from './engine/repository.ts';
import { Sweeper } from './engine/sweeper.ts';
import { Worker } from './engine/worker.ts';
import { provisionerHandlers } from './handlers.ts';
import { provisionerMetrics } from './metrics.ts';
import { Operations } from './operations.ts';
import { Possessions } from './possessions.ts';

export { embeddedDrivers } from './adapters/embedded.ts';
export { archiveKeyFrom } from './adapters/folder-archives.ts';

export interface ProvisionerOptions {
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  /** Needed where the address is one of TCP. */
  readonly tls?: TlsIdentity | undefined;
  readonly store: Store;
  readonly events: Events;
  readonly registry: RpcClient<typeof RegistryService>;
  /** The drivers; tenants are the registry's. */
  readonly drivers: Omit<Infrastructure, 'tenants'>;
  /** The upstream that serves tenants in the shared app. */
  readonly sharedUpstream: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  /** The same after a restart, never shared by two provisioners that live. */
  readonly workerName: string;
  /** New at every start. */
  readonly boot: string;
  /** Whether tenants may get databases and processes of their own; default true. */
  readonly dedicated?: boolean | undefined;
  readonly concurrency?: number;
  readonly leaseMs?: number;
}

/** Why these: a lease outlives a pause of the process and two missed renewals; the rest are backstops for lost doorbells. */
const defaults = { concurrency: 16, leaseMs: 10_000, pollMs: 250, sweepMs: 5_000, reconcileMs: 30_000 } as const;

export interface ProvisionerServiceComponent extends Component {
  address(): string;
}

export function createProvisionerService(options: ProvisionerOptions): ProvisionerServiceComponent {
  const { store, events, registry, drivers, sharedUpstream, logger, clock, random } = options;
  const metrics = provisionerMetrics(options.metrics);
  const tenants = createRegistryTenants(registry);
  const infrastructure: Infrastructure = { ...drivers, tenants };
  const kit = createKit({ infrastructure, sharedUpstream, clock });
  const definitions = operationDefinitions({ infrastructure, sharedUpstream, clock }, kit);

  const repository = new OperationRepository({
    store,
    clock,
    random,
    logger,
    publish: async (items) => {
      for (const item of items) await events.publish(eventFromOutbox(item.payload));
    },
  });

  const operations = new Operations({ repository, tenants, definitions, clock, metrics, dedicated: options.dedicated ?? true });
  const possessions = new Possessions({ infrastructure, repository, sharedUpstream });

  const worker = new Worker({
    repository,
    definitions,
    clock,
    random,
    logger,
    metrics,
    name: options.workerName,
    boot: options.boot,
    concurrency: options.concurrency ?? defaults.concurrency,
    leaseMs: options.leaseMs ?? defaults.leaseMs,
    pollMs: defaults.pollMs,
  });
  const sweeper = new Sweeper({
    tenants,
    provision: (tenantId) => operations.provision(tenantId),
    clock,
    logger,
    intervalMs: defaults.sweepMs,
  });
  const reconciler = new Reconciler({
    infrastructure,
    kit,
    sharedUpstream,
    repository,
    clock,
    logger,
    metrics,
    intervalMs: defaults.reconcileMs,
  });
  const server = createRpcServer({
    address: options.address,
    tls: options.tls,
    services: [provisionerHandlers({ repository, operations, possessions })],
    logger,
    metrics: options.metrics,
    clock,
  });
  let subscription: Subscription | undefined;

  return {
    name: 'provisioner',
    address: () => server.address(),
    async start() {
      await repository.relay.start();
      await worker.start();
      await sweeper.start();
      await reconciler.start();
      subscription = await events.subscribe({
        consumer: 'provisioner-requested-tenants',
        ...handling({ 'burgage.registry.tenant.requested': async () => sweeper.ring() }),
      });
      await server.start();
    },
    async drain() {
      await server.drain?.();
      await subscription?.stop();
      await sweeper.stop();
      await reconciler.stop();
      await worker.drain();
    },
    async stop() {
      await server.stop();
      await subscription?.stop();
      await sweeper.stop();
      await reconciler.stop();
      await worker.stop();
      await repository.relay.stop();
    },
  };
}
