// Two replicas of the registry on one store, one of which can be behind, and what can happen to that store.
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type GatewayStatus, RegistryService } from '@burgage/contracts';
import { type Events, openEmbeddedEvents } from '@burgage/events';
import { createRegistryService } from '@burgage/registry';
import { openDocuments, type RegistryDocuments } from '@burgage/registry/documents';
import { createRpcClient, type RpcClient } from '@burgage/rpc';
import { type Clock, createLogger, createMetrics, type Random } from '@burgage/runtime';
import { type Journal, type JournalHead, type Json, openSqliteStore, type Store } from '@burgage/store';
import type { Catalog } from '@burgage/tenancy';
import { replicaStore, type StoreFaults, View } from './replica-store.ts';
import { type History, RouteLog, truthOf } from './route-log.ts';

const logger = createLogger({ service: 'registry', level: 'silent' });

const catalog: Catalog = {
  name: 'test',
  title: 'Test',
  currency: 'USD',
  app: { name: 'desk', entry: '/nowhere', readyPath: '/readyz' },
  plans: {
    trial: {
      title: 'Trial',
      priceMinor: 0,
      isolation: 'pool',
      trialDays: 15,
      limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 1_048_576 },
      features: ['contacts'],
    },
    paid: {
      title: 'Paid',
      priceMinor: 9_900,
      isolation: 'bridge',
      limits: { requestsPerSecond: 50, concurrency: 50, bodyBytesMax: 1_048_576 },
      features: ['contacts', 'export'],
    },
  },
};

/** Longer than any call takes here: one that is given up would go on in the registry, beside the next for the same tenant. */
const timeoutMs = 20_000;

export type ReplicaName = 'leading' | 'lagging';

interface Replica {
  readonly socket: string;
  readonly view: View;
  running: { readonly store: Store; readonly service: ReturnType<typeof createRegistryService> } | undefined;
}

export interface WatchedRegistryOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly violated: (sentence: string) => void;
}

export class WatchedRegistry {
  readonly log = new RouteLog();
  readonly faults: StoreFaults = { relay: 'works', beforeRead: async () => {} };
  /** Calls go to the leading replica; it alone decides by what is true now. */
  readonly client: RpcClient<typeof RegistryService> & { close(): Promise<void> };
  readonly #laggingClient: RpcClient<typeof RegistryService> & { close(): Promise<void> };
  readonly #options: WatchedRegistryOptions;
  readonly #events: Events;
  readonly #replicas: Readonly<Record<ReplicaName, Replica>>;
  readonly #views: Promise<Store>[] = [];
  /** What was ever relayed into the store as it is now: all that can be relayed again. */
  #relayed: Json[] = [];
  #backup: { readonly file: string; readonly relayed: readonly Json[]; readonly history: History } | undefined;
  #restores = 0;
  #copies = 0;

  private constructor(options: WatchedRegistryOptions, events: Events) {
    const replica = (name: string): Replica => ({ socket: join(options.folder, `${name}.sock`), view: new View(), running: undefined });
    this.#options = options;
    this.#events = events;
    this.#replicas = { leading: replica('leading'), lagging: replica('lagging') };
    this.client = createRpcClient(RegistryService, { address: `unix:${this.#replicas.leading.socket}`, timeoutMs });
    this.#laggingClient = createRpcClient(RegistryService, { address: `unix:${this.#replicas.lagging.socket}`, timeoutMs });
  }

  static async open(options: WatchedRegistryOptions): Promise<WatchedRegistry> {
    const events = await openEmbeddedEvents({ file: join(options.folder, 'events.sqlite'), logger });
    const registry = new WatchedRegistry(options, events);
    await registry.#start('leading');
    await registry.#start('lagging');
    registry.log.begin((await registry.routes.head()).epoch, new Map());
    return registry;
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#laggingClient.close();
    await this.#stop('leading');
    await this.#stop('lagging');
    for (const store of this.#views) await (await store).close();
    await this.#events.close();
  }

  /** What is true now. */
  get documents(): RegistryDocuments {
    return openDocuments(this.#live);
  }

  get routes(): Journal {
    return this.#live.journal('routes');
  }

  socketOf(name: ReplicaName): string {
    return this.#replicas[name].socket;
  }

  /** The gateways of both replicas, as one of them knows them. */
  async listGateways(name: ReplicaName = 'leading'): Promise<readonly GatewayStatus[]> {
    return (await (name === 'leading' ? this.client : this.#laggingClient).listGateways({})).gateways;
  }

  /** Ends the streams of the replica's gateways and starts it anew. */
  async restart(name: ReplicaName): Promise<void> {
    await this.#replicas[name].running?.service.drain?.();
    await this.#stop(name);
    await this.#start(name);
  }

  /** From now on the lagging replica shows the routes as they are at this moment. */
  fallBehind(): void {
    const copy = this.#open(this.#copy());
    // Closed at the end: streams may go on reading from it after it is shown no more.
    this.#views.push(copy);
    this.#replicas.lagging.view.show(copy);
  }

  catchUp(): void {
    this.#replicas.lagging.view.show(undefined);
  }

  /** Puts some of what was relayed before into the journal once more. */
  async repeat(count: number): Promise<void> {
    const values = Array.from({ length: count }, () => this.#relayed[Math.floor(this.#options.random.float() * this.#relayed.length)]);
    const again = values.filter((value) => value !== undefined);
    this.#appended(await this.routes.append(again), again);
  }

  async trim(entriesKept: number): Promise<void> {
    await this.routes.trim(Math.max((await this.routes.head()).revision - entriesKept, 0));
  }

  /** A new epoch of the journal; the documents stay. */
  async reset(): Promise<void> {
    await this.#reset(this.routes, {});
  }

  backUp(): void {
    this.#backup = { file: this.#copy(), relayed: [...this.#relayed], history: this.log.copy() };
  }

  /** Puts the copy in the store's place as an operator does: with the registry stopped, and nothing else. */
  async restore(): Promise<void> {
    if (this.#backup === undefined) return;
    await this.#stop('leading');
    await this.#stop('lagging');
    this.catchUp();
    for (const suffix of ['', '-wal', '-shm']) await rm(this.#file + suffix, { force: true });
    await copyFile(this.#backup.file, this.#file);
    this.#relayed = [...this.#backup.relayed];
    this.log.restored(this.#backup.history);
    this.#restores += 1;
    await this.#start('leading');
    await this.#start('lagging');
  }

  async #reset(journal: Journal, options: Parameters<Journal['reset']>[0] = {}): Promise<JournalHead> {
    if (options.from !== undefined && this.#restores === 0)
      this.#options.violated(`the registry left the epoch ${options.from} though nothing was restored`);
    const base = await truthOf(this.documents);
    const head = await journal.reset(options);
    this.log.begin(head.epoch, base);
    return head;
  }

  get #file(): string {
    return join(this.#options.folder, 'registry.sqlite');
  }

  get #live(): Store {
    const { running } = this.#replicas.leading;
    if (running === undefined) throw new Error('the leading replica does not run');
    return running.store;
  }

  #open(file: string): Promise<Store> {
    const { clock, random } = this.#options;
    return openSqliteStore({ file, clock, random });
  }

  /** The store as it is now, in another file. */
  #copy(): string {
    const copy = `${this.#file}.copy-${this.#copies++}`;
    using source = new DatabaseSync(this.#file);
    source.prepare('VACUUM INTO ?').run(copy);
    return copy;
  }

  #appended(head: JournalHead, values: readonly Json[]): void {
    this.log.appended(head, values);
    this.#relayed.push(...values.filter((value) => value !== null));
  }

  async #start(name: ReplicaName): Promise<void> {
    const { clock, random } = this.#options;
    const replica = this.#replicas[name];
    const live = await this.#open(this.#file);
    const appended = (head: JournalHead, values: readonly Json[]): void => this.#appended(head, values);
    const service = createRegistryService({
      address: `unix:${replica.socket}`,
      store: replicaStore({
        live,
        faults: this.faults,
        view: replica.view,
        clock,
        appended,
        reset: (journal, options) => this.#reset(journal, options),
      }),
      events: this.#events,
      catalog,
      baseDomain: 'test',
      logger,
      metrics: createMetrics(),
      clock,
      random,
    });
    await service.start();
    replica.running = { store: live, service };
  }

  async #stop(name: ReplicaName): Promise<void> {
    const replica = this.#replicas[name];
    const { running } = replica;
    replica.running = undefined;
    await running?.service.stop();
    await running?.store.close();
  }
}
