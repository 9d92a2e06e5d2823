// The settings of `npm start` and `npm run start:mesh`, and those that the first hands to the control process.
import { resolve } from 'node:path';
import { eventsSettings } from '@burgage/events';
import { defineSettings, wholeNumber } from '@burgage/runtime';
import { storeSettings } from '@burgage/store';
import { dedicatedSetting } from '@burgage/tenancy';
import { z } from 'zod';

const port = wholeNumber('expected a port from 1 to 65535', 1, 65_535);
const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error']);

export const startSettings = defineSettings({
  port: { flag: 'port', env: 'BURGAGE_PORT', schema: port, default: '8080', description: 'where tenants are served' },
  host: {
    flag: 'host',
    env: 'BURGAGE_HOST',
    schema: z.union([z.ipv4(), z.ipv6()], { error: 'expected an IP address of this machine, such as 127.0.0.1 or 0.0.0.0' }),
    default: '127.0.0.1',
    description: 'the address to listen on; 0.0.0.0 lets other machines in',
  },
  data: { flag: 'data', env: 'BURGAGE_DATA', schema: z.string().min(1), default: '.burgage', description: 'the data folder' },
  catalog: {
    flag: 'catalog',
    env: 'BURGAGE_CATALOG',
    schema: z.string().min(1),
    default: 'litedesk',
    description: 'a catalog by name, or a YAML file',
  },
  dedicated: dedicatedSetting,
  logLevel: {
    flag: 'log-level',
    env: 'BURGAGE_LOG_LEVEL',
    schema: logLevel,
    default: 'info',
    description: 'trace, debug, info, warn or error',
  },
});

/** A catalog's name as it is, the path of a file as seen from `here`. */
export function catalogNamed(nameOrPath: string, here: string): string {
  return /[./\\]/.test(nameOrPath) ? resolve(here, nameOrPath) : nameOrPath;
}

export const meshSettings = defineSettings({
  ...startSettings,
  port: { ...startSettings.port, description: 'where the first gateway serves tenants' },
  secondPort: {
    flag: 'second-port',
    env: 'BURGAGE_SECOND_PORT',
    schema: port,
    default: '8081',
    description: 'where the second gateway serves them',
  },
  data: { ...startSettings.data, default: '.burgage-mesh' },
  ...storeSettings,
  store: {
    ...storeSettings.store,
    description: `${storeSettings.store.description}; without it FerretDB from the lab, on loopback and without authentication`,
  },
  events: { ...eventsSettings.events, description: `${eventsSettings.events.description}; without it NATS from the lab, likewise` },
});

export const controlSettings = defineSettings({
  data: { flag: 'data', env: 'BURGAGE_DATA', schema: z.string().min(1), description: 'the data folder' },
  catalog: { flag: 'catalog', env: 'BURGAGE_CATALOG', schema: z.string().min(1), description: 'a catalog by name, or a YAML file' },
  dedicated: dedicatedSetting,
  baseDomain: {
    flag: 'base-domain',
    env: 'BURGAGE_BASE_DOMAIN',
    schema: z.string().min(1),
    description: 'the domain that slugs are labels of',
  },
  publicPort: { flag: 'public-port', env: 'BURGAGE_PUBLIC_PORT', schema: port, description: 'the port in the addresses of tenants' },
  apiPort: { flag: 'api-port', env: 'BURGAGE_API_PORT', schema: port, description: "the API's own loopback port" },
  adminPort: { flag: 'admin-port', env: 'BURGAGE_ADMIN_PORT', schema: port, description: 'metrics, health and readiness' },
  appAddress: {
    flag: 'app-address',
    env: 'BURGAGE_APP_ADDRESS',
    schema: z.string().min(1),
    description: 'where the shared app listens, host:port',
  },
  logLevel: {
    flag: 'log-level',
    env: 'BURGAGE_LOG_LEVEL',
    schema: logLevel,
    default: 'info',
    description: 'trace, debug, info, warn or error',
  },
});
