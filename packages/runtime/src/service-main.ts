// What the main.ts of every service has in common: help, settings, log, metrics, admin endpoints, readiness, the last word on errors.
import { isBurgageError } from '@burgage/contracts';
import { z } from 'zod';
import { createAdminServer } from './admin-server.ts';
import { systemClock } from './clock.ts';
import { createLogger, type Logger } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { wholeNumber } from './number-schema.ts';
import { startPatiently } from './patient-start.ts';
import { type Component, runProcess } from './process.ts';
import { systemRandom } from './random.ts';
import { Readiness } from './readiness.ts';
import { inNameOf } from './setting-errors.ts';
import { defineSettings, describeSettings, readSettings, type SettingsDefinition, type SettingsOf, usageOf } from './settings.ts';
import { startTracing } from './tracing.ts';

export const portSchema: z.ZodType<number, string> = wholeNumber('expected a port from 0 to 65535', 0, 65_535);

/** Settings that every service has; `runService` adds them to its own. */
export const commonSettings = defineSettings({
  adminPort: {
    flag: 'admin-port',
    env: 'BURGAGE_ADMIN_PORT',
    schema: portSchema,
    default: '0',
    description: 'Loopback port of /metrics, /healthz and /readyz; 0 takes a free one',
  },
  logLevel: {
    flag: 'log-level',
    env: 'BURGAGE_LOG_LEVEL',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
    default: 'info',
    description: 'Least level that is logged: trace, debug, info, warn or error',
  },
});

/** What `build` may use, and where it says what must be closed when the service has stopped, or did not start. */
export interface ServiceParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly opened: AsyncDisposableStack;
}

export interface ServiceMain<D extends SettingsDefinition> {
  readonly name: string;
  readonly settings: D;
  /** Called again while it, or the start of what it makes, fails with `unavailable`: something that it needs is down. */
  build(settings: SettingsOf<D>, parts: ServiceParts): Promise<Component & { address(): string }>;
  /** What it does once and then ends, where the switch of that name is given. */
  readonly instead?: { readonly [K in keyof D]?: (settings: SettingsOf<D>, parts: ServiceParts) => Promise<void> };
}

/**
 * Runs one service as a process until SIGINT or SIGTERM. While something that it needs is not there it waits, and says so
 * in the log and on /readyz. Never rejects: what else goes wrong at the start is said on stderr, exit code 1.
 */
export async function runService<const D extends SettingsDefinition>({
  name,
  settings: own,
  build,
  instead = {},
}: ServiceMain<D>): Promise<void> {
  const definition = { ...own, ...commonSettings };
  await runMain(usageOf(definition), async (argv) => {
    const settings = readSettings(definition, { argv });
    const logger = createLogger({ service: name, level: settings.logLevel });
    const metrics = createMetrics();
    for (const [given, task] of Object.entries(instead)) {
      if (settings[given] !== true) continue;
      await using opened = new AsyncDisposableStack();
      await task?.(settings, { logger, metrics, opened });
      return;
    }
    logger.info({ settings: describeSettings(definition, settings) }, 'settings');
    /** What a component refuses by the name that a setting has here is said of the setting. */
    const named = (component: Component): Component => ({
      ...component,
      start: (signal) => inNameOf(definition, () => component.start(signal)),
    });
    const readiness = new Readiness();
    readiness.set(name, false, 'starting');
    const tracing = await startTracing({ service: name, env: process.env });
    const admin = createAdminServer({ port: settings.adminPort, metrics, readiness, logger });
    const service = startPatiently({
      name,
      build: (opened) => build(settings, { logger, metrics, opened }),
      clock: systemClock,
      random: systemRandom,
      logger,
      onWaiting: (reason) => readiness.set(name, false, `waiting for what it needs: ${reason}`),
    });
    await runProcess({
      name,
      logger,
      components: [
        tracing,
        named(admin),
        named(service),
        {
          name: 'readiness',
          start: async () => {
            readiness.set(name, true);
            logger.info({ address: service.current()?.address(), admin: admin.address() }, `${name} serves`);
          },
          drain: async () => readiness.set(name, false, 'draining'),
          stop: async () => {},
        },
      ],
    });
  });
}

/**
 * Runs `main` with this process's arguments, or shows `usage` for --help or -h. An error is said as a sentence with its
 * advice; exit code 1, and 2 for a command line that is not understood (`command_invalid`).
 */
export async function runMain(usage: string, main: (argv: readonly string[]) => Promise<void>): Promise<void> {
  const argv = process.argv.slice(2);
  // Nobody may be reading any more, as behind `| head -1`: that is no reason to end.
  process.stdout.on('error', () => undefined);
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(usage.endsWith('\n') ? usage : `${usage}\n`);
    return;
  }
  try {
    await main(argv);
  } catch (error) {
    const advice = isBurgageError(error) ? `\n  ${error.definition.advice} [${error.code}]` : '';
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}${advice}\n`);
    process.exitCode = isBurgageError(error, 'command_invalid') ? 2 : 1;
  }
}
