// Runs the gateway as a process of its own: beside a registry, or, where --routes is given, alone.
import { isBurgageError } from '@burgage/contracts';
import { createLogger, describeSettings, readSettings, runProcess } from '@burgage/runtime';
import { createGatewayService, runGatewayAlone } from './service.ts';
import { readToken, serviceSettings } from './settings.ts';

async function run(argv: readonly string[]): Promise<void> {
  if (argv.some((argument) => argument === '--routes' || argument.startsWith('--routes='))) {
    await runGatewayAlone(argv);
    return;
  }
  const settings = readSettings(serviceSettings, { argv });
  const internalToken = await readToken(settings.internalTokenFile);
  const logger = createLogger({
    service: 'gateway',
    level: settings.logLevel,
    ...(settings.logFile !== undefined && { destination: settings.logFile }),
  });
  logger.info({ settings: describeSettings(serviceSettings, settings) }, 'settings');
  const gateway = createGatewayService({ ...settings, internalToken, logger });
  await runProcess({ name: 'gateway', logger, components: [gateway] });
  process.stdout.write(`ready gateway http://${gateway.address()} admin http://${gateway.adminAddress()}\n`);
}

run(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(
    isBurgageError(error) ? `${error.message} [${error.code}]\n` : `${error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = 1;
});
