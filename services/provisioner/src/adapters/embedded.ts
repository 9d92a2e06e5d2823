// The embedded drivers: everything that one machine needs, in one place.
import { mkdir } from 'node:fs/promises';
import type { Clock, Random } from '@burgage/runtime';
import type { Certificates, Databases, Dns, Infrastructure } from '../domain/ports.ts';
import { createFences } from './fences.ts';
import { createFolderArchives } from './folder-archives.ts';
import { createFolderFiles } from './folder-files.ts';
import { createFolderMail } from './folder-mail.ts';
import { createHttpTenantApp, type HttpTenantAppOptions } from './http-tenant-app.ts';
import { createLocalCompute } from './local-compute.ts';

export interface EmbeddedDriversOptions extends HttpTenantAppOptions {
  /** Where the shared app keeps its data. */
  readonly appFolder: string;
  /** Holds the folders of all apps. */
  readonly appsFolder: string;
  /** Where the supervisor looks for what is to run. */
  readonly instancesFolder: string;
  readonly instanceLogsFolder: string;
  /** Holds one folder a tenant. */
  readonly filesFolder: string;
  readonly archivesFolder: string;
  /** 32 bytes that nobody else has: without them no archive can be read. */
  readonly archiveKey: Uint8Array;
  /** Holds what keeps late writers out. */
  readonly fencesFolder: string;
  readonly mailFolder: string;
  readonly urlOf: (slug: string) => string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Answers 2xx at an app that runs, whichever tenants it serves. */
const healthPath = '/healthz';

/** Every driver of one machine. Several processes of it may use the same folders. */
export function embeddedDrivers(options: EmbeddedDriversOptions): Omit<Infrastructure, 'tenants'> {
  const { clock, random } = options;
  const fences = createFences({ folder: options.fencesFolder, clock, random });
  return {
    app: createHttpTenantApp(options),
    compute: createLocalCompute({ ...options, healthPath, fences }),
    databases: createAppDatabases(options.appFolder),
    files: createFolderFiles(options.filesFolder, fences),
    archives: createFolderArchives({ folder: options.archivesFolder, key: options.archiveKey, fences, random }),
    certificates: noCertificates,
    dns: noDns,
    mail: createFolderMail(options.mailFolder, clock),
    urlOf: options.urlOf,
  };
}

const databaseOf = {
  pool: 'rows in the shared database',
  bridge: 'a database of its own in the shared app',
  silo: 'a database of its own in its own process',
} as const;

/** SQLite files that the apps keep in their own folders, and make when a tenant is prepared there. */
export function createAppDatabases(appFolder: string): Databases {
  return {
    async ensure(_tenant, isolation) {
      if (isolation !== 'silo') await mkdir(appFolder, { recursive: true, mode: 0o700 });
      return { needed: true, detail: databaseOf[isolation] };
    },
  };
}

export const noCertificates: Certificates = {
  async ensure() {
    return { needed: false, reason: 'served over plain HTTP on this machine' };
  },
};

export const noDns: Dns = {
  async ensure() {
    return { needed: false, reason: '*.localhost needs no records' };
  },
};
