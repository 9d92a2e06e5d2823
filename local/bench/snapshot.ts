// A gateway that knows nothing beside a registry with very many tenants: how long until it serves all, and its memory.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, pssMiB } from '@burgage/lab';
import { openDocuments, type RegistryDocuments } from '@burgage/registry/documents';
import { openSqliteStore, type Store } from '@burgage/store';
import { freePort } from '../src/ports.ts';
import { until } from '../stories/platform.ts';
import type { Figure } from './figures.ts';

const repository = resolve(import.meta.dirname, '../..');
const loopback = '127.0.0.1';
const upstream = 'bench-shared';
/** Writes that are asked for at once, and so share a transaction. */
const writersAtOnce = 500;
/** Rarely enough that being looked at costs the gateway nothing that counts. */
const pollMs = 100;
/** Until what was needed only for the snapshot is collected. */
const settleMs = 10_000;
const giveUpAfterMs = 120_000;

function tenantId(number: number): string {
  return `ten_01JD3Q8Z6V7K4M2N9P${String(number).padStart(8, '0')}`;
}

/** As many tenants as hosts, all active on one upstream. */
async function fill(documents: RegistryDocuments, count: number, say: (text: string) => void): Promise<void> {
  await documents.upstreams.insert(upstream, { name: upstream, endpoints: [{ address: '127.0.0.1:9', weight: 1, zone: '' }] });
  for (let first = 0; first < count; first += writersAtOnce) {
    const numbers = Array.from({ length: Math.min(writersAtOnce, count - first) }, (_, index) => first + index);
    await Promise.all(
      numbers.flatMap((number) => {
        const slug = `tenant-${number}`;
        const host = `${slug}.localhost`;
        return [
          documents.hosts.insert(host, { host, tenantId: tenantId(number) }),
          documents.tenants.insert(tenantId(number), {
            id: tenantId(number),
            fingerprint: String(number),
            slug,
            formerSlug: '',
            company: `Company ${number}`,
            plan: 'trial',
            catalog: 'litedesk',
            isolation: 'pool',
            state: 'active',
            holds: [],
            ownerEmail: `owner@${slug}.test`,
            createTimeMs: number,
            hosts: [host],
            upstream,
            limits: { requestsPerSecond: 20, concurrency: 20, bodyBytesMax: 1_048_576 },
            features: ['contacts'],
            entitlementVersion: 1,
            branding: { name: `Company ${number}`, color: '#335577' },
            failure: '',
            operationId: '',
            fenceToken: 1,
          }),
        ];
      }),
    );
    if (first % 100_000 === 0 && first > 0) say(`  ${first.toLocaleString('en')} tenants written …`);
  }
}

function start(script: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(repository, script), ...args, '--log-level', 'warn'], {
    cwd: repository,
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function metric(port: number, name: string): Promise<number> {
  const text = await fetch(`http://${loopback}:${port}/metrics`).then(
    (response) => response.text(),
    () => '',
  );
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** `count` tenants with a host each, on the registry's SQLite store; from the start of the gateway's process until it has all of them. */
export async function snapshotToGateway(count: number, say: (text: string) => void): Promise<Figure[]> {
  const data = await mkdtemp(join(tmpdir(), 'burgage-bench-'));
  let registry: ChildProcess | undefined;
  let gateway: ChildProcess | undefined;
  try {
    await mkdir(join(data, 'store'));
    const store: Store = await openSqliteStore({ file: join(data, 'store', 'registry.sqlite') });
    try {
      await fill(openDocuments(store), count, say);
    } finally {
      await store.close();
    }
    const [registryAdmin, adminPort] = [await freePort(loopback), await freePort(loopback)];
    registry = start('services/registry/src/main.ts', ['--data', data, '--admin-port', String(registryAdmin)]);
    await until(
      'the registry is ready',
      async () => (await fetch(`http://${loopback}:${registryAdmin}/readyz`).catch(() => undefined))?.ok,
    );
    const registryPid = registry.pid ?? 0;
    const registryBeforeS = await cpuSeconds(registryPid);
    const startedMs = performance.now();
    const socket = `unix:${join(data, 'run', 'registry.sock')}`;
    gateway = start('services/gateway/src/main.ts', ['--port', '0', '--admin-port', String(adminPort), '--registry', socket]);
    const pid = gateway.pid ?? 0;
    let emptyMiB = Number.NaN;
    for (let hosts = Number.NaN; !(hosts >= count); await sleep(pollMs)) {
      hosts = await metric(adminPort, 'burgage_gateway_hosts');
      if (hosts === 0 && Number.isNaN(emptyMiB)) emptyMiB = await pssMiB(pid);
      if (performance.now() - startedMs > giveUpAfterMs)
        throw new Error(`the gateway has ${hosts} of ${count} hosts after ${giveUpAfterMs} ms`);
    }
    const tookS = (performance.now() - startedMs) / 1_000;
    const [registryS, gatewayS] = [(await cpuSeconds(registryPid)) - registryBeforeS, await cpuSeconds(pid)];
    const fullMiB = await pssMiB(pid);
    await sleep(settleMs);
    const settledMiB = await pssMiB(pid);
    return [
      { what: `snapshot of ${count.toLocaleString('en')} hosts and as many tenants to a new gateway`, value: tookS, unit: 's', atMost: 10 },
      { what: 'CPU of the registry for it', value: registryS, unit: 's' },
      { what: 'CPU of the gateway for it, with its start', value: gatewayS, unit: 's' },
      { what: 'memory of that gateway right after, PSS', value: fullMiB, unit: 'MiB' },
      { what: `memory of that gateway ${settleMs / 1_000} s later, PSS`, value: settledMiB, unit: 'MiB' },
      { what: 'memory for each host with its tenant then', value: ((settledMiB - emptyMiB) * 2 ** 20) / count, unit: 'bytes' },
    ];
  } finally {
    await stop(gateway);
    await stop(registry);
    await rm(data, { recursive: true, force: true });
  }
}
