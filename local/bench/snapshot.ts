// A gateway that knows nothing beside a registry with very many tenants: how long until it serves all, and its memory.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, pssMiB } from '@burgage/lab';
import type { Figure } from './figures.ts';
import { fillStore, metric, ServiceProcess } from './many-tenants.ts';

/** Rarely enough that being looked at costs the gateway nothing that counts. */
const pollMs = 100;
/** Until what was needed only for the snapshot is collected. */
const settleMs = 10_000;
const giveUpAfterMs = 120_000;

/** `count` tenants with a host each, on the registry's SQLite store; from the start of the gateway's process until it has all of them. */
export async function snapshotToGateway(count: number, say: (text: string) => void): Promise<Figure[]> {
  const data = await mkdtemp(join(tmpdir(), 'burgage-bench-'));
  try {
    await fillStore(data, { count, say });
    await using registry = await ServiceProcess.start('registry', ['--data', data]);
    await registry.ready();
    const registryPid = registry.pid;
    const registryBeforeS = await cpuSeconds(registryPid);
    const startedMs = performance.now();
    await using gateway = await ServiceProcess.start('gateway', [
      '--port',
      '0',
      '--registry',
      `unix:${join(data, 'run', 'registry.sock')}`,
    ]);
    const { pid, adminPort } = gateway;
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
    await rm(data, { recursive: true, force: true });
  }
}
