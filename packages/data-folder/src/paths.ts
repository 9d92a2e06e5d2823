// Where everything in a data folder lies.
import { join, resolve } from 'node:path';

/** What `burgage` and other tools need to find a running Burgage. */
export interface RuntimeFile {
  readonly pid: number;
  /** The API's own loopback address. */
  readonly api: string;
  /** The gateway, by loopback address. */
  readonly gateway: string;
  readonly baseDomain: string;
  readonly publicPort: number;
  readonly tokenFile: string;
}

/** Every path in a data folder. Folders are 0700, files with secrets 0600. */
export interface DataPaths {
  readonly root: string;
  /** The transaction of the process that has the folder; nobody else opens it but to take it. */
  readonly lock: string;
  readonly adminToken: string;
  readonly internalToken: string;
  readonly contextKeys: string;
  readonly archiveKey: string;
  readonly runtimeFile: string;
  readonly format: string;
  readonly sockets: string;
  readonly store: string;
  readonly events: string;
  readonly gateway: string;
  readonly apps: string;
  readonly files: string;
  readonly mail: string;
  readonly archives: string;
  /** What is to run for one tenant each, and how it is. */
  readonly instances: string;
  readonly fences: string;
  readonly logs: string;
  readonly instanceLogs: string;
}

export function dataPaths(folder: string): DataPaths {
  const root = resolve(folder);
  const at = (...parts: string[]): string => join(root, ...parts);
  return {
    root,
    lock: at('lock'),
    adminToken: at('secrets', 'admin-token'),
    internalToken: at('secrets', 'internal-token'),
    contextKeys: at('secrets', 'context-keys.json'),
    archiveKey: at('secrets', 'archive-key'),
    runtimeFile: at('runtime.json'),
    format: at('format.json'),
    sockets: at('run'),
    store: at('store'),
    events: at('events.sqlite'),
    gateway: at('gateway'),
    apps: at('apps'),
    files: at('files'),
    mail: at('mail'),
    archives: at('archives'),
    instances: at('instances'),
    fences: at('fences'),
    logs: at('logs'),
    instanceLogs: at('logs', 'instances'),
  };
}
