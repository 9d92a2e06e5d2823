// Runs the gateway as a process of its own: beside a registry, or, where --routes is given, alone.
import { targetFrom, tlsFrom } from '@burgage/rpc';
import { createLogger, describeSettings, inNameOf, readSettings, runMain, runProcess, usageOf } from '@burgage/runtime';
import { processDrainMs } from './defaults.ts';
import { addressesOf } from './gateway.ts';
import { runOnPorts } from './own-ports.ts';
import { createGatewayService, runGatewayAlone } from './service.ts';
import { aloneUsage, checkHandOver, checkListening, limitsOf, logOptions, readToken, serviceSettings, workersOf } from './settings.ts';

async function run(argv: readonly string[]): Promise<void> {
  if (argv.some((argument) => argument === '--routes' || argument.startsWith('--routes='))) {
    await runGatewayAlone(argv);
    return;
  }
  const settings = readSettings(serviceSettings, { argv });
  await checkListening(settings);
  checkHandOver(settings);
  const internalToken = await readToken(settings.internalTokenFile);
  const log = logOptions(settings);
  const logger = createLogger(log);
  logger.info({ settings: describeSettings(serviceSettings, settings) }, 'settings');
  const workers = workersOf(settings, log);
  const limits = await inNameOf(serviceSettings, () => limitsOf(settings));
  await runOnPorts({ handOver: settings.handOver, logger }, async (takesOver) => {
    const tls = await tlsFrom(settings, { logger, service: 'gateway' });
    const registry = await targetFrom(serviceSettings.registry, settings.registry, tls);
    const gateway = createGatewayService({ ...settings, workers, limits, registry, tls, internalToken, logger, takesOver });
    const component = { ...gateway, start: (signal?: AbortSignal) => inNameOf(serviceSettings, () => gateway.start(signal)) };
    const running = await runProcess({ name: 'gateway', logger, components: [component], drainTimeoutMs: processDrainMs });
    process.stdout.write(`ready ${addressesOf(gateway)}\n`);
    return { gateway, running };
  });
}

const usage = `${usageOf(serviceSettings)}\n\nAlone, on routes from a file:\n${aloneUsage}`;
await runMain(usage, run);
