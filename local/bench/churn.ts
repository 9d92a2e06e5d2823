// Route changes, many a second, at a gateway with very many hosts and under load: what they cost its visitors, and when they show.
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { domain, requests, startEchoApp, startWebApp } from '@burgage/gateway/bench';
import type { RunningServer } from '@burgage/lab';
import { freePort } from '../src/ports.ts';
import { until } from '../stories/platform.ts';
import { type Figure, percentile } from './figures.ts';
import { LocalRegistry } from './local-registry.ts';
import { fillStore, metric, putTenant, ServiceProcess } from './many-tenants.ts';
import { OpenSockets } from './open-sockets.ts';
import { RouteChanges, watchedCount, watchedHost, watchedUpstream } from './route-changes.ts';
import { backend } from './route-visibility.ts';

export interface Churn {
  /** In the gateway's table; each a tenant of its own. */
  readonly hosts: number;
  readonly seconds: number;
  readonly changesPerSecond: number;
  /** Open WebSockets, with a message a second each. */
  readonly sockets: number;
  /** Offered by wrk, each for a host at random. */
  readonly requestsPerSecond: number;
}

export interface Churned {
  readonly figures: readonly Figure[];
  /** What must not be, in sentences. */
  readonly complaints: readonly string[];
}

/** Until code is compiled and connections are there: not counted. */
const warmUpS = 3;
const gatewayReadyMs = 120_000;
const socketUpstream = 'bench-echo';

function socketHost(number: number): string {
  return `socket-${number}.${domain}`;
}

export async function churn(
  { hosts, seconds, changesPerSecond, sockets, requestsPerSecond }: Churn,
  say: (text: string) => void,
): Promise<Churned> {
  const data = await mkdtemp(join(tmpdir(), 'burgage-bench-'));
  await using closing = new AsyncDisposableStack();
  closing.defer(() => rm(data, { recursive: true, force: true }));
  const web = await Promise.all(
    ['one', 'other'].map(async (name) => {
      const folder = join(data, name);
      await mkdir(folder);
      return closing.use(await startWebApp(folder));
    }),
  );
  const echo = closing.use(await startEchoApp());
  const backends = await Promise.all(['0', '1'].map(backend));
  for (const { server } of backends) closing.defer(() => void server.close().closeAllConnections());
  const backendAddresses = backends.map(({ address }) => address);

  say(`${hosts.toLocaleString('en')} tenants …`);
  await fillStore(data, {
    count: hosts,
    endpoint: addressOf(web[0]),
    say,
    more: async (documents) => {
      const put = async (name: string, address = ''): Promise<void> =>
        void (await documents.upstreams.insert(name, { name, endpoints: [{ address, weight: 1, zone: '' }] }));
      await put(socketUpstream, addressOf(echo));
      for (const number of numbers(watchedCount)) await put(watchedUpstream(number), backendAddresses[0]);
      const tenants = [
        ...numbers(watchedCount).map((number) => ({ host: watchedHost(number), upstream: watchedUpstream(number) })),
        ...numbers(sockets).map((number) => ({ host: socketHost(number), upstream: socketUpstream })),
      ];
      // Asked far more often than a trial may be.
      const written = tenants.flatMap((tenant, index) =>
        putTenant(documents, { ...tenant, number: hosts + index, requestsPerSecond: 1_000 }),
      );
      await Promise.all(written);
    },
  });
  await using registry = await LocalRegistry.start(data);
  const port = await freePort('127.0.0.1');
  const tableFile = join(data, 'gateway.table');
  const startGateway = (): Promise<ServiceProcess> =>
    ServiceProcess.start('gateway', [
      ...['--port', String(port), '--registry', registry.address, '--table', tableFile],
      ...['--access-log', join(data, 'access.log')],
    ]);
  const gateway = closing.use(await startGateway());
  await until('the gateway has all hosts', async () => (await metric(gateway.adminPort, 'burgage_gateway_hosts')) > hosts, gatewayReadyMs);
  const open = closing.use(await OpenSockets.open({ port, hosts: numbers(sockets).map(socketHost) }));

  say(`${changesPerSecond} changes a second for ${seconds} s …`);
  const changes = new RouteChanges({ journal: registry.routes, port, hosts, web: web.map(addressOf), backends: backendAddresses });
  const load = requests({ path: '/small', perSecond: requestsPerSecond });
  const churned = (forS: number) =>
    Promise.all([load.send({ host: '127.0.0.1', port, secure: false, hosts }, forS), changes.run(forS, changesPerSecond)]);
  const [before] = await churned(warmUpS);
  changes.forgetTimes();
  // What was late before, such as while the first routes came, is not of the churn.
  await metric(gateway.adminPort, 'nodejs_eventloop_lag_max_seconds');
  const ownDelay = monitorEventLoopDelay({ resolution: 10 });
  ownDelay.enable();
  const [sent] = await churned(seconds);
  ownDelay.disable();
  const lateMs = 1_000 * (await metric(gateway.adminPort, 'nodejs_eventloop_lag_max_seconds'));
  const broken = await open.close();
  const applied = changes.done;
  const figures: Figure[] = [
    {
      what: `route changes committed a second, ${hosts.toLocaleString('en')} hosts`,
      value: applied / seconds,
      unit: '/s',
      atLeast: 0.95 * changesPerSecond,
    },
    { what: 'commit to gateway answering by it, median', value: percentile(changes.shownMs, 0.5), unit: 'ms' },
    {
      what: `commit to gateway answering by it, p99 of ${changes.shownMs.length}`,
      value: percentile(changes.shownMs, 0.99),
      unit: 'ms',
      atMost: 100,
    },
    { what: 'new tenants, commit to first 200, p99', value: percentile(changes.servedMs, 0.99), unit: 'ms', atMost: 100 },
    { what: 'requests answered a second meanwhile', value: sent.count / sent.seconds, unit: '/s' },
    { what: 'their p50', value: sent.p50Ms ?? Number.NaN, unit: 'ms' },
    { what: 'their p99', value: sent.p99Ms ?? Number.NaN, unit: 'ms' },
    { what: "longest delay of the gateway's loop", value: lateMs, unit: 'ms' },
    // The registry's too, which is in this process: who measures late sees late.
    { what: "longest delay of this program's loop", value: ownDelay.max / 1e6, unit: 'ms' },
    { what: 'WebSocket messages that came back', value: open.echoes, unit: '', atLeast: 1 },
    ...(await diskTable({ gateway, registry, tableFile, hosts, startGateway, say })),
  ];
  return {
    figures,
    complaints: [...[...before.failures, ...sent.failures].map((failure) => `requests: ${failure}`), ...broken, ...changes.complaints],
  };
}

/** How large the table on disk is, and how long a gateway takes to serve from it while no registry can be reached. */
async function diskTable({
  gateway,
  registry,
  tableFile,
  hosts,
  startGateway,
  say,
}: {
  readonly gateway: ServiceProcess;
  readonly registry: LocalRegistry;
  readonly tableFile: string;
  readonly hosts: number;
  readonly startGateway: () => Promise<ServiceProcess>;
  readonly say: (text: string) => void;
}): Promise<readonly Figure[]> {
  await until('the routes are on disk', async () => stat(tableFile).catch(() => undefined), gatewayReadyMs);
  await registry.stop();
  await gateway.kill();
  say('a start from disk …');
  const startedMs = performance.now();
  await using again = await startGateway();
  await again.ready();
  const tookS = (performance.now() - startedMs) / 1_000;
  const has = await metric(again.adminPort, 'burgage_gateway_hosts');
  return [
    { what: 'size of the table on disk', value: (await stat(tableFile)).size / 2 ** 20, unit: 'MiB' },
    { what: 'hosts that a gateway has from disk, without a registry', value: has, unit: '', atLeast: hosts },
    { what: 'until it is ready, from the start of its process', value: tookS, unit: 's', atMost: 5 },
  ];
}

function addressOf(server: RunningServer | undefined): string {
  return `${server?.host}:${server?.port}`;
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, number) => number);
}
