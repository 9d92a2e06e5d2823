// The ports of a gateway's process: its own, or those that another process keeps for it and for those after it.
import cluster from 'node:cluster';
import type { Logger, RunningProcess } from '@burgage/runtime';
import type { Gateway } from './gateway.ts';
import { keepPorts, leave, serves } from './port-keeper.ts';

export interface GatewayProcess {
  readonly gateway: Gateway;
  readonly running: RunningProcess;
}

/**
 * Starts a gateway in this process; with `handOver`, in one that this process keeps the ports for. There, it is called again:
 * `takesOver` says whether another gateway serves at the same addresses until this one does.
 */
export async function runOnPorts(
  { handOver, logger }: { readonly handOver: boolean; readonly logger: Logger },
  start: (takesOver: boolean) => Promise<GatewayProcess>,
): Promise<RunningProcess> {
  const { worker } = cluster;
  if (worker === undefined) {
    if (handOver) return keepPorts(logger);
    // By default it would end the process, and in other servers it asks for what `--hand-over` is for.
    process.on('SIGUSR2', () => logger.warn('SIGUSR2: nothing is done, as this gateway was started without --hand-over'));
    return (await start(false)).running;
  }
  // Whoever signals all processes of a service means the one that keeps the ports.
  process.on('SIGUSR2', () => {});
  try {
    const { gateway, running } = await start(worker.id > 1);
    worker.on('message', (message: unknown) => {
      if (message !== leave) return;
      gateway
        .handOver()
        .catch((error: unknown) => logger.error({ err: error }, 'handing over failed'))
        .finally(() => running.stop('handed over'));
    });
    running.stopped.then(() => worker.disconnect());
    worker.send(serves);
    return running;
  } catch (error) {
    worker.disconnect();
    throw error;
  }
}
