// Keeps the ports of a gateway over its lives: at SIGUSR2 a new process takes over from the one that serves.
import cluster, { type Worker } from 'node:cluster';
import { isatty } from 'node:tty';
import type { Logger, RunningProcess } from '@burgage/runtime';

/** What a gateway says when it answers on its ports. */
export const serves = 'serves';
/** What it is told when another one does. */
export const leave = 'leave';

/** `coming`: does not listen yet · `serving`: the one that new connections reach · `leaving`: ends what it had taken on. */
type Life = 'coming' | 'serving' | 'leaving';

/** A million routes take seconds to load; one that takes longer than this does not come. */
const comesWithinMs = 60_000;
/** Each holds its routes in memory for up to its drain time. */
const leavingMax = 3;

/**
 * Runs this same program, with the same arguments, as the gateway: as it then is on disk. The sockets that it listens on are
 * opened here and shared by all who listen at those addresses, one after the other, so that no connection is lost between them.
 * Ends when the serving gateway does, with its exit code.
 */
export function keepPorts(logger: Logger): RunningProcess {
  const lives = new Map<Worker, Life>();
  const stopped = Promise.withResolvers<void>();
  let isStopping = false;

  // This process accepts nothing itself: the kernel gives each connection to one of those who listen.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const [, exec, ...args] = process.argv;
  cluster.setupPrimary({ ...(exec !== undefined && { exec }), args });

  function begin(): void {
    const worker = cluster.fork();
    lives.set(worker, 'coming');
    const isFirst = lives.size === 1;
    const late = setTimeout(() => {
      if (isFirst || lives.get(worker) !== 'coming') return;
      logger.error({ gatewayPid: worker.process.pid }, `the new gateway does not answer within ${comesWithinMs / 1_000} s: ended`);
      worker.process.kill('SIGKILL');
    }, comesWithinMs);
    worker.on('message', (message: unknown) => {
      if (message !== serves || lives.get(worker) !== 'coming') return;
      clearTimeout(late);
      takeOver(worker);
    });
    worker.on('error', (error) => {
      if (worker.process.pid === undefined) ended(worker, 1, `could not be started: ${error.message}`);
    });
    worker.on('exit', (code: number | null, signal: string | null) => {
      clearTimeout(late);
      ended(worker, code ?? 1, signal ? `was ended by ${signal}` : `ended with code ${code}`);
    });
  }

  function those(life: Life): Worker[] {
    return [...lives].filter(([, is]) => is === life).map(([worker]) => worker);
  }

  function takeOver(worker: Worker): void {
    const [before] = those('serving');
    lives.set(worker, 'serving');
    if (before === undefined) return;
    lives.set(before, 'leaving');
    if (before.isConnected()) before.send(leave);
    logger.info({ gatewayPid: worker.process.pid, leavingPid: before.process.pid }, 'handed over to a new gateway');
  }

  function ended(worker: Worker, code: number, how: string): void {
    const life = lives.get(worker);
    if (life === undefined) return;
    lives.delete(worker);
    const fields = { gatewayPid: worker.process.pid, how };
    if (life === 'leaving') logger.info(fields, 'the gateway that was taken over from has left');
    else if (life === 'coming' && those('serving').length > 0) {
      if (!isStopping) logger.error(fields, 'not handed over: the new gateway ended before it answered; the old one goes on');
    } else {
      process.exitCode = code;
      // Whoever keeps this process running starts it again: that must not wait for those that leave.
      if (!isStopping && those('coming').length === 0) for (const other of lives.keys()) other.process.kill('SIGKILL');
    }
    if (lives.size === 0) stopped.resolve();
  }

  function handOver(): void {
    if (isStopping) return;
    const leaving = those('leaving').length;
    if (those('coming').length > 0) logger.warn('not handed over: a new gateway is starting already');
    else if (leaving >= leavingMax)
      logger.warn(`not handed over: ${leaving} gateways are still leaving, expected fewer than ${leavingMax}`);
    else {
      logger.info('handing over: starting a new gateway');
      try {
        begin();
      } catch (error) {
        logger.error({ err: error }, 'not handed over: a new gateway could not be started; the old one goes on');
      }
    }
  }

  function stop(signal: NodeJS.Signals): void {
    isStopping = true;
    for (const worker of lives.keys()) worker.process.kill(signal);
  }

  process.on('SIGUSR2', handOver);
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // A terminal that is closed; what nohup started has no terminal, and goes on.
  if (isatty(0)) process.on('SIGHUP', stop);
  begin();
  return {
    stop: () => {
      stop('SIGTERM');
      return stopped.promise;
    },
    stopped: stopped.promise,
  };
}
