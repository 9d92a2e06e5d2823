// The registry as a process of its own: reads its settings, opens its store and the events, runs until it is told to stop.
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { openEmbeddedEvents } from '@burgage/events';
import { runService } from '@burgage/runtime';
import { openSqliteStore } from '@burgage/store';
import { loadCatalog, normalizeHost, unwrap } from '@burgage/tenancy';
import { z } from 'zod';
import { createRegistryService } from './service.ts';

await runService({
  name: 'registry',
  settings: {
    data: {
      flag: 'data',
      env: 'BURGAGE_DATA',
      schema: z.string().min(1),
      default: '.burgage',
      description: 'Folder that holds the store and the events',
    },
    address: {
      flag: 'address',
      env: 'BURGAGE_REGISTRY_ADDRESS',
      schema: z.string().min(1).optional(),
      description: 'Where gRPC is served, unix:/path or host:port; without it the socket run/registry.sock in the data folder',
    },
    catalog: {
      flag: 'catalog',
      env: 'BURGAGE_CATALOG',
      schema: z.string().min(1),
      default: 'litedesk',
      description: 'Catalog that tenants sign up to: a name or a file',
    },
    baseDomain: {
      flag: 'base-domain',
      env: 'BURGAGE_BASE_DOMAIN',
      schema: z.string().refine((text) => normalizeHost(text).ok, { error: 'expected a domain name' }),
      default: 'localhost',
      description: "Domain that tenants' subdomains hang below",
    },
    journalEntriesKept: {
      flag: 'journal-kept',
      env: 'BURGAGE_JOURNAL_KEPT',
      schema: z.coerce.number().int().min(1_000),
      default: '100000',
      description: 'Route changes that stay readable; a gateway further behind gets a snapshot',
    },
  },
  async build(settings, { logger, metrics, opened }) {
    const catalog = await loadCatalog(settings.catalog, join(import.meta.dirname, '../../../catalogs'));
    const data = resolve(settings.data);
    const folders = { store: await folder(data, 'store'), run: await folder(data, 'run') };
    const store = opened.adopt(await openSqliteStore({ file: join(folders.store, 'registry.sqlite') }), (closing) => closing.close());
    const events = opened.adopt(await openEmbeddedEvents({ file: join(data, 'events.sqlite'), logger }), (closing) => closing.close());
    return createRegistryService({
      address: settings.address ?? `unix:${join(folders.run, 'registry.sock')}`,
      store,
      events,
      catalog,
      baseDomain: unwrap(normalizeHost(settings.baseDomain)),
      logger,
      metrics,
      journalEntriesKept: settings.journalEntriesKept,
    });
  },
});

async function folder(data: string, name: string): Promise<string> {
  const path = join(data, name);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  } catch (cause) {
    throw new BurgageError('config_invalid', {
      message: `--data: the folder ${path} cannot be made (${(cause as NodeJS.ErrnoException).code})`,
      cause,
    });
  }
}
