// The registry as a process of its own: reads its settings, opens its store and the events, runs until it is told to stop.
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BurgageError, isBurgageError } from '@burgage/contracts';
import { openEmbeddedEvents } from '@burgage/events';
import {
  type Component,
  createAdminServer,
  createLogger,
  createMetrics,
  defineSettings,
  describeSettings,
  Readiness,
  readSettings,
  runProcess,
  usageOf,
} from '@burgage/runtime';
import { openSqliteStore } from '@burgage/store';
import { loadCatalog, normalizeHost, unwrap } from '@burgage/tenancy';
import { z } from 'zod';
import { createRegistryService } from './service.ts';

const settingsDefinition = defineSettings({
  data: {
    flag: 'data',
    env: 'BURGAGE_DATA',
    schema: z.string().min(1),
    default: '.burgage',
    description: 'Folder that holds the store and the events',
  },
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
  journalEntriesKept: {
    flag: 'journal-kept',
    env: 'BURGAGE_JOURNAL_KEPT',
    schema: z.coerce.number().int().min(1_000),
    default: '100000',
    description: 'Route changes that stay readable; a gateway further behind gets a snapshot',
  },
  adminPort: {
    flag: 'admin-port',
    env: 'BURGAGE_ADMIN_PORT',
    schema: z.coerce.number().int().min(0).max(65_535),
    default: '0',
    description: 'Loopback port of /metrics, /healthz and /readyz; 0 takes a free one',
  },
  logLevel: {
    flag: 'log-level',
    env: 'BURGAGE_LOG_LEVEL',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
    default: 'info',
    description: 'Least level that is logged',
  },
});

async function main(argv: readonly string[]): Promise<void> {
  if (argv.includes('--help')) {
    process.stdout.write(usageOf(settingsDefinition));
    return;
  }
  const settings = readSettings(settingsDefinition, { argv });
  const logger = createLogger({ service: 'registry', level: settings.logLevel });
  logger.info({ settings: describeSettings(settingsDefinition, settings) }, 'settings');
  const catalog = await loadCatalog(settings.catalog, join(import.meta.dirname, '../../../catalogs'));
  const data = resolve(settings.data);
  const folders = { store: await folder(data, 'store'), run: await folder(data, 'run') };
  const metrics = createMetrics();
  const readiness = new Readiness();
  readiness.set('registry', false, 'starting');
  const opened = new AsyncDisposableStack();
  try {
    const store = opened.adopt(await openSqliteStore({ file: join(folders.store, 'registry.sqlite') }), (closing) => closing.close());
    const events = opened.adopt(await openEmbeddedEvents({ file: join(data, 'events.sqlite'), logger }), (closing) => closing.close());
    const service = createRegistryService({
      address: settings.address ?? `unix:${join(folders.run, 'registry.sock')}`,
      store,
      events,
      catalog,
      baseDomain: unwrap(normalizeHost(settings.baseDomain)),
      logger,
      metrics,
      journalEntriesKept: settings.journalEntriesKept,
    });
    const admin = createAdminServer({ port: settings.adminPort, metrics, readiness, logger });
    const storage: Component = { name: 'storage', start: async () => {}, stop: () => closing.disposeAsync() };
    const ready: Component = {
      name: 'readiness',
      start: async () => readiness.set('registry', true),
      drain: async () => readiness.set('registry', false, 'draining'),
      stop: async () => {},
    };
    // From here on whoever runs the components closes what is open.
    const closing = opened.move();
    await runProcess({ name: 'registry', logger, components: [storage, admin, service, ready] });
    logger.info({ address: service.address(), admin: admin.address() }, 'registry serves');
  } finally {
    await opened.disposeAsync();
  }
}

async function folder(data: string, name: string): Promise<string> {
  const path = join(data, name);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  } catch (cause) {
    throw new BurgageError('config_invalid', {
      message: `--data: the folder ${path} cannot be made (${(cause as NodeJS.ErrnoException).code})`,
      cause,
    });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const code = isBurgageError(error) ? ` [${error.code}]` : '';
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}${code}\n`);
  process.exitCode = 1;
}
