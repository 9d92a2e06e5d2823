// The gateway alone: routes from a file, no registry. What `burgage gateway` runs.
import {
  type Component,
  createLogger,
  createMetrics,
  inNameOf,
  type Logger,
  Readiness,
  type RunningProcess,
  readSettings,
  runProcess,
  type SettingsOf,
  systemClock,
  systemRandom,
} from '@burgage/runtime';
import { unwrap } from '@burgage/tenancy';
import { defaultTimeouts, processDrainMs } from './defaults.ts';
import { parseRouteFile } from './domain/route-file.ts';
import { RouteFollower } from './domain/route-follower.ts';
import { routeStatus } from './domain/route-status.ts';
import { RouteNames } from './domain/route-table.ts';
import { createHttp1Engine } from './engine/http1/engine.ts';
import { addressesOf, createGateway, type RouteOrigin } from './gateway.ts';
import { gatewayMetrics } from './metrics.ts';
import { type GatewayProcess, runOnPorts } from './own-ports.ts';
import { aloneSettings, checkListening, limitsOf, logOptions, readSettingFile, readToken, workersOf } from './settings.ts';
import type { Workers } from './workers/worker-pool.ts';

/**
 * Runs a gateway on a route file until a signal stops it; prints `ready` and both addresses once it listens.
 * @throws BurgageError `config_invalid`, `route_file_invalid` with every bad line, or `port_taken`; nothing listens then.
 */
export async function runGatewayAlone(argv: readonly string[]): Promise<RunningProcess> {
  const settings = readSettings(aloneSettings, { argv });
  await checkListening(settings);
  const log = logOptions(settings);
  const logger = createLogger(log);
  const workers = workersOf(settings, log);
  return runOnPorts({ handOver: settings.handOver, logger }, (takesOver) => start(settings, { logger, workers, takesOver }));
}

async function start(
  settings: SettingsOf<typeof aloneSettings>,
  { logger, workers, takesOver }: { readonly logger: Logger; readonly workers: Workers | undefined; readonly takesOver: boolean },
): Promise<GatewayProcess> {
  const table = unwrap(parseRouteFile(await readSettingFile('routes', settings.routes), settings.routes, new RouteNames(systemRandom)));
  const internalToken = await readToken(settings.internalTokenFile);
  const metrics = createMetrics();
  const follower = new RouteFollower(table, { epoch: 'file', revision: 1, seen: { revision: 1, stamp: '' } });
  const origin: RouteOrigin = {
    follower,
    onMiss: () => 'final',
    status: () => routeStatus({ follower, source: 'file', savedAt: undefined, now: systemClock.now(), disconnectedMs: undefined }),
    acceptSnapshot: () => false,
    before: [],
    after: [],
  };
  const gateway = createGateway({
    ...settings,
    workers,
    internalToken,
    baseDomain: settings.baseDomain ?? '',
    createEngine: createHttp1Engine,
    timeouts: defaultTimeouts,
    limits: await inNameOf(aloneSettings, () => limitsOf(settings)),
    metrics,
    gatewayMetrics: gatewayMetrics(metrics),
    readiness: new Readiness(),
    logger,
    clock: systemClock,
    random: systemRandom,
    origin,
    takesOver,
  });
  // Started here: why it does not start is told once, by whoever called.
  await inNameOf(aloneSettings, () => gateway.start());
  const started: Component = { ...gateway, start: async () => {} };
  const running = await runProcess({ name: 'gateway', logger, components: [started], drainTimeoutMs: processDrainMs });
  process.stdout.write(`ready ${addressesOf(gateway)} hosts ${table.hostCount}\n`);
  return { gateway, running };
}
