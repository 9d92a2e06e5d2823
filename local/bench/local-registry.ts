// A registry within this process, whose journal of routes can be written to at once: as fast as any number of replicas could.
import { join } from 'node:path';
import { openEmbeddedEvents } from '@burgage/events';
import { createRegistryService } from '@burgage/registry';
import { openDocuments } from '@burgage/registry/documents';
import { createLogger, createMetrics } from '@burgage/runtime';
import { type Journal, openSqliteStore } from '@burgage/store';
import { storeFile } from './many-tenants.ts';

const logger = createLogger({ service: 'registry', level: 'warn' });

export class LocalRegistry implements AsyncDisposable {
  /** `unix:/path` */
  readonly address: string;
  readonly routes: Journal;
  readonly #opened: AsyncDisposableStack;

  private constructor(address: string, routes: Journal, opened: AsyncDisposableStack) {
    this.address = address;
    this.routes = routes;
    this.#opened = opened;
  }

  /** On the store of `data`. */
  static async start(data: string): Promise<LocalRegistry> {
    await using opened = new AsyncDisposableStack();
    const store = await openSqliteStore({ file: storeFile(data) });
    opened.defer(() => store.close());
    const events = await openEmbeddedEvents({ file: join(data, 'events.sqlite'), logger });
    opened.defer(() => events.close());
    const address = `unix:${join(data, 'registry.sock')}`;
    // Nobody signs up here.
    const catalog = {
      name: 'bench',
      title: 'Bench',
      currency: 'USD',
      app: { name: 'bench', entry: '/nowhere', readyPath: '/' },
      plans: {},
    };
    const service = createRegistryService({ address, store, events, catalog, baseDomain: 'bench.test', logger, metrics: createMetrics() });
    await service.start();
    opened.defer(() => service.stop());
    return new LocalRegistry(address, openDocuments(store).routes, opened.move());
  }

  /** Its gateways lose it. */
  stop(): Promise<void> {
    return this.#opened.disposeAsync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
