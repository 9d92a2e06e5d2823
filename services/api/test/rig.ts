// The api as it runs in production, over the two fakes, a real store and a gateway's admin endpoints: for tests.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { createRpcServer } from '@burgage/rpc';
import { type Component, createAdminServer, createLogger, createMetrics, Readiness, systemClock, systemRandom } from '@burgage/runtime';
import { openSqliteStore } from '@burgage/store';
import { type Catalog, parseCatalog, unwrap } from '@burgage/tenancy';
import { type ApiServiceOptions, createApiService } from '../src/service.ts';
import { FakeProvisioner, FakeRegistry } from './fakes.ts';

export const adminToken = 'admin-token-of-the-tests';
const internalToken = 'internal-token-of-the-tests';

export interface Rig {
  readonly folder: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly registry: FakeRegistry;
  readonly provisioner: FakeProvisioner;
  readonly store: Awaited<ReturnType<typeof openSqliteStore>>;
  readonly metrics: ReturnType<typeof createMetrics>;
  /** The file that the api logs to. */
  readonly logFile: string;
  readonly api: Component;
  readonly registryServer: Component;
  /** Another api over the same services, as after a restart; answers with its address. */
  startAgain(): Promise<string>;
  /** Starts a gateway's admin endpoints; answers with their address. */
  gatewayAdmin(): Promise<string>;
  /** Asks the api with the admin token, unless `init` says otherwise. */
  ask(path: string, init?: RequestInit): Promise<Response>;
  stop(): Promise<void>;
}

export async function startRig(): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), 'burgage-api-'));
  const logFile = join(folder, 'api.log');
  const logger = createLogger({ service: 'api', destination: logFile });
  const metrics = createMetrics();
  const registry = new FakeRegistry();
  const provisioner = new FakeProvisioner(registry);
  const started: Component[] = [];
  const start = async <T extends Component>(component: T): Promise<T> => {
    await component.start();
    started.unshift(component);
    return component;
  };
  const registryServer = await start(
    createRpcServer({ address: `unix:${join(folder, 'r.sock')}`, services: [registry.service()], logger, metrics }),
  );
  const provisionerServer = await start(
    createRpcServer({ address: `unix:${join(folder, 'p.sock')}`, services: [provisioner.service()], logger, metrics }),
  );
  const store = await openSqliteStore({ file: join(folder, 'api.sqlite') });
  const apiOptions: ApiServiceOptions = {
    registryAddress: registryServer.address(),
    provisionerAddress: provisionerServer.address(),
    store,
    internalToken,
    adminToken,
    catalog: litedesk(),
    host: '127.0.0.1',
    port: 0,
    publicUrlOf: (slug) => `http://${slug}.localhost:8080`,
    logger,
    metrics,
    clock: systemClock,
    random: systemRandom,
  };
  const api = await start(createApiService(apiOptions));
  const url = `http://${api.address()}`;

  return {
    folder,
    url,
    registry,
    provisioner,
    store,
    metrics,
    logFile,
    api,
    registryServer,
    startAgain: async () => `http://${(await start(createApiService(apiOptions))).address()}`,
    gatewayAdmin: async () => {
      const admin = createAdminServer({
        port: 0,
        metrics,
        readiness: new Readiness(),
        logger,
        token: internalToken,
        routes: {
          'GET /explain': async ({ url: asked }) => {
            const target = asked.searchParams.get('url') ?? '';
            if (target.includes('bad..host')) throw new BurgageError('bad_request', { message: 'The host has an empty label.' });
            return { status: 200, body: explanationOf(target) };
          },
          'GET /tap': async ({ url: asked }) => ({
            status: 200,
            contentType: 'application/x-ndjson',
            stream: (signal) => recordsOf(asked.searchParams, signal),
          }),
          'POST /snapshot/accept': async () => {
            const held = registry.gateways.find(({ adminAddress }) => adminAddress === admin.address());
            return { status: 200, body: { accepted: held?.snapshotHeld === true } };
          },
        },
      });
      await start(admin);
      return admin.address();
    },
    ask: (path, init = {}) => {
      const headers = new Headers(init.headers);
      if (!headers.has('authorization')) headers.set('authorization', `Bearer ${adminToken}`);
      return fetch(url + path, { redirect: 'manual', ...init, headers });
    },
    stop: async () => {
      for (const component of started) await component.stop();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a gateway answers for a live tenant. */
function explanationOf(url: string): object {
  const host = url.replace(/^https?:\/\//, '').replace(/\/.*/, '');
  const normalizedHost = host.replace(/:\d+$/, '');
  const known = { url, host, normalizedHost, epoch: 'epoch-1', revision: 42, inSync: true, source: 'registry' };
  if (!normalizedHost.startsWith('acme.')) {
    return {
      ...known,
      match: { kind: 'none', tried: [normalizedHost, '*.localhost', '**.localhost'] },
      answer: { status: 404, code: 'host_unknown', sentence: 'Nobody lives at this address.' },
    };
  }
  return {
    ...known,
    match: { kind: 'exact', pattern: normalizedHost, tried: [normalizedHost] },
    tenant: {
      id: 'ten_1',
      slug: 'acme',
      name: 'Acme',
      plan: 'trial',
      isolation: 'pool',
      state: 'active',
      holds: [],
      limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 0 },
      features: ['contacts'],
      entitlementVersion: 1,
      platform: false,
      moving: false,
      inflight: 0,
    },
    upstream: { name: 'desk-shared', endpoints: [{ address: '127.0.0.1:9100', healthy: true, inflight: 0, weight: 1, zone: '' }] },
    endpoint: '127.0.0.1:9100',
    answer: { status: 200, sentence: 'It goes to the application at 127.0.0.1:9100.' },
  };
}

function litedesk(): Catalog {
  const limits = '{ requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 1048576 }';
  const text = `
name: litedesk
title: Litedesk
currency: USD
app: { name: desk, entry: desk.ts, readyPath: /readyz }
plans:
  trial: { title: Trial, priceMinor: 0, isolation: pool, trialDays: 15, limits: ${limits}, features: [contacts, deals] }
  starter: { title: Starter, priceMinor: 9900, isolation: bridge, limits: ${limits}, features: [contacts, deals, export] }
`;
  return unwrap(parseCatalog(text, 'litedesk.yaml'));
}

/** Three requests that pass, with what was asked for in their paths, then silence. */
async function* recordsOf(asked: URLSearchParams, signal: AbortSignal): AsyncGenerator<string, void> {
  yield '\n';
  for (const status of [200, 404, 502]) {
    const record = { time: '2026-01-01T00:00:00.000Z', method: 'GET', host: 'acme.localhost', path: `/${asked}`, status, durationMs: 1.25 };
    yield `${JSON.stringify({ ...record, ...(status === 502 && { code: 'upstream_unreachable' }), termination: 'completed' })}\n`;
  }
  yield '{"dropped":7}\n';
  await systemClock.sleep(60_000, signal);
}
