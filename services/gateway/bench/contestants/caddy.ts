// Caddy with what it has of the same features.
//
// It has on: a list of hosts; a size of bodies; X-Forwarded-* and a request id; connections to the app that are kept; its
// metrics; a JSON access log, a write for each line.
// It has not: tenants, limits of rate and concurrency (modules of others have), traceparent, cookies taken off, metrics by
// tenant.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Site, startServer } from '@burgage/lab';
import { hostName, linesFor, type World } from '../world.ts';
import { accessLog, type Contestant } from './contestant.ts';

export const caddy: Contestant = {
  name: 'caddy',
  async start(world) {
    const list = join(world.folder, 'caddy.hosts');
    await writeFile(
      list,
      linesFor(world.hosts, (number) => `host ${hostName(number)}`),
    );
    return await startServer('caddy', { coresMax: 1, config: (site) => configuration(site, world, list) });
  },
};

function configuration({ host, port, folder }: Site, { limits, backend, tls }: World, list: string): string {
  return `
{
	admin off
	persist_config off
	auto_https off
	${tls === undefined ? '' : `default_sni ${tls.name}\n\tfallback_sni ${tls.name}`}
	metrics
	servers {
		protocols h1 h2
	}
	log default {
		level WARN
	}
}

${tls === undefined ? '' : 'https://'}:${port} {
	bind ${host}
	${tls === undefined ? '' : `tls ${tls.certFile} ${tls.keyFile} {\n\t\tprotocols tls1.3\n\t}`}
	log {
		output file ${join(folder, accessLog)} {
			roll_disabled
		}
		format json
	}

	@known {
		import ${list}
	}
	handle @known {
		request_body {
			max_size ${limits.bodyBytesMax}
		}
		header X-Request-Id {http.request.uuid}
		reverse_proxy ${backend} {
			header_up X-Request-Id {http.request.uuid}
			transport http {
				compression off
				keepalive 75s
				keepalive_idle_conns_per_host 256
			}
		}
	}
	handle {
		respond 404
	}
}
`;
}
