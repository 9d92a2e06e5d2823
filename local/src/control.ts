// The control plane of one machine: registry, provisioner and api in one process, gRPC between them over Unix sockets.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createApiService } from '@burgage/api';
import { type ContextKeyJwk, createContextIssuer } from '@burgage/app-kit';
import { RegistryService } from '@burgage/contracts';
import { dataPaths } from '@burgage/data-folder';
import { openEmbeddedEvents } from '@burgage/events';
import { archiveKeyFrom, createProvisionerService, embeddedDrivers } from '@burgage/provisioner';
import { createRegistryService } from '@burgage/registry';
import { createRpcClient } from '@burgage/rpc';
import {
  type Component,
  createAdminServer,
  createLogger,
  createMetrics,
  describeSettings,
  Readiness,
  readSettings,
  runProcess,
  startTracing,
  systemClock,
  systemRandom,
} from '@burgage/runtime';
import { openSqliteStore, type Store } from '@burgage/store';
import { loadCatalog, ulid } from '@burgage/tenancy';
import { platformRoutes } from './platform-routes.ts';
import { sharedAppFolder, sharedUpstream } from './processes.ts';
import { controlSettings } from './settings.ts';

const loopback = '127.0.0.1';

async function main(): Promise<void> {
  const settings = readSettings(controlSettings);
  const logger = createLogger({ service: 'control', level: settings.logLevel });
  logger.info({ settings: describeSettings(controlSettings, settings) }, 'starting');
  const paths = dataPaths(settings.data);
  const catalog = await loadCatalog(settings.catalog, resolve(import.meta.dirname, '../../catalogs'));
  const clock = systemClock;
  const random = systemRandom;
  const metrics = createMetrics();
  const readiness = new Readiness();
  const secret = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim();
  const open = (name: string): Promise<Store> => openSqliteStore({ file: join(paths.store, `${name}.sqlite`), clock, random });
  const [registryStore, provisionerStore, apiStore] = await Promise.all([open('registry'), open('provisioner'), open('api')]);
  const events = await openEmbeddedEvents({ file: paths.events, clock, random, logger });
  const issuer = createContextIssuer(JSON.parse(await secret(paths.contextKeys)).keys as ContextKeyJwk[], { now: () => clock.now() });
  const shownPort = settings.publicPort === 80 ? '' : `:${settings.publicPort}`;
  const urlOf = (slug: string): string => `http://${slug}.${settings.baseDomain}${shownPort}`;
  const registryAddress = `unix:${join(paths.sockets, 'registry.sock')}`;
  const provisionerAddress = `unix:${join(paths.sockets, 'provisioner.sock')}`;
  const common = { logger, metrics, clock, random };

  const registry = createRegistryService({
    ...common,
    address: registryAddress,
    store: registryStore,
    events,
    catalog,
    baseDomain: settings.baseDomain,
    dedicated: settings.dedicated,
  });
  const registryClient = createRpcClient(RegistryService, { address: registryAddress, logger, metrics, clock, random });
  const provisioner = createProvisionerService({
    ...common,
    address: provisionerAddress,
    store: provisionerStore,
    events,
    registry: registryClient,
    sharedUpstream: sharedUpstream(catalog),
    dedicated: settings.dedicated,
    drivers: embeddedDrivers({
      issuer,
      readyPath: catalog.app.readyPath,
      appFolder: sharedAppFolder(paths, catalog),
      appsFolder: paths.apps,
      instancesFolder: paths.instances,
      instanceLogsFolder: paths.instanceLogs,
      filesFolder: paths.files,
      archivesFolder: paths.archives,
      archiveKey: await archiveKeyFrom(paths.archiveKey),
      fencesFolder: paths.fences,
      mailFolder: paths.mail,
      urlOf,
      clock,
      random,
    }),
    // The data folder's lock makes this the only provisioner: what another life of it left can be taken up at once.
    workerName: 'local',
    boot: ulid(clock, random),
  });
  const api = createApiService({
    ...common,
    registryAddress,
    provisionerAddress,
    store: apiStore,
    internalToken: await secret(paths.internalToken),
    adminToken: await secret(paths.adminToken),
    catalog,
    host: loopback,
    port: settings.apiPort,
    publicUrlOf: urlOf,
  });

  const stores: Component = {
    name: 'stores',
    start: async () => undefined,
    async stop() {
      await registryClient.close();
      await events.close();
      await Promise.all([registryStore.close(), provisionerStore.close(), apiStore.close()]);
    },
  };

  const ready: Component = {
    name: 'readiness',
    start: async () => readiness.set('control', true),
    drain: async () => readiness.set('control', false, 'stopping'),
    stop: async () => undefined,
  };

  readiness.set('control', false, 'starting');
  await runProcess({
    name: 'control',
    logger,
    components: [
      await startTracing({ service: 'control', env: process.env }),
      createAdminServer({ host: loopback, port: settings.adminPort, metrics, readiness, logger }),
      stores,
      registry,
      platformRoutes({
        registry: registryClient,
        sharedUpstream: sharedUpstream(catalog),
        appAddress: settings.appAddress,
        apiAddress: `${loopback}:${settings.apiPort}`,
      }),
      provisioner,
      api,
      ready,
    ],
  });
}

await main();
