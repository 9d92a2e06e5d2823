// The api as a process of its own: reads its settings, opens its store, runs until it is told to stop.
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BurgageError, isBurgageError } from '@burgage/contracts';
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
import { loadCatalog } from '@burgage/tenancy';
import { z } from 'zod';
import { createApiService } from './service.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const slugPlace = '{slug}';

const settingsDefinition = defineSettings({
  data: {
    flag: 'data',
    env: 'BURGAGE_DATA',
    schema: z.string().min(1),
    default: '.burgage',
    description: 'Folder that holds the store and the tokens',
  },
  host: { flag: 'host', env: 'BURGAGE_API_HOST', schema: z.string().min(1), default: '127.0.0.1', description: 'Address to listen on' },
  port: { flag: 'port', env: 'BURGAGE_API_PORT', schema: port, default: '0', description: 'Port to listen on; 0 takes a free one' },
  registry: {
    flag: 'registry',
    env: 'BURGAGE_REGISTRY_ADDRESS',
    schema: z.string().min(1).optional(),
    description: 'The registry, unix:/path or host:port; without it the socket run/registry.sock in the data folder',
  },
  provisioner: {
    flag: 'provisioner',
    env: 'BURGAGE_PROVISIONER_ADDRESS',
    schema: z.string().min(1).optional(),
    description: 'The provisioner, unix:/path or host:port; without it the socket run/provisioner.sock in the data folder',
  },
  adminTokenFile: {
    flag: 'admin-token-file',
    env: 'BURGAGE_ADMIN_TOKEN_FILE',
    schema: z.string().min(1).optional(),
    description: 'File with the token that callers must carry; without it secrets/admin-token in the data folder',
  },
  internalTokenFile: {
    flag: 'internal-token-file',
    env: 'BURGAGE_INTERNAL_TOKEN_FILE',
    schema: z.string().min(1).optional(),
    description: "File with the token of the gateways' admin endpoints; without it secrets/internal-token in the data folder",
  },
  catalog: {
    flag: 'catalog',
    env: 'BURGAGE_CATALOG',
    schema: z.string().min(1),
    default: 'litedesk',
    description: 'Catalog that tenants sign up to: a name or a file',
  },
  publicUrl: {
    flag: 'public-url',
    env: 'BURGAGE_PUBLIC_URL',
    schema: z.string().refine((text) => text.includes(slugPlace) && URL.canParse(text.replace(slugPlace, 'a')), {
      error: `expected an address with ${slugPlace} in it`,
    }),
    default: `http://${slugPlace}.localhost:8080`,
    description: `Where tenants are reached, with ${slugPlace} in the place of the slug`,
  },
  adminPort: {
    flag: 'admin-port',
    env: 'BURGAGE_ADMIN_PORT',
    schema: port,
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
  const logger = createLogger({ service: 'api', level: settings.logLevel });
  logger.info({ settings: describeSettings(settingsDefinition, settings) }, 'settings');
  const catalog = await loadCatalog(settings.catalog, join(import.meta.dirname, '../../../catalogs'));
  const data = resolve(settings.data);
  const adminToken = await readToken('--admin-token-file', settings.adminTokenFile ?? join(data, 'secrets', 'admin-token'));
  const internalToken = await readToken('--internal-token-file', settings.internalTokenFile ?? join(data, 'secrets', 'internal-token'));
  await mkdir(join(data, 'store'), { recursive: true, mode: 0o700 });
  const metrics = createMetrics();
  const readiness = new Readiness();
  readiness.set('api', false, 'starting');
  const store = await openSqliteStore({ file: join(data, 'store', 'api.sqlite') });
  const storage: Component = { name: 'storage', start: async () => {}, stop: () => store.close() };
  const api = createApiService({
    registryAddress: settings.registry ?? `unix:${join(data, 'run', 'registry.sock')}`,
    provisionerAddress: settings.provisioner ?? `unix:${join(data, 'run', 'provisioner.sock')}`,
    store,
    internalToken,
    adminToken,
    catalog,
    host: settings.host,
    port: settings.port,
    publicUrlOf: (slug) => settings.publicUrl.replace(slugPlace, slug),
    logger,
    metrics,
    clock: systemClock,
    random: systemRandom,
  });
  const admin = createAdminServer({ port: settings.adminPort, metrics, readiness, logger });
  const ready: Component = {
    name: 'readiness',
    start: async () => readiness.set('api', true),
    drain: async () => readiness.set('api', false, 'draining'),
    stop: async () => {},
  };
  await runProcess({ name: 'api', logger, components: [storage, admin, api, ready] });
  logger.info({ address: api.address(), admin: admin.address() }, 'api serves');
}

async function readToken(flag: string, file: string): Promise<string> {
  const token = await readFile(file, 'utf8').then(
    (text) => text.trim(),
    (cause) => {
      throw new BurgageError('config_invalid', { message: `${flag}: ${JSON.stringify(file)} cannot be read.`, cause });
    },
  );
  if (token === '') throw new BurgageError('config_invalid', { message: `${flag}: ${JSON.stringify(file)} is empty; expected a token.` });
  return token;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const code = isBurgageError(error) ? ` [${error.code}]` : '';
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}${code}\n`);
  process.exitCode = 1;
}
