// A whole platform of supervised processes: started, announced once its gateways show everything, stopped in order.
import { readFile } from 'node:fs/promises';
import type { RuntimeFile } from '@burgage/data-folder';
import { instanceLogs } from '@burgage/provisioner/instances';
import { type Component, type Logger, runProcess, systemClock } from '@burgage/runtime';
import type { DataFolder } from './data-folder.ts';
import { Instances } from './instances.ts';
import { type InstanceLayout, instanceProcess } from './processes.ts';
import { type ProcessSpec, SupervisedProcess } from './supervisor.ts';

export interface RunningPlatform {
  readonly name: string;
  readonly logger: Logger;
  readonly data: DataFolder;
  /** Stopped first, so that what is in flight still finds the rest. */
  readonly gateways: readonly ProcessSpec[];
  readonly rest: readonly ProcessSpec[];
  /** What processes for one tenant each are made of; they come and go while the platform runs. */
  readonly instances: InstanceLayout;
  /** What the processes need, stopped after them. */
  readonly before?: readonly Component[];
  /** What is to be done once they run. */
  readonly after?: readonly Component[];
  /** What other programs may know of it. */
  readonly runtimeFile: Omit<RuntimeFile, 'pid'>;
  /** Said when it serves; `tookMs` since the call. */
  readonly announcement: (tookMs: number) => string;
}

const readyTimeoutMs = 30_000;
const gatewayPollMs = 20;
/** Longer than a gateway's own drain, so that it is never cut short. */
const stopTimeoutMs = 35_000;

/** Resolves when everything has been stopped, by SIGINT or SIGTERM. */
export async function runPlatform(platform: RunningPlatform): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  const { name, logger, data, gateways, rest, instances, before = [], after = [], runtimeFile, announcement } = platform;
  const onCrash =
    (logOf: (process: string) => string) =>
    (process: string, how: string): void =>
      say(`${process} ${how}; starting it again (${logOf(process)} says why)`);
  const supervised = (spec: ProcessSpec): SupervisedProcess =>
    new SupervisedProcess({
      spec,
      clock: systemClock,
      logger,
      onCrash: onCrash(() => spec.logFile),
      readyTimeoutMs,
      stopTimeoutMs,
    });
  const { paths } = data;
  const forTenants = new Instances({
    folder: paths.instances,
    specOf: (wanted) => instanceProcess(instances, wanted),
    clock: systemClock,
    logger,
    onCrash: onCrash((process) => instanceLogs(paths.instanceLogs, process)[0]),
  });
  const running = await runProcess({
    name,
    logger,
    components: [
      ...before,
      together(gateways.map(supervised), [...rest.map(supervised), forTenants]),
      ...after,
      {
        name: 'routes',
        start: (signal) => gatewaysShowEverything(runtimeFile.api, data.paths.adminToken, gateways.length, signal),
        stop: async () => {},
      },
      {
        name: 'announcement',
        async start() {
          await data.writeRuntimeFile({ pid: process.pid, ...runtimeFile });
          say(announcement(systemClock.monotonicMs() - startedMs));
        },
        drain: async () => say('\nstopping: requests in flight are finished first …'),
        stop: async () => {},
      },
    ],
    drainTimeoutMs: 2 * stopTimeoutMs,
  });
  await running.stopped;
  say('stopped');
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** `:8080`, or nothing where the port goes without saying. */
export function shownPort(port: number): string {
  return port === 80 ? '' : `:${port}`;
}

/** Waits, within bounds, until the gateways have applied all that the registry has: an older table may name old endpoints. */
async function gatewaysShowEverything(api: string, tokenFile: string, count: number, signal?: AbortSignal): Promise<void> {
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const giveUpAtMs = systemClock.monotonicMs() + readyTimeoutMs;
  while (systemClock.monotonicMs() < giveUpAtMs && !signal?.aborted) {
    const items = await connectedGateways(api, token);
    if (items.length >= count && items.every(({ inSync }) => inSync)) return;
    await systemClock.sleep(gatewayPollMs);
  }
}

/** None while the API does not answer: the supervisor brings it back. */
async function connectedGateways(api: string, token: string): Promise<readonly { readonly inSync: boolean }[]> {
  try {
    const response = await fetch(`${api}/v1/gateways`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(1_000),
    });
    const { items } = (await response.json()) as { readonly items?: readonly { readonly inSync: boolean }[] };
    return items ?? [];
  } catch {
    return [];
  }
}

/** Starts all at once; stops `front` before `rest`. */
function together(front: readonly Component[], rest: readonly Component[]): Component {
  const stopAll = async (): Promise<void> => {
    await Promise.all(front.map((one) => one.stop()));
    await Promise.all(rest.map((one) => one.stop()));
  };
  return {
    name: 'processes',
    async start(signal) {
      const outcomes = await Promise.allSettled([...front, ...rest].map((one) => one.start(signal)));
      const failure = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failure) throw failure.reason;
    },
    drain: stopAll,
    stop: stopAll,
  };
}
