// The registry as a process of its own: reads its settings, opens its store and the events, runs until it is told to stop.
import { join, resolve } from 'node:path';
import { eventsSettings, openEvents } from '@burgage/events';
import { listenAddressFrom, tlsFrom, tlsSettings } from '@burgage/rpc';
import { defineSettings, type Logger, privateFolder, runService, wholeNumber } from '@burgage/runtime';
import { openStore, type StorePlace, storeSettings, upgradeAndSay, upgradeSettings } from '@burgage/store';
import { dedicatedSetting, loadCatalog, normalizeHost, unwrap } from '@burgage/tenancy';
import { z } from 'zod';
import { documentTypes } from './adapters/documents.ts';
import { createRegistryService } from './service.ts';

const registrySettings = defineSettings({
  data: {
    flag: 'data',
    env: 'BURGAGE_DATA',
    schema: z.string().min(1),
    default: '.burgage',
    description: 'Folder of the sockets, and of store and events where no address of theirs is given',
  },
  ...storeSettings,
  ...upgradeSettings,
  ...eventsSettings,
  ...tlsSettings,
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
  dedicated: dedicatedSetting,
  journalEntriesKept: {
    flag: 'journal-kept',
    env: 'BURGAGE_JOURNAL_KEPT',
    schema: wholeNumber('expected 1000 or more', 1_000, Number.MAX_SAFE_INTEGER),
    default: '100000',
    description: 'Route changes that stay readable; a gateway further behind gets a snapshot',
  },
});

await runService({
  name: 'registry',
  settings: registrySettings,
  instead: { upgrade: (settings, { logger }) => upgradeAndSay(storePlace(settings, logger), documentTypes) },
  async build(settings, { logger, metrics, opened }) {
    const catalog = await loadCatalog(settings.catalog, join(import.meta.dirname, '../../../catalogs'));
    const at = (...parts: string[]): string => join(resolve(settings.data), ...parts);
    const tls = await tlsFrom(settings, { logger, service: 'registry' });
    const socket = async (): Promise<string> => `unix:${join(await privateFolder('data', at('run')), 'registry.sock')}`;
    const address = await listenAddressFrom(registrySettings.address, settings.address ?? (await socket()), tls);
    const store = opened.adopt(await openStore(storePlace(settings, logger)), (closing) => closing.close());
    const { events: url, eventsReplicas: replicas } = settings;
    const events = opened.adopt(await openEvents({ url, replicas, file: at('events.sqlite'), logger }), (closing) => closing.close());
    return createRegistryService({
      address,
      tls,
      store,
      events,
      catalog,
      baseDomain: unwrap(normalizeHost(settings.baseDomain)),
      logger,
      metrics,
      dedicated: settings.dedicated,
      journalEntriesKept: settings.journalEntriesKept,
    });
  },
});

function storePlace({ store: url, data }: { readonly store?: string | undefined; readonly data: string }, logger: Logger): StorePlace {
  return { url, database: 'burgage_registry', file: join(resolve(data), 'store', 'registry.sqlite'), logger };
}
