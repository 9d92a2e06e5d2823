// `npm start`: Burgage on one machine. Takes the data folder, starts every process, says where, and stops them in order.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Component, createLogger, type LogLevel, readSettings, runMain, runProcess, systemClock, usageOf } from '@burgage/runtime';
import { type Catalog, loadCatalog } from '@burgage/tenancy';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { assertPortFree, freePort } from './ports.ts';
import { type PlatformPorts, platformProcesses } from './processes.ts';
import { startSettings } from './settings.ts';
import { SupervisedProcess } from './supervisor.ts';

const repository = resolve(import.meta.dirname, '../..');
const baseDomain = 'localhost';
const loopback = '127.0.0.1';
const readyTimeoutMs = 30_000;
const gatewayPollMs = 20;
/** Longer than the gateway's own drain, so that it is never cut short. */
const stopTimeoutMs = 35_000;

interface Settings {
  readonly host: string;
  readonly port: number;
  readonly catalog: string;
  readonly logLevel: LogLevel;
  /** How the command line is called for this data folder. */
  readonly cli: string;
}

async function main(argv: readonly string[]): Promise<void> {
  const settings = readSettings(startSettings, { argv: [...argv], env: process.env });
  const catalogsFolder = join(repository, 'catalogs');
  // Names and paths mean what they mean where the user stands.
  const here = process.env.INIT_CWD ?? process.cwd();
  const catalogName = /[./\\]/.test(settings.catalog) ? resolve(here, settings.catalog) : settings.catalog;
  const catalog = await loadCatalog(catalogName, catalogsFolder, { appEntry: true });
  const data = await openDataFolder(resolve(here, settings.data));
  try {
    await assertPortFree(settings.host, settings.port);
    const cli = settings.data === '.burgage' ? 'npx burgage' : `npx burgage --data ${data.paths.root}`;
    await run({ ...settings, catalog: catalogName, cli }, catalog, data);
  } finally {
    await data.release();
  }
}

async function run(settings: Settings, catalog: Catalog, data: DataFolder): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  const { paths } = data;
  const logger = createLogger({ service: 'supervisor', level: settings.logLevel, destination: join(paths.logs, 'supervisor.log') });
  const ports: PlatformPorts = {
    api: await freePort(loopback),
    app: await freePort(loopback),
    controlAdmin: await freePort(loopback),
    gatewayAdmin: await freePort(loopback),
  };
  const { host, port, logLevel } = settings;
  const specs = platformProcesses({ repository, paths, host, port, baseDomain, logLevel, catalogName: settings.catalog, catalog, ports });
  const supervised = (spec: (typeof specs)['app']): SupervisedProcess =>
    new SupervisedProcess({
      spec,
      clock: systemClock,
      logger,
      onCrash: (name, how) => say(`${name} ${how}; starting it again (${spec.logFile} says why)`),
      readyTimeoutMs,
      stopTimeoutMs,
    });
  const api = `http://${loopback}:${ports.api}`;
  const shownPort = port === 80 ? '' : `:${port}`;
  const announcement = (): string =>
    [
      `ready in ${((systemClock.monotonicMs() - startedMs) / 1_000).toFixed(1)} s: ${catalog.title}`,
      `  tenants      http://<slug>.${baseDomain}${shownPort}`,
      `  API          ${api}   documentation at ${api}/v1/docs, through the gateway http://api.${baseDomain}${shownPort}`,
      `  admin token  ${paths.adminToken}`,
      `  logs         ${paths.logs}`,
      '',
      `In another terminal: ${settings.cli} --help      Ctrl-C stops everything.`,
    ].join('\n');
  const running = await runProcess({
    name: 'burgage',
    logger,
    // Stopped in reverse: the gateway first, so that what is in flight still finds the app.
    components: [
      together([supervised(specs.app), supervised(specs.control)], supervised(specs.gateway)),
      { name: 'routes', start: (signal) => gatewayShowsEverything(api, paths.adminToken, signal), stop: async () => {} },
      {
        name: 'announcement',
        async start() {
          const gateway = `http://${loopback}:${port}`;
          await data.writeRuntimeFile({ pid: process.pid, api, gateway, baseDomain, publicPort: port, tokenFile: paths.adminToken });
          say(announcement());
        },
        drain: async () => say('\nstopping: requests in flight are finished first …'),
        stop: async () => {},
      },
    ],
    drainTimeoutMs: 2 * stopTimeoutMs,
  });
  await running.stopped;
  say('stopped');
}

/** Waits, within bounds, until the gateway has applied all that the registry has: an older table may name old endpoints. */
async function gatewayShowsEverything(api: string, tokenFile: string, signal?: AbortSignal): Promise<void> {
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const giveUpAtMs = systemClock.monotonicMs() + readyTimeoutMs;
  while (systemClock.monotonicMs() < giveUpAtMs && !signal?.aborted) {
    const items = await connectedGateways(api, token);
    if (items.length > 0 && items.every(({ inSync }) => inSync)) return;
    await systemClock.sleep(gatewayPollMs);
  }
}

/** None while the API does not answer: the supervisor brings it back. */
async function connectedGateways(api: string, token: string): Promise<readonly { readonly inSync: boolean }[]> {
  try {
    const response = await fetch(`${api}/v1/gateways`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(1_000),
    });
    const { items } = (await response.json()) as { readonly items?: readonly { readonly inSync: boolean }[] };
    return items ?? [];
  } catch {
    return [];
  }
}

/** Starts all at once; stops `front` before `rest`. */
function together(rest: readonly SupervisedProcess[], front: SupervisedProcess): Component {
  const all = [front, ...rest];
  const stopAll = async (): Promise<void> => {
    await front.stop();
    await Promise.all(rest.map((one) => one.stop()));
  };
  return {
    name: 'processes',
    async start(signal) {
      const outcomes = await Promise.allSettled(all.map((one) => one.start(signal)));
      const failure = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failure) throw failure.reason;
    },
    drain: stopAll,
    stop: stopAll,
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await runMain(`npm start -- [OPTION …]\n\n${usageOf(startSettings)}`, main);
