// The gateway's settings, for both ways it runs.
import { readFile, stat } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import { BurgageError } from '@burgage/contracts';
import { tlsSettings } from '@burgage/rpc';
import { defineSettings, fraction, type LoggerOptions, type LogLevel, portSchema, usageOf, wholeNumber } from '@burgage/runtime';
import { normalizeHost } from '@burgage/tenancy';
import { z } from 'zod';
import { clientConnectionsWithin, openFilesMax } from './adapters/open-files.ts';
import { defaultLimits, type Limits } from './defaults.ts';
import type { Workers } from './workers/worker-pool.ts';

const text = z.string().min(1);
const optionalText = text.optional();
const level = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);

const listening = defineSettings({
  host: { flag: 'host', env: 'BURGAGE_GATEWAY_HOST', schema: text, default: '127.0.0.1', description: 'Address to listen on' },
  port: {
    flag: 'port',
    env: 'BURGAGE_GATEWAY_PORT',
    schema: portSchema,
    default: '8080',
    description: 'Port to listen on; 0 takes a free one',
  },
  httpsPort: {
    flag: 'https-port',
    env: 'BURGAGE_GATEWAY_HTTPS_PORT',
    schema: portSchema.optional(),
    description: 'Port for TLS; without it there is none',
  },
  certificates: {
    flag: 'certificates',
    env: 'BURGAGE_GATEWAY_CERTIFICATES',
    schema: optionalText,
    description: 'Folder of certificates: NAME/tls.crt and tls.key for each host, *.DOMAIN, default',
  },
  proxyProtocolFrom: {
    flag: 'proxy-protocol-from',
    env: 'BURGAGE_GATEWAY_PROXY_PROTOCOL_FROM',
    schema: networks().optional(),
    description: 'Networks whose connections begin with a PROXY header: 10.0.0.0/8,fd00::/8',
  },
  adminHost: {
    flag: 'admin-host',
    env: 'BURGAGE_GATEWAY_ADMIN_HOST',
    schema: text,
    default: '127.0.0.1',
    description: 'Address of the admin port',
  },
  adminPort: {
    flag: 'admin-port',
    env: 'BURGAGE_GATEWAY_ADMIN_PORT',
    schema: portSchema,
    default: '0',
    description: 'Port for metrics, health, keys, explain',
  },
  internalTokenFile: {
    flag: 'internal-token-file',
    env: 'BURGAGE_INTERNAL_TOKEN_FILE',
    schema: optionalText,
    description: 'File with the token for explain and status',
  },
  contextKeysFile: {
    flag: 'context-keys',
    env: 'BURGAGE_CONTEXT_KEYS',
    schema: optionalText,
    description: 'File with the keys that sign tenant contexts',
  },
  accessLog: {
    flag: 'access-log',
    env: 'BURGAGE_ACCESS_LOG',
    schema: optionalText,
    description: 'File for the access log; - is standard output',
  },
  accessLogSample: {
    flag: 'access-log-sample',
    env: 'BURGAGE_ACCESS_LOG_SAMPLE',
    schema: fraction('expected a share from 0 to 1', 0, 1),
    default: '1',
    description: 'Share of ordinary requests in the access log, 0 to 1; errors, refusals and slow ones are always in it',
  },
  handOver: {
    flag: 'hand-over',
    env: 'BURGAGE_GATEWAY_HAND_OVER',
    schema: z.stringbool('expected true or false'),
    default: 'false',
    description: 'A process of its own keeps the ports: at SIGUSR2 a new gateway takes over from the one that runs',
  },
  workers: {
    flag: 'workers',
    env: 'BURGAGE_GATEWAY_WORKERS',
    schema: wholeNumber('expected a number from 1 to 64', 1, 64),
    default: '1',
    description: 'Threads that serve; 1: the main one does',
  },
  clientConnectionsMax: {
    flag: 'client-connections-max',
    env: 'BURGAGE_GATEWAY_CLIENT_CONNECTIONS_MAX',
    schema: wholeNumber('expected a number from 1 to 10000000', 1, 10_000_000).optional(),
    description: `Connections of clients at once, over all workers; without it half of the files that the process may open, at most ${defaultLimits.clientConnectionsMax}`,
  },
  logFile: { flag: 'log-file', env: 'BURGAGE_LOG_FILE', schema: optionalText, description: 'File for the log; standard output without it' },
  logLevel: { flag: 'log-level', env: 'BURGAGE_LOG_LEVEL', schema: level, default: 'info', description: 'Least level that is logged' },
});

/** The gateway as a service beside a registry. */
export const serviceSettings = defineSettings({
  ...listening,
  registry: {
    flag: 'registry',
    env: 'BURGAGE_REGISTRY',
    schema: text,
    description: 'The registry, as unix:/path or host:port, several replicas with commas between',
  },
  ...tlsSettings,
  tableFile: { flag: 'table', env: 'BURGAGE_GATEWAY_TABLE', schema: optionalText, description: 'File that keeps the last good routes' },
  gatewayId: {
    flag: 'gateway-id',
    env: 'BURGAGE_GATEWAY_ID',
    schema: z.string().regex(/^[A-Za-z0-9._-]{1,63}$/, 'expected 1 to 63 letters, digits, dots, hyphens'),
    default: 'gateway',
    description: 'Name of this gateway, the same after a restart',
  },
  baseDomain: {
    flag: 'base-domain',
    env: 'BURGAGE_BASE_DOMAIN',
    schema: domain(),
    default: 'localhost',
    description: 'Domain that all tenants share',
  },
});

/** The gateway alone, with its routes in a file. */
export const aloneSettings = defineSettings({
  ...listening,
  routes: { flag: 'routes', schema: text, description: 'File with the routes, one JSON object a line' },
  baseDomain: {
    flag: 'base-domain',
    env: 'BURGAGE_BASE_DOMAIN',
    schema: domain().optional(),
    description: 'Domain that all tenants share, where they do',
  },
});

function domain() {
  return z.string().transform((value, context) => {
    const host = normalizeHost(value);
    if (host.ok) return host.value;
    context.addIssue({ code: 'custom', message: host.error.fields.map(({ description }) => description).join(', ') });
    return z.NEVER;
  });
}

/** Addresses and networks with commas between. */
function networks() {
  return text.transform((value, context) => {
    const list = new BlockList();
    for (const word of value.split(',').map((one) => one.trim())) {
      const [address = '', prefix, ...more] = word.split('/');
      const bits = isIP(address) === 6 ? 128 : 32;
      const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
      if (isIP(address) === 0 || address.includes('%') || !isPrefix || more.length > 0) {
        context.addIssue({ code: 'custom', message: `got ${JSON.stringify(word)}, expected an address or a network such as 10.0.0.0/8` });
        return z.NEVER;
      }
      list.addSubnet(address, prefix === undefined ? bits : Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4');
    }
    return list;
  });
}

/** The token in the file; undefined where no file is named. @throws BurgageError `config_invalid` where it cannot be read or is empty. */
export async function readToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const token = (await readSettingFile('internal-token-file', file)).trim();
  if (token === '')
    throw new BurgageError('config_invalid', { message: `--internal-token-file: ${JSON.stringify(file)} is empty; expected a token.` });
  return token;
}

/** The text of a file that a flag names. @throws BurgageError `config_invalid` that says why it cannot be read. */
export async function readSettingFile(flag: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const reason = readFailures[code] ?? `cannot be read (${code || String(error)})`;
    throw new BurgageError('config_invalid', { message: `--${flag}: ${JSON.stringify(file)} ${reason}.`, cause: error });
  }
}

const readFailures: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist: a part of its path is no folder',
  EISDIR: 'is a folder, expected a file',
  EACCES: 'may not be read by this user',
};

interface Listening {
  readonly host: string;
  readonly port: number;
  readonly httpsPort?: number | undefined;
  readonly certificates?: string | undefined;
  readonly adminHost: string;
  readonly adminPort: number;
}

/** @throws BurgageError `config_invalid` where listeners would be in each other's way, or TLS has not all that it needs. */
export async function checkListening({ host, port, httpsPort, certificates, adminHost, adminPort }: Listening): Promise<void> {
  const listeners = [
    { flag: 'port', host, port },
    ...(httpsPort === undefined ? [] : [{ flag: 'https-port', host, port: httpsPort }]),
    { flag: 'admin-port', host: adminHost, port: adminPort },
  ];
  for (const [index, later] of listeners.entries()) {
    const other = listeners.slice(0, index).find((earlier) => earlier.port === later.port && isSameAddress(earlier.host, later.host));
    if (other !== undefined && later.port !== 0) {
      throw invalid(`--${later.flag}: ${later.port} is the port of --${other.flag} too; expected another one.`);
    }
  }
  if (httpsPort === undefined && certificates === undefined) return;
  if (httpsPort === undefined) throw invalid('--certificates: came without --https-port; expected both or neither.');
  if (certificates === undefined) throw invalid('--https-port: came without --certificates; expected both or neither.');
  const found = await stat(certificates).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    const reason = readFailures[found.code ?? ''] ?? `cannot be read (${found.code})`;
    throw invalid(`--certificates: ${JSON.stringify(certificates)} ${reason}.`);
  }
  if (!found.isDirectory()) throw invalid(`--certificates: ${JSON.stringify(certificates)} is a file, expected a folder.`);
}

/** The registry is told where the admin port is before a gateway that takes over listens there. @throws BurgageError `config_invalid`. */
export function checkHandOver({ handOver, adminPort }: { readonly handOver: boolean; readonly adminPort: number }): void {
  if (handOver && adminPort === 0) throw invalid('--admin-port: got 0 with --hand-over; expected one that stays the same.');
}

function isSameAddress(one: string, other: string): boolean {
  return one === other || [one, other].some((address) => address === '0.0.0.0' || address === '::');
}

function invalid(message: string): BurgageError {
  return new BurgageError('config_invalid', { message });
}

/** What the log is written with. */
export function logOptions({ logLevel, logFile }: { readonly logLevel: LogLevel; readonly logFile?: string | undefined }): LoggerOptions {
  return { service: 'gateway', level: logLevel, ...(logFile !== undefined && { destination: logFile }) };
}

/**
 * Threads that serve; undefined where the main thread does. @throws BurgageError `config_invalid` with `--hand-over`: workers
 * have sockets of their own, and what waits at one that is closed is lost.
 */
export function workersOf(
  { workers: count, handOver }: { readonly workers: number; readonly handOver: boolean },
  log: LoggerOptions,
): Workers | undefined {
  if (count > 1 && handOver) throw invalid(`--workers: got ${count} with --hand-over, expected 1: several cannot hand over their ports.`);
  return count === 1 ? undefined : { count, log };
}

/** The bounds of this process. @throws BurgageError `config_invalid` where it may not open as many files as they need. */
export function limitsOf({
  clientConnectionsMax: wanted,
  workers,
}: {
  clientConnectionsMax?: number | undefined;
  workers: number;
}): Limits {
  const most = defaultLimits.clientConnectionsMax;
  return { ...defaultLimits, clientConnectionsMax: clientConnectionsWithin(openFilesMax(), { wanted, workers, most }) };
}

/** The flags of the gateway alone, for people. */
export const aloneUsage = usageOf(aloneSettings);
