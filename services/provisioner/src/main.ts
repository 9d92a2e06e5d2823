// The provisioner as a process of its own: reads its settings, opens its store, events and drivers, runs until it is told to stop.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { type ContextKeyJwk, createContextIssuer } from '@burgage/app-kit';
import { BurgageError, RegistryService } from '@burgage/contracts';
import { eventsSettings, openEvents } from '@burgage/events';
import { createRpcClient, listenAddressFrom, targetFrom, tlsFrom, tlsSettings } from '@burgage/rpc';
import { defineSettings, type Logger, privateFolder, runService, systemClock, systemRandom } from '@burgage/runtime';
import { openStore, type StorePlace, storeSettings, upgradeAndSay, upgradeSettings } from '@burgage/store';
import { dedicatedSetting, ulid } from '@burgage/tenancy';
import { z } from 'zod';
import { documentTypes } from './domain/tenant-operations.ts';
import { archiveKeyFrom, createProvisionerService, embeddedDrivers } from './service.ts';

const text = z.string().min(1);

const provisionerSettings = defineSettings({
  data: {
    flag: 'data',
    env: 'BURGAGE_DATA',
    schema: text,
    default: '.burgage',
    description: 'Folder of files, mail and sockets, and of store and events where no address of theirs is given',
  },
  ...storeSettings,
  ...upgradeSettings,
  ...eventsSettings,
  ...tlsSettings,
  address: {
    flag: 'address',
    env: 'BURGAGE_PROVISIONER_ADDRESS',
    schema: text.optional(),
    description: 'Where gRPC is served, unix:/path or host:port; without it the socket run/provisioner.sock in the data folder',
  },
  registry: {
    flag: 'registry',
    env: 'BURGAGE_REGISTRY_ADDRESS',
    schema: text.optional(),
    description: 'Where the registry is, several replicas with commas between; without it the socket run/registry.sock in the data folder',
  },
  contextKeys: {
    flag: 'context-keys',
    env: 'BURGAGE_CONTEXT_KEYS',
    schema: text.optional(),
    description: 'File of the keys that sign what the app trusts; without it secrets/context-keys.json in the data folder',
  },
  instances: {
    flag: 'instances',
    env: 'BURGAGE_INSTANCES',
    schema: text.optional(),
    description: 'Folder in which the supervisor looks for what is to run; without it instances in the data folder',
  },
  archives: {
    flag: 'archives',
    env: 'BURGAGE_ARCHIVES',
    schema: text.optional(),
    description: 'Folder of encrypted archives of tenants; without it archives in the data folder',
  },
  archiveKey: {
    flag: 'archive-key',
    env: 'BURGAGE_ARCHIVE_KEY',
    schema: text.optional(),
    description: 'File of the key of archives, 32 bytes in base64url; without it secrets/archive-key in the data folder',
  },
  dedicated: dedicatedSetting,
  upstream: {
    flag: 'upstream',
    env: 'BURGAGE_SHARED_UPSTREAM',
    schema: text,
    default: 'desk-shared',
    description: 'Upstream of the shared app',
  },
  readyPath: {
    flag: 'ready-path',
    env: 'BURGAGE_READY_PATH',
    schema: z.string().startsWith('/'),
    default: '/readyz',
    description: 'Where the app says that it serves a tenant',
  },
  tenantUrl: {
    flag: 'tenant-url',
    env: 'BURGAGE_TENANT_URL',
    schema: z.string().includes('{slug}', { error: 'expected an address with {slug} in it' }),
    default: 'http://{slug}.localhost:8080',
    description: 'Address of a tenant, with {slug} in it',
  },
  worker: {
    flag: 'worker',
    env: 'BURGAGE_WORKER',
    schema: text,
    default: hostname(),
    description: 'Name of this provisioner: the same after a restart, never shared by two that live',
  },
});

await runService({
  name: 'provisioner',
  settings: provisionerSettings,
  instead: { upgrade: (settings, { logger }) => upgradeAndSay(storePlace(settings, logger), documentTypes) },
  async build(settings, { logger, metrics, opened }) {
    const at = (...parts: string[]): string => join(resolve(settings.data), ...parts);
    const keys = await readContextKeys(settings.contextKeys ?? at('secrets', 'context-keys.json'));
    const archiveKey = await archiveKeyFrom(settings.archiveKey ?? at('secrets', 'archive-key'));
    const tls = await tlsFrom(settings, { logger, service: 'provisioner' });
    const socket = async (): Promise<string> => `unix:${join(await privateFolder('data', at('run')), 'provisioner.sock')}`;
    const address = await listenAddressFrom(provisionerSettings.address, settings.address ?? (await socket()), tls);
    const registryAddress = await targetFrom(provisionerSettings.registry, settings.registry ?? `unix:${at('run', 'registry.sock')}`, tls);
    const store = opened.adopt(await openStore(storePlace(settings, logger)), (closing) => closing.close());
    const { events: url, eventsReplicas: replicas } = settings;
    const events = opened.adopt(await openEvents({ url, replicas, file: at('events.sqlite'), logger }), (closing) => closing.close());
    const registry = opened.adopt(
      createRpcClient(RegistryService, { address: registryAddress, tls, peer: 'registry', logger, metrics }),
      (closing) => closing.close(),
    );
    return createProvisionerService({
      address,
      tls,
      store,
      events,
      registry,
      drivers: embeddedDrivers({
        issuer: createContextIssuer(keys, { now: () => systemClock.now() }),
        readyPath: settings.readyPath,
        appFolder: at('apps', settings.upstream),
        appsFolder: at('apps'),
        instancesFolder: settings.instances ?? at('instances'),
        instanceLogsFolder: at('logs', 'instances'),
        filesFolder: at('files'),
        archivesFolder: settings.archives ?? at('archives'),
        archiveKey,
        fencesFolder: at('fences'),
        mailFolder: at('mail'),
        urlOf: (slug) => settings.tenantUrl.replace('{slug}', slug),
        clock: systemClock,
        random: systemRandom,
      }),
      sharedUpstream: settings.upstream,
      dedicated: settings.dedicated,
      logger,
      metrics,
      clock: systemClock,
      random: systemRandom,
      workerName: settings.worker,
      boot: ulid(systemClock, systemRandom),
    });
  },
});

function storePlace({ store: url, data }: { readonly store?: string | undefined; readonly data: string }, logger: Logger): StorePlace {
  return { url, database: 'burgage_provisioner', file: join(resolve(data), 'store', 'provisioner.sqlite'), logger };
}

async function readContextKeys(file: string): Promise<ContextKeyJwk[]> {
  try {
    return JSON.parse(await readFile(file, 'utf8')).keys;
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'it is not JSON';
    throw new BurgageError('config_invalid', {
      message: `--context-keys: got ${JSON.stringify(file)}, which cannot be read (${why}), expected a file of keys`,
      cause,
    });
  }
}
