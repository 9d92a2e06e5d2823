// Documents and journal of a registry without its relay: a test decides what is appended, when, and how often.
import type { Journal, JournalHead } from '@burgage/store';
import { ok, type RouteEntry } from '@burgage/tenancy';
import { openDocuments, put, type RegistryDocuments } from '../adapters/documents.ts';
import { routeItem } from '../adapters/outbox.ts';
import { hostEntry } from '../domain/host.ts';
import { testFolder } from './registry.ts';

export interface TestRoutes {
  readonly documents: RegistryDocuments;
  readonly routes: Journal;
  /** Changes a host as the registry does; answers with the entry that is to be appended. */
  setHost(host: string, tenantId: string | null): Promise<RouteEntry>;
  append(...entries: RouteEntry[]): Promise<JournalHead>;
  setAndAppend(host: string, tenantId: string | null): Promise<JournalHead>;
  /** No hosts, an empty journal, a new epoch. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function testRoutes(): Promise<TestRoutes> {
  const folder = await testFolder();
  const store = await folder.openStore();
  const documents = openDocuments(store);
  const { routes, hosts } = documents;

  async function setHost(host: string, tenantId: string | null): Promise<RouteEntry> {
    const value = { host, tenantId };
    const stored = await put(hosts, host, value, { begin: () => [], decide: () => ok(value), outbox: () => [] });
    return hostEntry(stored.value, stored.version);
  }
  const append = (...entries: RouteEntry[]): Promise<JournalHead> => routes.append(entries.map((entry) => routeItem(entry).payload));

  return {
    documents,
    routes,
    setHost,
    append,
    setAndAppend: async (host, tenantId) => append(await setHost(host, tenantId)),
    async clear() {
      for (const { id, version } of (await hosts.list({ pageSize: 1_000 })).items) await hosts.remove(id, version);
      await routes.reset();
    },
    async close() {
      await store.close();
      await folder.remove();
    },
  };
}
