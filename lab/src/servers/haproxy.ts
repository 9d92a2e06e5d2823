// HAProxy, as Debian builds it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debianProgram } from '../debian.ts';
import { acceptsConnections } from '../probes.ts';
import type { ServerProduct, Site } from '../product.ts';

export interface HaproxyOptions {
  /** Its whole configuration; default: everything is answered with 200. */
  readonly config?: (site: Site) => string;
}

const program = 'usr/sbin/haproxy';
const build = debianProgram({ name: 'haproxy', packages: ['haproxy'], program, usuallySeconds: 5 });

export const haproxy: ServerProduct<HaproxyOptions> = {
  name: 'haproxy',
  summary: 'HAProxy',
  builds: [build],
  scheme: 'http',
  usualPort: 8082,
  prepare: (place, { config = answerAll }) => writeFile(configFile(place), config(place)),
  processes: (place) => [
    {
      name: 'haproxy',
      command: join(place.folderOf(build), program),
      // In the foreground, whatever its configuration says.
      args: ['-db', '-f', configFile(place)],
      answers: () => acceptsConnections(place.host, place.port),
    },
  ],
};

function configFile({ folder }: Site): string {
  return join(folder, 'haproxy.cfg');
}

function answerAll({ host, port }: Site): string {
  return `
defaults
  mode http
  timeout client 60s

frontend all
  bind ${host}:${port}
  http-request return status 200 content-type text/plain string "haproxy\\n"
`;
}
