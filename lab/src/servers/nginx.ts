// nginx, as Debian builds it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debianProgram } from '../debian.ts';
import { acceptsConnections } from '../probes.ts';
import type { Place, ServerProduct, Site } from '../product.ts';

export interface NginxOptions {
  /** What `http` holds, but for the folders of temporary files; default: a server that answers everything with 200. */
  readonly http?: (site: Site) => string;
  /** What `events` holds; default: nothing. */
  readonly events?: string;
  /** Lines outside of both, such as `worker_processes 2;`. */
  readonly main?: string;
}

const program = 'usr/sbin/nginx';
const build = debianProgram({ name: 'nginx', packages: ['nginx'], program, usuallySeconds: 5 });

export const nginx: ServerProduct<NginxOptions> = {
  name: 'nginx',
  summary: 'nginx',
  builds: [build],
  scheme: 'http',
  usualPort: 8081,
  prepare: (place, options) => writeFile(configFile(place), configuration(place, options)),
  processes: (place) => [
    {
      name: 'nginx',
      command: join(place.folderOf(build), program),
      args: ['-p', place.folder, '-c', configFile(place), '-e', 'stderr'],
      answers: () => acceptsConnections(place.host, place.port),
    },
  ],
};

function configFile({ folder }: Site): string {
  return join(folder, 'nginx.conf');
}

function configuration(place: Place, { http = answerAll, events = '', main = '' }: NginxOptions): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${place.transient}/${what};`);
  return [
    // Its workers would become another user, who may not enter the folder.
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'daemon off;',
    `pid ${place.transient}/nginx.pid;`,
    'error_log stderr;',
    main,
    `events {\n${events}\n}`,
    `http {\n${temporary.join('\n')}\n${http(place)}\n}`,
    '',
  ].join('\n');
}

function answerAll({ host, port }: Site): string {
  return `access_log off;\nserver { listen ${host}:${port}; return 200 "nginx\\n"; }`;
}
