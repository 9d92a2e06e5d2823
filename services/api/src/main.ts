// The api as a process of its own: reads its settings, opens its store, runs until it is told to stop.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { targetFrom, tlsFrom, tlsSettings } from '@burgage/rpc';
import { defineSettings, portSchema, runService, systemClock, systemRandom } from '@burgage/runtime';
import { openStore, storeSettings } from '@burgage/store';
import { loadCatalog } from '@burgage/tenancy';
import { z } from 'zod';
import { createApiService } from './service.ts';

const slugPlace = '{slug}';

const apiSettings = defineSettings({
  data: {
    flag: 'data',
    env: 'BURGAGE_DATA',
    schema: z.string().min(1),
    default: '.burgage',
    description: 'Folder of the tokens, and of the store where no address of it is given',
  },
  ...storeSettings,
  ...tlsSettings,
  host: { flag: 'host', env: 'BURGAGE_API_HOST', schema: z.string().min(1), default: '127.0.0.1', description: 'Address to listen on' },
  port: { flag: 'port', env: 'BURGAGE_API_PORT', schema: portSchema, default: '0', description: 'Port to listen on; 0 takes a free one' },
  registry: {
    flag: 'registry',
    env: 'BURGAGE_REGISTRY_ADDRESS',
    schema: z.string().min(1).optional(),
    description:
      'The registry, unix:/path or host:port, several replicas with commas between; without it the socket run/registry.sock in the data folder',
  },
  provisioner: {
    flag: 'provisioner',
    env: 'BURGAGE_PROVISIONER_ADDRESS',
    schema: z.string().min(1).optional(),
    description:
      'The provisioner, unix:/path or host:port, several replicas with commas between; without it the socket run/provisioner.sock in the data folder',
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
});

await runService({
  name: 'api',
  settings: apiSettings,
  async build(settings, { logger, metrics, opened }) {
    const catalog = await loadCatalog(settings.catalog, join(import.meta.dirname, '../../../catalogs'));
    const data = resolve(settings.data);
    const adminToken = await readToken('--admin-token-file', settings.adminTokenFile ?? join(data, 'secrets', 'admin-token'));
    const internalToken = await readToken('--internal-token-file', settings.internalTokenFile ?? join(data, 'secrets', 'internal-token'));
    const tls = await tlsFrom(settings, { logger, service: 'api' });
    const socketOf = (service: string): string => `unix:${join(data, 'run', `${service}.sock`)}`;
    const registryAddress = await targetFrom(apiSettings.registry, settings.registry ?? socketOf('registry'), tls);
    const provisionerAddress = await targetFrom(apiSettings.provisioner, settings.provisioner ?? socketOf('provisioner'), tls);
    return createApiService({
      registryAddress,
      provisionerAddress,
      tls,
      store: opened.adopt(
        await openStore({ url: settings.store, database: 'burgage_api', file: join(data, 'store', 'api.sqlite'), logger }),
        (closing) => closing.close(),
      ),
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
  },
});

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
