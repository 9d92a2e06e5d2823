// Who is compared: our engine, the oracle, nginx and HAProxy, each on several lanes that have a backend of their own.
import type { Site } from '@burgage/lab';
import type { Timeouts } from '../../defaults.ts';
import type { CreateEngine } from '../../engine/engine.ts';
import { startGateway } from '../fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

/** Whoever waits in vain for more says so, or goes, after this time. */
const waitMs = 500;

/** One way through a contestant: one case at a time. */
export interface Lane {
  readonly host: string;
  readonly port: number;
  readonly backend: RecordingBackend;
}

export function startBackends(count: number): Promise<RecordingBackend[]> {
  return Promise.all(Array.from({ length: count }, () => RecordingBackend.start()));
}

const timeouts: Partial<Timeouts> = {
  headMs: waitMs,
  bodyIdleMs: waitMs,
  keepAliveMs: waitMs,
  firstByteMs: waitMs,
  streamIdleMs: waitMs,
  lingerMs: 100,
};

/** One of our engines: a gateway for each lane. */
export async function gatewayLanes(createEngine: CreateEngine, backends: readonly RecordingBackend[]): Promise<Lane[]> {
  return Promise.all(
    backends.map(async (backend) => {
      const { port } = await startGateway([{ host: 'acme.test', backends: [backend.address] }], { createEngine, timeouts });
      return { host: '127.0.0.1', port, backend };
    }),
  );
}

/** All of 127.0.0.0/8 is this machine: a server has a lane for each of its first addresses, on the one port. */
function laneHost(lane: number): string {
  return `127.0.0.${lane + 1}`;
}

export function serverLanes(port: number, backends: readonly RecordingBackend[]): Lane[] {
  return backends.map((backend, lane) => ({ host: laneHost(lane), port, backend }));
}

/** nginx as it comes, with connections to the app that are kept; it waits for no body before it forwards the head. */
export function nginxHttp({ port }: Site, backends: readonly RecordingBackend[]): string {
  return `
access_log off;
client_header_timeout ${waitMs}ms;
client_body_timeout ${waitMs}ms;
keepalive_timeout ${waitMs}ms;
proxy_read_timeout ${waitMs}ms;
lingering_close always;
lingering_timeout 100ms;
proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header Connection "";
proxy_request_buffering off;
proxy_next_upstream off;
${backends
  .map(
    (backend, lane) => `
upstream lane_${lane} { server ${backend.address}; keepalive 8; }
server { listen ${laneHost(lane)}:${port}; location / { proxy_pass http://lane_${lane}; } }`,
  )
  .join('')}`;
}

/** HAProxy as it comes, with connections to the app that are shared. */
export function haproxyConfig({ port }: Site, backends: readonly RecordingBackend[]): string {
  return `
global
  nbthread 1

defaults
  mode http
  timeout connect 1s
  timeout client ${waitMs}ms
  timeout server ${waitMs}ms
  timeout http-request ${waitMs}ms
  timeout http-keep-alive ${waitMs}ms
  retries 0
  http-reuse always
${backends
  .map(
    (backend, lane) => `
frontend lane_${lane}
  bind ${laneHost(lane)}:${port}
  default_backend lane_${lane}
backend lane_${lane}
  server app ${backend.address}
`,
  )
  .join('')}`;
}
