// Our gateway, as a process of its own on a file of routes.
//
// It has on: a host table; each tenant's state, rate (GCRA), concurrency and size of bodies; least-inflight choice, ejection and
// retries with a budget; Forwarded and X-Forwarded-*, request id and traceparent; names that clients may not send and cookies
// for the shared domain taken off; a buffered JSON access log; metrics with a histogram for each of the busiest tenants.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { generateContextKey } from '@burgage/app-kit';
import { runServer, type ServerProduct } from '@burgage/lab';
import { askStatus } from '../ask-status.ts';
import { domain, hostName, linesFor, tenantId } from '../world.ts';
import { accessLog, type Contestant } from './contestant.ts';

const command = resolve(import.meta.dirname, '../../../../cli/bin/burgage.js');

interface GatewayOptions {
  readonly routes: string;
  readonly contextKeys: string | undefined;
  /** Of the folder of certificates; absent: everything is in the clear. */
  readonly certificates: string | undefined;
}

const gateway: ServerProduct<GatewayOptions> = {
  name: 'burgage',
  summary: 'our gateway alone',
  builds: [],
  scheme: 'http',
  usualPort: 8080,
  processes: ({ host, port, folder }, { routes, contextKeys, certificates }) => [
    {
      name: 'gateway',
      command: process.execPath,
      args: [
        command,
        'gateway',
        ...['--routes', routes, '--host', host, '--base-domain', domain],
        ...(certificates === undefined
          ? ['--port', String(port)]
          : ['--port', '0', '--https-port', String(port), '--certificates', certificates]),
        ...['--access-log', join(folder, accessLog), '--log-level', 'warn'],
        ...(contextKeys === undefined ? [] : ['--context-keys', contextKeys]),
      ],
      // It does not know the host, and says so.
      answers: async () => (await askStatus({ host, port }, certificates !== undefined)) === 404,
    },
  ],
};

export const burgage: Contestant = {
  name: 'burgage',
  compilesAtWork: true,
  async start({ hosts, limits, backend, folder, tls, tenantContexts }) {
    const routes = join(folder, 'routes.ndjson');
    const line = (number: number): string =>
      JSON.stringify({ host: hostName(number), tenant: tenantId(number), plan: 'bench', backends: [backend], limits });
    await writeFile(routes, linesFor(hosts, line));
    const contextKeys = tenantContexts ? join(folder, 'context-keys.json') : undefined;
    if (contextKeys !== undefined) await writeFile(contextKeys, JSON.stringify({ keys: [await generateContextKey()] }), { mode: 0o600 });
    const certificates = tls === undefined ? undefined : join(folder, 'certificates');
    if (tls !== undefined && certificates !== undefined) {
      // The clients of the measurement name nobody.
      const place = join(certificates, 'default');
      await mkdir(place, { recursive: true });
      await copyFile(tls.certFile, join(place, 'tls.crt'));
      await copyFile(tls.keyFile, join(place, 'tls.key'));
    }
    return await runServer(gateway, { routes, contextKeys, certificates });
  },
};
