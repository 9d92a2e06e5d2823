// Compute on one machine: says in a folder what is to run, and waits for the supervisor that reads it.
import { randomUUID } from 'node:crypto';
import { watch } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { type Clock, Doorbell, type Random } from '@burgage/runtime';
import { tenantOfInstance } from '../domain/operations/kit.ts';
import type { Compute, Fence, Instance, InstanceStatus } from '../domain/ports.ts';
import { codeOf, partOf, syncFolder, writeDurably } from './durable-file.ts';
import type { Fences } from './fences.ts';
import {
  type InstanceReport,
  instanceLogs,
  isInstanceName,
  readReport,
  readWanted,
  type WantedInstance,
  wantedFile,
  wantedInstances,
} from './instance-files.ts';

export interface LocalComputeOptions {
  /** Where the supervisor looks. */
  readonly instancesFolder: string;
  /** Holds the data of each app, in a folder named after its upstream. */
  readonly appsFolder: string;
  readonly instanceLogsFolder: string;
  /** Answers 2xx at an instance that can work. */
  readonly healthPath: string;
  readonly fences: Fences;
  readonly clock: Clock;
  readonly random: Random;
}

const loopback = '127.0.0.1';

/**
 * Ports of instances are kept for long, so they are none of those that systems give to whoever asks for any: Linux from
 * 32768 on, others from 49152 on.
 */
const ports = { first: 20_000, count: 12_000 } as const;
/** Held while a port is chosen and written down. */
const choosingPorts = 'ports';
/** Between two looks where watching says nothing. */
const lookMs = 100;
const answerTimeoutMs = 1_000;

export function createLocalCompute(options: LocalComputeOptions): Compute {
  const { instancesFolder: folder, appsFolder, instanceLogsFolder, healthPath, fences, clock, random } = options;

  async function write(wanted: Omit<WantedInstance, 'order'>): Promise<WantedInstance> {
    const ordered = { ...wanted, order: randomUUID() };
    await writeDurably(wantedFile(folder, wanted.name), `${JSON.stringify(ordered)}\n`);
    return ordered;
  }

  /** The instance as it is wanted, written where it was not. */
  async function want({ name, tenantId }: Instance, fence: Fence, signal: AbortSignal): Promise<WantedInstance> {
    const known = await readWanted(folder, name);
    if (known !== undefined && known.tenantId !== tenantId) {
      throw new BurgageError('internal', { cause: new Error(`${name} is the instance of ${known.tenantId}, not of ${tenantId}`) });
    }
    if (known !== undefined && known.stopped === undefined && !(await hasLostItsPort(known))) return known;
    return await fences.alone(
      choosingPorts,
      async () => await write({ name, tenantId, upstream: name, port: await choosePort(name, known?.port), fence: fence.token }),
      signal,
    );
  }

  /** True where another program listens at its port while it does not run: it could never start there. */
  async function hasLostItsPort({ name, order, port }: WantedInstance): Promise<boolean> {
    const down = async (): Promise<InstanceReport | undefined> => {
      const report = await readReport(folder, name);
      return report?.order === order && report.state === 'backing_off' ? report : undefined;
    };
    const before = await down();
    if (before === undefined || (await isFree(port))) return false;
    // It may have been started in between, and listen there itself.
    return (await down())?.at === before.at;
  }

  /** One that no instance has and nobody listens at: the one it had, where it can. */
  async function choosePort(name: string, had: number | undefined): Promise<number> {
    const taken = new Set((await wantedInstances(folder)).filter((other) => other.name !== name).map((other) => other.port));
    if (had !== undefined && !taken.has(had) && (await isFree(had))) return had;
    const offset = Math.floor(random.float() * ports.count);
    for (let index = 0; index < ports.count; index++) {
      const port = ports.first + ((offset + index) % ports.count);
      if (!taken.has(port) && (await isFree(port))) return port;
    }
    throw new BurgageError('unavailable', {
      message: `All ports from ${ports.first} to ${ports.first + ports.count - 1} are taken, expected one for ${name}.`,
    });
  }

  /** Asks `look` until it answers with something: when anything changes in the folder, and now and then. */
  async function watching<T>(what: string, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T> {
    const bell = new Doorbell(clock);
    const watcher = watch(folder, () => bell.ring());
    watcher.on('error', () => undefined);
    try {
      for (;;) {
        const found = await look();
        if (found !== undefined) return found;
        if (signal.aborted) throw new BurgageError('deadline_exceeded', { message: `${what} in time.`, cause: signal.reason });
        await bell.wait(lookMs, signal);
      }
    } finally {
      watcher.close();
    }
  }

  async function answers(port: number, signal: AbortSignal): Promise<boolean> {
    try {
      const response = await fetch(`http://${loopback}:${port}${healthPath}`, {
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }

  /** Resolves with true when it runs and answers, with false when something else is wanted of it by now. */
  async function runs(wanted: WantedInstance, signal: AbortSignal): Promise<boolean> {
    const { name, order, port } = wanted;
    return await watching(`The instance ${name} did not answer`, signal, async () => {
      const report = await readReport(folder, name);
      if (report?.order === order) {
        if (report.state === 'running' && (await answers(port, signal))) return true;
        if (report.state === 'backing_off') {
          throw new BurgageError('app_unhealthy', {
            message: `The instance ${name} ${report.lastExit ?? 'ended'}; it was started again ${report.restarts} times since it last ran well.`,
            metadata: { instance: name, restarts: String(report.restarts) },
          });
        }
      }
      return (await readWanted(folder, name))?.order === order ? undefined : false;
    });
  }

  /** Resolves with true when its process is gone, with false when something else is wanted of it by now. */
  async function isGone({ name, order }: WantedInstance, signal: AbortSignal): Promise<boolean> {
    return await watching(`The instance ${name} did not stop`, signal, async () => {
      const report = await readReport(folder, name);
      if (report?.order === order && report.state === 'stopped') return true;
      return (await readWanted(folder, name))?.order === order ? undefined : false;
    });
  }

  async function stop(name: string, fence: Fence): Promise<WantedInstance | undefined> {
    const known = await readWanted(folder, name);
    if (known === undefined || known.stopped) return known;
    return await write({ ...known, stopped: true, fence: fence.token });
  }

  async function removeData(name: string): Promise<void> {
    await rm(join(appsFolder, name), { recursive: true, force: true });
    for (const file of instanceLogs(instanceLogsFolder, name)) await rm(file, { force: true });
  }

  /** Data of every instance, as of one that nobody wants. */
  async function foldersLeft(): Promise<readonly InstanceStatus[]> {
    const entries = await readdir(appsFolder, { withFileTypes: true }).catch((error) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    });
    return entries.flatMap((entry) => {
      const tenantId = entry.isDirectory() ? tenantOfInstance(entry.name) : undefined;
      return tenantId === undefined ? [] : { name: entry.name, tenantId, state: 'stopped', address: '', restarts: 0, lastExit: '' };
    });
  }

  return {
    async ensure(instance, fence, signal) {
      const { name } = instance;
      checkName(name);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (;;) {
        const wanted = await fences.under(name, fence, () => want(instance, fence, signal), signal);
        if (!(await runs(wanted, signal))) continue;
        const address = `${loopback}:${wanted.port}`;
        return { address, detail: `a process of its own at ${address}` };
      }
    },
    async remove(name, fence, signal) {
      checkName(name);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (;;) {
        const stopped = await fences.under(name, fence, () => stop(name, fence), signal);
        if (stopped !== undefined && !(await isGone(stopped, signal))) continue;
        // Again under the fence: a later attempt may want it again.
        const removed = await fences.under(
          name,
          fence,
          async () => {
            if ((await readWanted(folder, name))?.order !== stopped?.order) return false;
            await removeData(name);
            return true;
          },
          signal,
        );
        if (removed) return;
      }
    },
    async release(name, fence, signal) {
      checkName(name);
      await fences.under(
        name,
        fence,
        async () => {
          const known = await readWanted(folder, name);
          if (known !== undefined && !known.stopped)
            throw new BurgageError('internal', { cause: new Error(`${name} was not removed before its release`) });
          const file = wantedFile(folder, name);
          for (const path of [file, partOf(file)]) await rm(path, { force: true });
          if (known !== undefined) await syncFolder(folder);
        },
        signal,
      );
    },
    async list() {
      // Before the files: an instance that is made meanwhile has both.
      const folders = await foldersLeft();
      const wanted = await wantedInstances(folder);
      const listed = await Promise.all(
        wanted.map(async ({ name, tenantId, order, port, stopped }) => {
          const report = await readReport(folder, name);
          const current = report?.order === order ? report : undefined;
          return {
            name,
            tenantId,
            state: current?.state ?? (stopped ? 'stopped' : 'starting'),
            address: `${loopback}:${port}`,
            restarts: current?.restarts ?? 0,
            lastExit: current?.lastExit ?? '',
          };
        }),
      );
      const known = new Set(listed.map(({ name }) => name));
      return [...listed, ...folders.filter(({ name }) => !known.has(name))];
    },
  };
}

/** Names become folders that are removed. */
function checkName(name: string): void {
  if (!isInstanceName(name)) throw new BurgageError('internal', { cause: new Error(`${name} cannot name an instance`) });
}

/** True where nobody listens at the port. */
async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: loopback, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
