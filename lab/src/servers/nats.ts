// NATS with JetStream.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goProgram } from '../go.ts';
import { firstBytes } from '../probes.ts';
import type { ServerProduct } from '../product.ts';

export interface NatsOptions {
  /** Default true. */
  readonly jetstream?: boolean;
  /** Every write reaches the disk before it is acknowledged (`sync_interval: always`); default false: every two minutes. */
  readonly syncAlways?: boolean;
  /** With both, who does not show them is refused. */
  readonly user?: string;
  readonly password?: string;
  /** More lines of its configuration. */
  readonly config?: string;
  readonly args?: readonly string[];
}

const build = goProgram({ name: 'nats', version: '2.15.2', package: 'github.com/nats-io/nats-server/v2', usuallySeconds: 25 });

export const nats: ServerProduct<NatsOptions> = {
  name: 'nats',
  summary: 'NATS with JetStream',
  builds: [build],
  scheme: 'nats',
  usualPort: 4222,
  async prepare(place, options) {
    // In a file, as a password has no place in a list of processes.
    await writeFile(configFile(place.folder), configuration(place, options), { mode: 0o600 });
  },
  processes: ({ folderOf, folder, host, port }, { args = [], jetstream = true }) => [
    {
      name: 'nats-server',
      command: join(folderOf(build), 'nats'),
      args: ['--config', configFile(folder), ...args],
      async answers() {
        const info = (await firstBytes(host, port)).toString();
        return info.startsWith('INFO ') && (!jetstream || info.includes('"jetstream":true'));
      },
    },
  ],
};

function configFile(folder: string): string {
  return join(folder, 'nats.conf');
}

function configuration(
  { host, port, folder }: { readonly host: string; readonly port: number; readonly folder: string },
  { jetstream = true, syncAlways = false, user, password, config }: NatsOptions,
): string {
  const quoted = (text: string): string => JSON.stringify(text);
  return [
    `listen: ${quoted(`${host}:${port}`)}`,
    'server_name: lab',
    jetstream ? `jetstream { store_dir: ${quoted(join(folder, 'jetstream'))}${syncAlways ? ', sync_interval: always' : ''} }` : undefined,
    user === undefined || password === undefined ? undefined : `authorization { user: ${quoted(user)}, password: ${quoted(password)} }`,
    config,
    '',
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}
