// The provisioner as a process of its own: reads its settings, opens its store, events and drivers, runs until it is told to stop.
import { mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { type ContextKeyJwk, createContextIssuer } from '@burgage/app-kit';
import { isBurgageError, RegistryService } from '@burgage/contracts';
import { openEmbeddedEvents } from '@burgage/events';
import { createRpcClient } from '@burgage/rpc';
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
  systemClock,
  systemRandom,
  usageOf,
} from '@burgage/runtime';
import { openSqliteStore } from '@burgage/store';
import { ulid } from '@burgage/tenancy';
import { z } from 'zod';
import { createProvisionerService, embeddedDrivers } from './service.ts';

const text = z.string().min(1);

const settingsDefinition = defineSettings({
  data: { flag: 'data', env: 'BURGAGE_DATA', schema: text, default: '.burgage', description: 'Folder of store, events, files and mail' },
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
    description: 'Where the registry is; without it the socket run/registry.sock in the data folder',
  },
  contextKeys: {
    flag: 'context-keys',
    env: 'BURGAGE_CONTEXT_KEYS',
    schema: text.optional(),
    description: 'File of the keys that sign what the app trusts; without it secrets/context-keys.json in the data folder',
  },
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
  const logger = createLogger({ service: 'provisioner', level: settings.logLevel });
  logger.info({ settings: describeSettings(settingsDefinition, settings) }, 'settings');
  const at = (...parts: string[]): string => join(resolve(settings.data), ...parts);
  for (const folder of ['store', 'run']) await mkdir(at(folder), { recursive: true, mode: 0o700 });
  const metrics = createMetrics();
  const readiness = new Readiness();
  readiness.set('provisioner', false, 'starting');
  const opened = new AsyncDisposableStack();
  try {
    const { keys } = JSON.parse(await readFile(settings.contextKeys ?? at('secrets', 'context-keys.json'), 'utf8'));
    const store = opened.adopt(await openSqliteStore({ file: at('store', 'provisioner.sqlite') }), (closing) => closing.close());
    const events = opened.adopt(await openEmbeddedEvents({ file: at('events.sqlite'), logger }), (closing) => closing.close());
    const address = settings.registry ?? `unix:${at('run', 'registry.sock')}`;
    const registry = opened.adopt(createRpcClient(RegistryService, { address, logger, metrics }), (closing) => closing.close());
    const service = createProvisionerService({
      address: settings.address ?? `unix:${at('run', 'provisioner.sock')}`,
      store,
      events,
      registry,
      drivers: embeddedDrivers({
        issuer: createContextIssuer(keys as ContextKeyJwk[], { now: () => systemClock.now() }),
        upstream: settings.upstream,
        readyPath: settings.readyPath,
        appFolder: at('apps', settings.upstream),
        filesFolder: at('files'),
        mailFolder: at('mail'),
        urlOf: (slug) => settings.tenantUrl.replace('{slug}', slug),
        clock: systemClock,
      }),
      sharedUpstream: settings.upstream,
      logger,
      metrics,
      clock: systemClock,
      random: systemRandom,
      workerName: settings.worker,
      boot: ulid(systemClock, systemRandom),
    });
    const admin = createAdminServer({ port: settings.adminPort, metrics, readiness, logger });
    const closing = opened.move();
    const storage: Component = { name: 'storage', start: async () => {}, stop: () => closing.disposeAsync() };
    const ready: Component = {
      name: 'readiness',
      start: async () => readiness.set('provisioner', true),
      drain: async () => readiness.set('provisioner', false, 'draining'),
      stop: async () => {},
    };
    await runProcess({ name: 'provisioner', logger, components: [storage, admin, service, ready] });
    logger.info({ address: service.address(), admin: admin.address() }, 'provisioner serves');
  } finally {
    await opened.disposeAsync();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const code = isBurgageError(error) ? ` [${error.code}]` : '';
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}${code}\n`);
  process.exitCode = 1;
}
