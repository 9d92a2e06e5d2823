// `npm start`: Burgage on one machine. Takes the data folder, starts every process, says where, and stops them in order.
import { join, resolve } from 'node:path';
import { createLogger, inNameOf, type LogLevel, readSettings, runMain, usageOf } from '@burgage/runtime';
import { type Catalog, loadCatalog } from '@burgage/tenancy';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { assertPortFree, freePort } from './ports.ts';
import { type PlatformPorts, platformProcesses } from './processes.ts';
import { runPlatform, shownPort } from './running.ts';
import { catalogNamed, startSettings } from './settings.ts';

const repository = resolve(import.meta.dirname, '../..');
const baseDomain = 'localhost';
const loopback = '127.0.0.1';

interface Settings {
  readonly host: string;
  readonly port: number;
  readonly catalog: string;
  readonly dedicated: boolean;
  readonly logLevel: LogLevel;
  /** How the command line is called for this data folder. */
  readonly cli: string;
}

async function main(argv: readonly string[]): Promise<void> {
  const settings = readSettings(startSettings, { argv: [...argv], env: process.env });
  // Names and paths mean what they mean where the user stands.
  const here = process.env.INIT_CWD ?? process.cwd();
  const catalogName = catalogNamed(settings.catalog, here);
  const catalog = await loadCatalog(catalogName, join(repository, 'catalogs'), { appEntry: true });
  const data = await openDataFolder(resolve(here, settings.data));
  try {
    await inNameOf(startSettings, () => assertPortFree(settings.host, settings.port));
    const cli = settings.data === '.burgage' ? 'npx burgage' : `npx burgage --data ${data.paths.root}`;
    await run({ ...settings, catalog: catalogName, cli }, catalog, data);
  } finally {
    await data.release();
  }
}

async function run(settings: Settings, catalog: Catalog, data: DataFolder): Promise<void> {
  const { paths } = data;
  const logger = createLogger({ service: 'supervisor', level: settings.logLevel, destination: join(paths.logs, 'supervisor.log') });
  const ports: PlatformPorts = {
    api: await freePort(loopback),
    app: await freePort(loopback),
    controlAdmin: await freePort(loopback),
    gatewayAdmin: await freePort(loopback),
  };
  const { host, port, logLevel } = settings;
  const { app, control, gateway } = platformProcesses({
    repository,
    paths,
    host,
    port,
    baseDomain,
    logLevel,
    catalogName: settings.catalog,
    catalog,
    dedicated: settings.dedicated,
    ports,
  });
  const api = `http://${loopback}:${ports.api}`;
  await runPlatform({
    name: 'burgage',
    logger,
    data,
    gateways: [gateway],
    rest: [app, control],
    instances: { repository, paths, catalog, gatewayAdminPort: ports.gatewayAdmin },
    runtimeFile: { api, gateway: `http://${loopback}:${port}`, baseDomain, publicPort: port, tokenFile: paths.adminToken },
    announcement: (tookMs) =>
      [
        `ready in ${(tookMs / 1_000).toFixed(1)} s: ${catalog.title}`,
        `  tenants      http://<slug>.${baseDomain}${shownPort(port)}`,
        `  API          ${api}   documentation at ${api}/v1/docs, through the gateway http://api.${baseDomain}${shownPort(port)}`,
        `  admin token  ${paths.adminToken}`,
        `  logs         ${paths.logs}`,
        '',
        `In another terminal: ${settings.cli} --help      Ctrl-C stops everything.`,
      ].join('\n'),
  });
}

await runMain(`npm start -- [OPTION …]\n\n${usageOf(startSettings)}`, main);
