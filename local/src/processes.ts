// What `npm start` runs: the shared app, the control plane and the gateway, each with its arguments.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DataPaths } from '@burgage/data-folder';
import { instanceLogs, type WantedInstance } from '@burgage/provisioner/instances';
import type { Catalog } from '@burgage/tenancy';
import { permittedArguments } from './app-permissions.ts';
import type { ProcessSpec } from './supervisor.ts';

export interface PlatformPorts {
  readonly api: number;
  readonly app: number;
  readonly controlAdmin: number;
  readonly gatewayAdmin: number;
}

export interface PlatformLayout {
  /** The root of the repository. */
  readonly repository: string;
  readonly paths: DataPaths;
  readonly host: string;
  readonly port: number;
  readonly baseDomain: string;
  readonly logLevel: string;
  /** A catalog by name or file, and what it says. */
  readonly catalogName: string;
  readonly catalog: Catalog;
  /** Whether tenants get the isolation of their plan; otherwise all get pool. */
  readonly dedicated: boolean;
  readonly ports: PlatformPorts;
}

export interface PlatformProcesses {
  readonly app: ProcessSpec;
  readonly control: ProcessSpec;
  readonly gateway: ProcessSpec;
}

const loopback = '127.0.0.1';

/** The upstream of the shared app. */
export function sharedUpstream(catalog: Catalog): string {
  return `${catalog.app.name}-shared`;
}

/** Where the shared app keeps its data. */
export function sharedAppFolder(paths: DataPaths, catalog: Catalog): string {
  return join(paths.apps, sharedUpstream(catalog));
}

/** The environment that every child gets: what Node and the terminal need, and nothing that might be a secret. */
export function plainEnvironment(): Record<string, string> {
  const kept = [
    'PATH',
    'HOME',
    'TMPDIR',
    'TZ',
    'LANG',
    'SYSTEMROOT',
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'OTEL_EXPORTER_OTLP_HEADERS',
    'NODE_V8_COVERAGE',
  ];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

/** Flags that have a supervised process end with its supervisor. */
export function lifeline(repository: string): string[] {
  return ['--import', lifelineFile(repository)];
}

function lifelineFile(repository: string): string {
  return join(repository, 'local/src/lifeline.ts');
}

/** Of each of the two files of an instance's log. */
const instanceLogBytesMax = 1024 * 1024;

/** The shared app; it takes the keys of tenant contexts from the gateway whose admin port is given. */
export function appProcess(paths: DataPaths, catalog: Catalog, port: number, gatewayAdminPort: number): ProcessSpec {
  const name = sharedUpstream(catalog);
  const folder = sharedAppFolder(paths, catalog);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    name,
    args: permittedArguments(catalog.app.entry, folder),
    env: appEnvironment(name, port, gatewayAdminPort, folder),
    cwd: folder,
    logFile: join(paths.logs, `${name}.log`),
    readyUrl: `http://${loopback}:${port}/healthz`,
  };
}

/** What instances are made of. */
export interface InstanceLayout {
  readonly repository: string;
  readonly paths: DataPaths;
  readonly catalog: Catalog;
  /** Of the gateway that has the keys of tenant contexts. */
  readonly gatewayAdminPort: number;
}

/** The app once more, for one tenant: it takes no requests for another. */
export function instanceProcess({ repository, paths, catalog, gatewayAdminPort }: InstanceLayout, wanted: WantedInstance): ProcessSpec {
  const { name, tenantId, upstream, port } = wanted;
  const folder = join(paths.apps, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    name,
    args: permittedArguments(catalog.app.entry, folder, lifelineFile(repository)),
    env: { ...appEnvironment(upstream, port, gatewayAdminPort, folder), BURGAGE_TENANT: tenantId },
    cwd: folder,
    logFile: instanceLogs(paths.instanceLogs, name)[0],
    logBytesMax: instanceLogBytesMax,
    ownPort: port,
    readyUrl: `http://${loopback}:${port}/healthz`,
  };
}

function appEnvironment(upstream: string, port: number, gatewayAdminPort: number, folder: string): Record<string, string> {
  return {
    ...plainEnvironment(),
    BURGAGE_APP_ADDRESS: `${loopback}:${port}`,
    BURGAGE_UPSTREAM: upstream,
    BURGAGE_JWKS_URL: `http://${loopback}:${gatewayAdminPort}/jwks.json`,
    BURGAGE_APP_DATA: folder,
  };
}

export function platformProcesses(layout: PlatformLayout): PlatformProcesses {
  const { repository, paths, catalog, ports, host, port, baseDomain, logLevel } = layout;
  const env = plainEnvironment();
  return {
    app: appProcess(paths, catalog, ports.app, ports.gatewayAdmin),
    control: {
      name: 'control',
      args: [
        ...lifeline(repository),
        join(repository, 'local/src/control.ts'),
        ...flags({
          data: paths.root,
          catalog: layout.catalogName,
          dedicated: layout.dedicated ? 'on' : 'off',
          'base-domain': baseDomain,
          'public-port': port,
          'api-port': ports.api,
          'admin-port': ports.controlAdmin,
          'app-address': `${loopback}:${ports.app}`,
          'log-level': logLevel,
        }),
      ],
      env,
      cwd: repository,
      logFile: join(paths.logs, 'control.log'),
      readyUrl: `http://${loopback}:${ports.controlAdmin}/readyz`,
    },
    gateway: {
      name: 'gateway',
      args: [
        ...lifeline(repository),
        join(repository, 'services/gateway/src/main.ts'),
        ...flags({
          host,
          port,
          'admin-port': ports.gatewayAdmin,
          registry: `unix:${join(paths.sockets, 'registry.sock')}`,
          table: join(paths.gateway, 'routes.table'),
          'context-keys': paths.contextKeys,
          'internal-token-file': paths.internalToken,
          'gateway-id': 'gateway-1',
          'access-log': join(paths.logs, 'access.log'),
        }),
      ],
      env,
      cwd: repository,
      logFile: join(paths.logs, 'gateway.log'),
      readyUrl: `http://${loopback}:${ports.gatewayAdmin}/healthz`,
    },
  };
}

/** `--name value` for each. */
export function flags(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
