// HAProxy with what it has of the same features.
//
// It has on: a map from host to tenant; a rate and a concurrency for each tenant, counted in a stick table and the same for all
// of them; a size of bodies; X-Forwarded-* and a request id both ways; connections to the app that are kept and shared; a retry
// on another endpoint; a JSON access log through a ring in memory to a log server, as it writes no files; its counters.
// It has not: states of tenants, traceparent, cookies taken off, ejection with a budget of retries (the app has one endpoint
// here), histograms by tenant.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Site, startServer } from '@burgage/lab';
import { hostName, linesFor, tenantId, type World } from '../world.ts';
import type { Contestant } from './contestant.ts';

const logFields = {
  time: '%Ts.%ms',
  requestId: '%ID',
  client: '%ci',
  method: '%HM',
  host: '%[var(txn.host)]',
  path: '%HPO',
  tenant: '%[var(txn.tenant)]',
  endpoint: '%si:%sp',
  status: '%ST',
  bytesIn: '%U',
  bytesOut: '%B',
  firstByteMs: '%Tr',
  durationMs: '%Ta',
  termination: '%tsc',
};

export const haproxy: Contestant = {
  name: 'haproxy',
  async start(world) {
    const map = join(world.folder, 'haproxy.map');
    await writeFile(
      map,
      linesFor(world.hosts, (number) => `${hostName(number)} ${tenantId(number)}`),
    );
    // It wants both in one file.
    const { tls } = world;
    if (tls !== undefined)
      await writeFile(pairFile(world), (await readFile(tls.certFile, 'utf8')) + (await readFile(tls.keyFile, 'utf8')), { mode: 0o600 });
    return await startServer('haproxy', { config: (site) => configuration(site, world, map) });
  },
};

function pairFile({ folder }: World): string {
  return join(folder, 'haproxy.pem');
}

function configuration({ host, port }: Site, world: World, map: string): string {
  const { hosts, limits, backend, logServer, tls } = world;
  const secure = tls === undefined ? '' : ` ssl crt ${pairFile(world)} alpn h2,http/1.1 ssl-min-ver TLSv1.3`;
  return `
global
  nbthread 1
  maxconn 4096
  tune.bufsize 65536
  log ring@access format raw local0

defaults
  mode http
  log global
  timeout connect 1s
  timeout client 75s
  timeout server 30s
  timeout tunnel 300s
  retries 1
  option redispatch

ring access
  format raw
  maxlen 1024
  size 4194304
  timeout connect 1s
  timeout server 10s
  server sink ${logServer}

frontend door
  bind ${host}:${port}${secure} backlog 4096
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  log-format '${JSON.stringify(logFields)}'
  http-request set-var(txn.host) req.hdr(host),field(1,:),lower
  http-request set-var(txn.tenant) var(txn.host),map_str(${map})
  http-request return status 404 if !{ var(txn.tenant) -m found }
  http-request track-sc0 var(txn.tenant) table tenants
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${limits.requestsPerSecond} }
  http-request deny deny_status 429 if { sc_conn_cur(0) gt ${limits.concurrency} }
  http-request deny deny_status 413 if { req.body_size gt ${limits.bodyBytesMax} }
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto ${tls === undefined ? 'http' : 'https'}
  http-request set-header X-Forwarded-Host %[var(txn.host)]
  http-response set-header X-Request-Id %[unique-id]
  default_backend app

backend tenants
  stick-table type string len 40 size ${Math.max(1_000, 2 * hosts)} expire 1m store http_req_rate(1s),conn_cur

backend app
  http-reuse always
  server app ${backend}
`;
}
