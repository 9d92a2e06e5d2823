// `npm run start:mesh` for stories: on engines that the story gives, with databases of their own for each data folder.
import { basename } from 'node:path';
import { freePort } from '../src/ports.ts';
import type { PlatformKind } from './platform.ts';

export interface Engines {
  /** Address of a MongoDB on which databases may be made. */
  readonly mongo: string;
  /** Address of a NATS that serves one data folder only. */
  readonly nats: string;
}

/** `engines` is asked whenever a platform starts on `data`: the same folder gets the same engines. */
export function meshKind(engines: (data: string) => Promise<Engines>): PlatformKind {
  return {
    name: 'on MongoDB and NATS, every service a process of its own',
    program: 'local/src/mesh.ts',
    control: ['registry-1', 'registry-2', 'provisioner-1', 'provisioner-2', 'api'],
    gateways: ['gateway-1', 'gateway-2'],
    app: 'desk-shared',
    surroundings: async (data) => {
      const { mongo, nats } = await engines(data);
      return {
        args: ['--second-port', String(await freePort('127.0.0.1'))],
        env: { BURGAGE_STORE: withDatabase(mongo, basename(data)), BURGAGE_EVENTS: nats },
      };
    },
  };
}

/** The address with a database name made from `name` as its path. */
function withDatabase(url: string, name: string): string {
  const [server = '', options] = url.split('?');
  const database = name.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_');
  return `${server.replace(/\/$/, '')}/${database}${options === undefined ? '' : `?${options}`}`;
}
