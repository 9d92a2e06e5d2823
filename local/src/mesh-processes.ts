// What `npm run start:mesh` runs: every service as a process of its own, in replicas, with mutual TLS between them.
import { join } from 'node:path';
import type { DataPaths } from '@burgage/data-folder';
import type { TlsFiles } from '@burgage/rpc';
import type { Catalog } from '@burgage/tenancy';
import { appProcess, flags, lifeline, plainEnvironment, sharedUpstream } from './processes.ts';
import { shownPort } from './running.ts';
import type { ProcessSpec } from './supervisor.ts';

export const replicas = 2;

/** One port for each replica. */
export interface ReplicaPorts {
  readonly service: number;
  readonly admin: number;
}

export interface MeshPorts {
  readonly gateways: readonly ReplicaPorts[];
  readonly registries: readonly ReplicaPorts[];
  readonly provisioners: readonly ReplicaPorts[];
  readonly api: ReplicaPorts;
  readonly app: number;
}

export interface MeshLayout {
  /** The root of the repository. */
  readonly repository: string;
  readonly paths: DataPaths;
  /** Where the gateways listen. */
  readonly host: string;
  readonly baseDomain: string;
  readonly logLevel: string;
  /** A catalog by name or file, and what it says. */
  readonly catalogName: string;
  readonly catalog: Catalog;
  /** Whether tenants get the isolation of their plan; otherwise all get pool. */
  readonly dedicated: boolean;
  readonly ports: MeshPorts;
  /** Address of MongoDB, whose path is the beginning of each service's database, and of NATS; they may carry passwords, so they go by environment. */
  readonly store: string;
  readonly events: string;
  /** Certificate and key of a service. */
  readonly tlsOf: (service: string) => TlsFiles;
}

export interface MeshProcesses {
  readonly gateways: readonly ProcessSpec[];
  /** The control plane and the app. */
  readonly rest: readonly ProcessSpec[];
}

const loopback = '127.0.0.1';

/** The replicas of a service, as its clients take them. */
export function addressesOf(ports: readonly ReplicaPorts[]): string {
  return ports.map(({ service }) => `${loopback}:${service}`).join(',');
}

/**
 * The address of a service's own database: `…/burgage` -> `…/burgage_registry`. A user is looked for where the address as
 * given has it looked for: in its own database, or in `admin` where it names none.
 */
export function databaseUrl(store: string, service: string): string {
  const [, server = '', path = '', query = ''] = /^([a-z+]+:\/\/[^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(store) ?? [];
  const options = new URLSearchParams(query);
  if (server.includes('@') && !options.has('authSource')) options.set('authSource', path || 'admin');
  return `${server}/${path || 'burgage'}_${service}${options.size === 0 ? '' : `?${options}`}`;
}

export function meshProcesses(layout: MeshLayout): MeshProcesses {
  const { repository, paths, host, baseDomain, logLevel, catalogName, catalog, dedicated, ports, store, events, tlsOf } = layout;
  const registry = addressesOf(ports.registries);
  const provisioner = addressesOf(ports.provisioners);
  const publicUrl = `http://{slug}.${baseDomain}${shownPort(ports.gateways[0]?.service ?? 80)}`;

  const process = (service: string, name: string, adminPort: number, values: Readonly<Record<string, string | number>>): ProcessSpec => {
    const tls = tlsOf(service);
    return {
      name,
      args: [
        ...lifeline(repository),
        join(repository, `services/${service}/src/main.ts`),
        ...flags({
          ...values,
          'admin-port': adminPort,
          'tls-ca': tls.caFile,
          'tls-cert': tls.certFile,
          'tls-key': tls.keyFile,
          'log-level': logLevel,
        }),
      ],
      env: plainEnvironment(),
      cwd: repository,
      logFile: join(paths.logs, `${name}.log`),
      readyUrl: `http://${loopback}:${adminPort}/readyz`,
    };
  };
  const control = (service: string, name: string, adminPort: number, values: Readonly<Record<string, string | number>>): ProcessSpec => {
    const spec = process(service, name, adminPort, { data: paths.root, ...values });
    return { ...spec, env: { ...spec.env, BURGAGE_STORE: databaseUrl(store, service), BURGAGE_EVENTS: events } };
  };

  return {
    gateways: ports.gateways.map(({ service: port, admin }, index) => {
      const name = `gateway-${index + 1}`;
      const spec = process('gateway', name, admin, {
        host,
        port,
        registry,
        'base-domain': baseDomain,
        table: join(paths.gateway, `${name}.table`),
        'context-keys': paths.contextKeys,
        'internal-token-file': paths.internalToken,
        'gateway-id': name,
        'access-log': join(paths.logs, `${name}-access.log`),
      });
      // It serves what it knows before the registry is there.
      return { ...spec, readyUrl: `http://${loopback}:${admin}/healthz` };
    }),
    rest: [
      ...ports.registries.map(({ service: port, admin }, index) =>
        control('registry', `registry-${index + 1}`, admin, {
          address: `${loopback}:${port}`,
          catalog: catalogName,
          dedicated: dedicated ? 'on' : 'off',
          'base-domain': baseDomain,
        }),
      ),
      ...ports.provisioners.map(({ service: port, admin }, index) =>
        control('provisioner', `provisioner-${index + 1}`, admin, {
          address: `${loopback}:${port}`,
          registry,
          dedicated: dedicated ? 'on' : 'off',
          upstream: sharedUpstream(catalog),
          'ready-path': catalog.app.readyPath,
          'tenant-url': publicUrl,
          instances: paths.instances,
          archives: paths.archives,
          'archive-key': paths.archiveKey,
          worker: `provisioner-${index + 1}`,
        }),
      ),
      control('api', 'api', ports.api.admin, {
        port: ports.api.service,
        registry,
        provisioner,
        catalog: catalogName,
        'public-url': publicUrl,
      }),
      appProcess(paths, catalog, ports.app, ports.gateways[0]?.admin ?? 0),
    ],
  };
}
