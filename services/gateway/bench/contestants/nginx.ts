// nginx with what it has of the same features.
//
// It has on: a map from host to tenant; a rate (limit_req) and concurrency (limit_conn) for each tenant, the same for all of
// them; a size of bodies; X-Forwarded-* and a request id both ways; connections to the app that are kept; its counters
// (stub_status); a buffered JSON access log.
// It has not: limits by plan, states of tenants, traceparent, cookies taken off, choice by load with ejection and a budget of
// retries (the app has one endpoint here), metrics by tenant with histograms, a table that changes without a reload.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningServer, type Site, startServer } from '@burgage/lab';
import { hostName, linesFor, tenantId, type World } from '../world.ts';
import { accessLog, type Contestant } from './contestant.ts';

const logFields = {
  time: '$time_iso8601',
  requestId: '$request_id',
  client: '$remote_addr',
  method: '$request_method',
  host: '$host',
  path: '$uri',
  tenant: '$tenant',
  endpoint: '$upstream_addr',
  status: '$status',
  bytesIn: '$request_length',
  bytesOut: '$body_bytes_sent',
  firstByte: '$upstream_header_time',
  duration: '$request_time',
};

/** Its own buffers are 8 of 4 KB: much more work where answers are large. */
const largeBuffers = `
    proxy_buffers 32 16k;
    proxy_busy_buffers_size 128k;`;

export const nginx: Contestant = { name: 'nginx', start: (world) => start(world, largeBuffers) };

/** With the buffers that it comes with, which is how most run it. */
export const nginxDefaults: Contestant = { name: 'nginx-defaults', cases: ['body-1mb'], start: (world) => start(world, '') };

async function start(world: World, buffers: string): Promise<RunningServer> {
  const map = join(world.folder, `nginx${buffers === '' ? '-defaults' : ''}.map`);
  await writeFile(
    map,
    linesFor(world.hosts, (number) => `${hostName(number)} ${tenantId(number)};`),
  );
  return await startServer('nginx', {
    main: 'worker_processes 1;',
    events: 'worker_connections 8192;',
    http: (site) => configuration(site, world, map, buffers),
  });
}

function configuration({ host, port, folder }: Site, { hosts, limits, backend, tls }: World, map: string, buffers: string): string {
  // 128 bytes for each key that was seen lately.
  const zoneMegabytes = Math.max(1, Math.ceil((hosts * 256) / 2 ** 20));
  return `
log_format access escape=json '${JSON.stringify(logFields)}';
access_log ${join(folder, accessLog)} access buffer=64k flush=1s;

map_hash_max_size ${Math.max(2_048, 2 * hosts)};
map_hash_bucket_size 128;
map $host $tenant {
  default "";
  include ${map};
}
map $http_upgrade $connection_upstream {
  default upgrade;
  "" "";
}

limit_req_zone $tenant zone=rate:${zoneMegabytes}m rate=${limits.requestsPerSecond}r/s;
limit_conn_zone $tenant zone=concurrency:${zoneMegabytes}m;

upstream app {
  server ${backend};
  keepalive 256;
  keepalive_requests 1000000000;
}

server {
  listen ${host}:${port}${tls === undefined ? '' : ' ssl http2'} backlog=4096;
  ${tls === undefined ? '' : `ssl_certificate ${tls.certFile};\n  ssl_certificate_key ${tls.keyFile};\n  ssl_protocols TLSv1.3;`}
  keepalive_requests 1000000000;
  client_max_body_size ${limits.bodyBytesMax};

  if ($tenant = "") {
    return 404;
  }

  location / {
    limit_req zone=rate burst=${limits.requestsPerSecond} nodelay;
    limit_req_status 429;
    limit_conn concurrency ${limits.concurrency};
    limit_conn_status 429;

    proxy_pass http://app;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header Connection $connection_upstream;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Request-Id $request_id;
    add_header X-Request-Id $request_id;

    # Never to a file: a client that is slow to read holds the app back, as with the others.
    proxy_max_temp_file_size 0;${buffers}
  }

  location = /_metrics {
    stub_status;
  }
}
`;
}
