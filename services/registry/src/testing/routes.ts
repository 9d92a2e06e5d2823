// Documents and journal of a registry without its relay: a test decides what is appended, when, and how often.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Journal, type JournalHead, openSqliteStore } from '@burgage/store';
import { ok, type RouteEntry } from '@burgage/tenancy';
import { openDocuments, put, type RegistryDocuments } from '../adapters/documents.ts';
import { routeItem } from '../adapters/outbox.ts';
import { hostEntry } from '../domain/host.ts';

export interface TestRoutes {
  readonly documents: RegistryDocuments;
  readonly routes: Journal;
  /** Changes a host as the registry does; answers with the entry that is to be appended. */
  setHost(host: string, tenantId: string | null): Promise<RouteEntry>;
  append(...entries: RouteEntry[]): Promise<JournalHead>;
  setAndAppend(host: string, tenantId: string | null): Promise<JournalHead>;
  /** No hosts, an empty journal, a new epoch. */
  clear(): Promise<void>;
  /** The store as it is at this moment, as a store of its own. */
  copy(): Promise<TestRoutes>;
  /** The same store as another process has it. */
  again(): Promise<TestRoutes>;
  /** With all that came of it. */
  close(): Promise<void>;
}

export async function testRoutes(): Promise<TestRoutes> {
  const folder = await mkdtemp(join(tmpdir(), 'burgage-routes-'));
  let copies = 0;
  const closers: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];

  async function openAt(file: string): Promise<TestRoutes> {
    const store = await openSqliteStore({ file });
    closers.unshift(() => store.close());
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
      async copy() {
        const copied = join(folder, `copy-${copies++}.sqlite`);
        using source = new DatabaseSync(file);
        source.prepare('VACUUM INTO ?').run(copied);
        return await openAt(copied);
      },
      again: () => openAt(file),
      async close() {
        for (const close of closers.splice(0)) await close();
      },
    };
  }

  return await openAt(join(folder, 'registry.sqlite'));
}
