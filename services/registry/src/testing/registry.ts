// A registry for tests: real SQLite in a folder of its own, real gRPC over a Unix socket.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryService } from '@burgage/contracts';
import { type Events, openEmbeddedEvents } from '@burgage/events';
import { createRpcClient, type RpcClient } from '@burgage/rpc';
import { createLogger, createMetrics, type Metrics } from '@burgage/runtime';
import { openSqliteStore, type Store } from '@burgage/store';
import type { RegistryDocuments } from '../adapters/documents.ts';
import { openDocuments } from '../adapters/documents.ts';
import { createRegistryService, type RegistryServiceOptions } from '../service.ts';
import { testCatalog } from './catalog.ts';

export interface TestRegistry {
  readonly address: string;
  readonly client: RpcClient<typeof RegistryService>;
  readonly store: Store;
  readonly events: Events;
  readonly documents: RegistryDocuments;
  readonly metrics: Metrics;
  stop(): Promise<void>;
}

export interface TestFolder {
  readonly path: string;
  openStore(): Promise<Store>;
  /** Any number of registries may be started, one after the other or at once. */
  start(options?: Partial<RegistryServiceOptions>): Promise<TestRegistry>;
  /** Stops what was started and removes the folder. */
  remove(): Promise<void>;
}

export const quiet = createLogger({ service: 'registry', level: 'silent' });

export async function testFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'burgage-registry-'));
  const stops: (() => Promise<void>)[] = [];
  let sockets = 0;
  const openStore = (): Promise<Store> => openSqliteStore({ file: join(path, 'registry.sqlite') });
  return {
    path,
    openStore,
    async start(options = {}) {
      const store = options.store ?? (await openStore());
      const events = options.events ?? (await openEmbeddedEvents({ file: join(path, 'events.sqlite'), logger: quiet }));
      const metrics = createMetrics();
      const address = `unix:${join(path, `registry-${sockets++}.sock`)}`;
      const service = createRegistryService({
        address,
        store,
        events,
        catalog: testCatalog,
        baseDomain: 'localhost',
        logger: quiet,
        metrics,
        ...options,
      });
      await service.start();
      const client = createRpcClient(RegistryService, { address });
      let stopped: Promise<void> | undefined;
      const stop = (): Promise<void> => {
        stopped ??= (async () => {
          await client.close();
          await service.stop();
          if (!options.events) await events.close();
          if (!options.store) await store.close();
        })();
        return stopped;
      };
      stops.push(stop);
      return { address, client, store, events, documents: openDocuments(store), metrics, stop };
    },
    async remove() {
      for (const stop of stops) await stop();
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** A request that is fine, for a key. */
export function tenantRequest(idempotencyKey: string, more: { company?: string; plan?: string; ownerEmail?: string; slug?: string } = {}) {
  return { idempotencyKey, company: 'Acme', plan: 'trial', ownerEmail: 'owner@acme.test', ...more };
}

/** Looks until `done`, at most ten seconds. */
export async function eventually(done: () => boolean | Promise<boolean>): Promise<void> {
  const endsAtMs = performance.now() + 10_000;
  while (!(await done())) {
    if (performance.now() > endsAtMs) throw new Error('it did not happen within ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
