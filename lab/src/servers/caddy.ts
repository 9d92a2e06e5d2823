// Caddy.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goProgram } from '../go.ts';
import { acceptsConnections } from '../probes.ts';
import type { ServerProduct, Site } from '../product.ts';

export interface CaddyOptions {
  /** Its whole Caddyfile, without an admin endpoint unless `admin` says so; default: everything is answered with 200. */
  readonly config?: (site: Site) => string;
  /** On how many cores its Go code runs at once; default: all. */
  readonly coresMax?: number;
}

const build = goProgram({ name: 'caddy', version: '2.11.9', package: 'github.com/caddyserver/caddy/v2/cmd/caddy', usuallySeconds: 70 });

export const caddy: ServerProduct<CaddyOptions> = {
  name: 'caddy',
  summary: 'Caddy',
  builds: [build],
  scheme: 'http',
  usualPort: 8083,
  prepare: (place, { config = answerAll }) => writeFile(configFile(place), config(place)),
  processes: (place, { coresMax }) => [
    {
      name: 'caddy',
      command: join(place.folderOf(build), 'caddy'),
      args: ['run', '--adapter', 'caddyfile', '--config', configFile(place)],
      ...(coresMax !== undefined && { env: { GOMAXPROCS: String(coresMax) } }),
      answers: () => acceptsConnections(place.host, place.port),
    },
  ],
};

function configFile({ folder }: Site): string {
  return join(folder, 'Caddyfile');
}

function answerAll({ host, port }: Site): string {
  return `
{
  admin off
  persist_config off
  auto_https off
}

:${port} {
  bind ${host}
  respond "caddy\n"
}
`;
}
