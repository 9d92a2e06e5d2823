// `npm run start:mesh`: every service as a process of its own, on MongoDB and NATS from the lab or given by address.
import { join, resolve } from 'node:path';
import { BurgageError, RegistryService } from '@burgage/contracts';
import { type RunningServer, type ServerName, startServer } from '@burgage/lab';
import { createDevelopmentCa, createRpcClient, readTlsIdentity, type TlsFiles } from '@burgage/rpc';
import {
  type Component,
  createLogger,
  inNameOf,
  type LogLevel,
  readSettings,
  runMain,
  systemClock,
  systemRandom,
  usageOf,
  withoutPassword,
} from '@burgage/runtime';
import { type Catalog, loadCatalog } from '@burgage/tenancy';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { addressesOf, type MeshPorts, meshProcesses, type ReplicaPorts, replicas } from './mesh-processes.ts';
import { platformRoutes } from './platform-routes.ts';
import { assertPortFree, freePort } from './ports.ts';
import { sharedUpstream } from './processes.ts';
import { runPlatform, say, shownPort } from './running.ts';
import { catalogNamed, meshSettings } from './settings.ts';

const repository = resolve(import.meta.dirname, '../..');
const baseDomain = 'localhost';
const loopback = '127.0.0.1';
const services = ['registry', 'provisioner', 'api', 'gateway', 'operator'] as const;

interface Settings {
  readonly host: string;
  readonly port: number;
  readonly secondPort: number;
  readonly store: string;
  readonly events: string;
  readonly catalog: string;
  readonly dedicated: boolean;
  readonly logLevel: LogLevel;
}

async function main(argv: readonly string[]): Promise<void> {
  const settings = readSettings(meshSettings, { argv: [...argv], env: process.env });
  const here = process.env.INIT_CWD ?? process.cwd();
  const catalogName = catalogNamed(settings.catalog, here);
  const catalog = await loadCatalog(catalogName, join(repository, 'catalogs'), { appEntry: true });
  const data = await openDataFolder(resolve(here, settings.data), 'mesh');
  await using closing = new AsyncDisposableStack();
  closing.defer(() => data.release());
  if (settings.port === settings.secondPort) {
    throw new BurgageError('config_invalid', {
      message: `--second-port: got ${settings.secondPort}, which --port has, expected another one.`,
    });
  }
  for (const name of ['port', 'secondPort'] as const) {
    await inNameOf({ ...meshSettings, port: meshSettings[name] }, () => assertPortFree(settings.host, settings[name]));
  }
  const server = async (name: ServerName, given: string | undefined): Promise<string> => {
    if (given !== undefined) return given;
    const started: RunningServer = await startServer(name, {}, { folder: join(data.paths.root, 'lab', name), say });
    closing.defer(() => started.close());
    return started.url;
  };
  const [store, events] = await Promise.all([server('mongo', settings.store), server('nats', settings.events)]);
  await run({ ...settings, catalog: catalogName, store, events }, catalog, data);
}

async function run(settings: Settings, catalog: Catalog, data: DataFolder): Promise<void> {
  const { paths } = data;
  const { host, port, secondPort, store, events, logLevel } = settings;
  const logger = createLogger({ service: 'supervisor', level: logLevel, destination: join(paths.logs, 'supervisor.log') });
  const ca = await createDevelopmentCa({ folder: join(paths.root, 'secrets', 'tls'), clock: systemClock, random: systemRandom });
  const identities = new Map<string, TlsFiles>();
  for (const service of services) identities.set(service, await ca.issue(service));
  const tlsOf = (service: string): TlsFiles => {
    const files = identities.get(service);
    if (files === undefined) throw new RangeError(`no certificate was made for ${service}`);
    return files;
  };
  const replica = async (): Promise<ReplicaPorts> => ({ service: await freePort(loopback), admin: await freePort(loopback) });
  const severally = (): Promise<readonly ReplicaPorts[]> => Promise.all(Array.from({ length: replicas }, replica));
  const ports: MeshPorts = {
    gateways: [
      { service: port, admin: await freePort(loopback) },
      { service: secondPort, admin: await freePort(loopback) },
    ],
    registries: await severally(),
    provisioners: await severally(),
    api: await replica(),
    app: await freePort(loopback),
  };
  const { gateways, rest } = meshProcesses({
    repository,
    paths,
    host,
    baseDomain,
    logLevel,
    catalogName: settings.catalog,
    catalog,
    dedicated: settings.dedicated,
    ports,
    store,
    events,
    tlsOf,
  });
  const registry = createRpcClient(RegistryService, {
    address: addressesOf(ports.registries),
    tls: await readTlsIdentity(tlsOf('operator')),
    peer: 'registry',
    logger,
  });
  const closing: Component = { name: 'registry client', start: async () => undefined, stop: () => registry.close() };
  const api = `http://${loopback}:${ports.api.service}`;
  await runPlatform({
    name: 'burgage mesh',
    logger,
    data,
    gateways,
    rest,
    instances: { repository, paths, catalog, gatewayAdminPort: ports.gateways[0]?.admin ?? 0 },
    before: [closing],
    after: [
      platformRoutes({
        registry,
        sharedUpstream: sharedUpstream(catalog),
        appAddress: `${loopback}:${ports.app}`,
        apiAddress: `${loopback}:${ports.api.service}`,
      }),
    ],
    runtimeFile: { api, gateway: `http://${loopback}:${port}`, baseDomain, publicPort: port, tokenFile: paths.adminToken },
    announcement: (tookMs) =>
      [
        `ready in ${(tookMs / 1_000).toFixed(1)} s: ${catalog.title}`,
        `  tenants      http://<slug>.${baseDomain}${shownPort(port)}   and on the second gateway http://<slug>.${baseDomain}${shownPort(secondPort)}`,
        `  API          ${api}   documentation at ${api}/v1/docs, through the gateways http://api.${baseDomain}${shownPort(port)}`,
        `  registry     ${addressesOf(ports.registries)}   provisioner ${addressesOf(ports.provisioners)}   (gRPC, mutual TLS)`,
        `  MongoDB      ${withoutPassword(store)}`,
        `  NATS         ${withoutPassword(events)}`,
        `  certificates ${join(paths.root, 'secrets', 'tls')}`,
        `  admin token  ${paths.adminToken}`,
        `  logs         ${paths.logs}`,
        '',
        `In another terminal: npx burgage --data ${paths.root} --help      Ctrl-C stops everything.`,
      ].join('\n'),
  });
}

await runMain(`npm run start:mesh -- [OPTION …]\n\n${usageOf(meshSettings)}`, main);
