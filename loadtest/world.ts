// What a load test asks: our gateway as a process of its own, with every policy, log and metric on, and the app behind it.
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningServer, runServer, type ServerProduct } from '@burgage/lab';
import type { Held } from './gateway-probe.ts';
import type { Plan } from './plan.ts';

const command = resolve(import.meta.dirname, '../cli/bin/burgage.js');
const accessLog = 'access.log';
const failuresShown = 5;
const probeWithinMs = 30_000;
const pollMs = 20;

const app: ServerProduct = {
  name: 'app',
  summary: 'the app of all tenants of a load test',
  builds: [],
  scheme: 'http',
  usualPort: 0,
  processes: ({ host, port }) => [
    {
      name: 'app',
      command: process.execPath,
      args: [join(import.meta.dirname, 'app.ts'), String(port)],
      answers: () =>
        new Promise((resolveAnswer, reject) => {
          const socket = connect(port, host, () => {
            socket.destroy();
            resolveAnswer(true);
          });
          socket.on('error', reject);
        }),
    },
  ],
};

const gateway: ServerProduct<{ readonly routes: string }> = {
  name: 'gateway',
  summary: 'our gateway alone',
  builds: [],
  scheme: 'http',
  usualPort: 8080,
  processes: ({ host, port, folder }, { routes }) => [
    {
      name: 'gateway',
      command: process.execPath,
      args: [
        ...['--expose-gc', '--import', join(import.meta.dirname, 'gateway-probe.ts')],
        ...[command, 'gateway', '--routes', routes, '--host', host, '--port', String(port), '--base-domain', 'load.test'],
        ...['--access-log', join(folder, accessLog), '--log-level', 'warn'],
      ],
      env: { LOADTEST_PROBE: probeFile(folder) },
      // It does not know the host, and says so.
      answers: async () => (await fetch(`http://${host}:${port}/`)).status === 404,
    },
  ],
};

function probeFile(folder: string): string {
  return join(folder, 'held.ndjson');
}

export class World implements AsyncDisposable {
  readonly app: RunningServer;
  readonly gateway: RunningServer;
  readonly #opened: AsyncDisposableStack;
  readonly #admin: string;

  private constructor(
    parts: { readonly app: RunningServer; readonly gateway: RunningServer },
    admin: string,
    opened: AsyncDisposableStack,
  ) {
    this.app = parts.app;
    this.gateway = parts.gateway;
    this.#admin = admin;
    this.#opened = opened;
  }

  /** Ends with `dispose`, or with this process. */
  static async start({ tenants, requestsPerSecond }: Pick<Plan, 'tenants' | 'requestsPerSecond'>): Promise<World> {
    await using opened = new AsyncDisposableStack();
    const startedApp = opened.use(await runServer(app, {}));
    const routes = join(startedApp.folder, 'routes.ndjson');
    const limits = { requestsPerSecond, concurrency: 100, bodyBytesMax: 10 * 1024 * 1024 };
    const lines = Array.from({ length: tenants }, (_, number) => {
      const name = `t${String(number).padStart(4, '0')}`;
      const backends = [`${startedApp.host}:${startedApp.port}`];
      return `${JSON.stringify({ host: `${name}.load.test`, tenant: `ten_${name}`, plan: 'load', backends, limits })}\n`;
    });
    await writeFile(routes, lines);
    const startedGateway = opened.use(await runServer(gateway, { routes }));
    const admin = /^ready gateway \S+ admin (\S+)/m.exec(await startedGateway.log())?.[1];
    if (admin === undefined) throw new Error(`the gateway did not say where its admin port is: ${await startedGateway.log()}`);
    return new World({ app: startedApp, gateway: startedGateway }, admin, opened.move());
  }

  /** These metrics of the gateway, each with all its series together; 0 where there is none yet. */
  async metrics(...names: readonly string[]): Promise<readonly number[]> {
    const text = await getOnce(`${this.#admin}/metrics`);
    return names.map((name) => {
      const series = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
      return series.reduce((sum, [, value]) => sum + Number(value), 0);
    });
  }

  /** What the gateway holds when its garbage is collected, which it is now. */
  async held(): Promise<Held> {
    const before = (await this.#heldLines()).length;
    process.kill(this.gateway.pid, 'SIGUSR2');
    for (let waitedMs = 0; waitedMs < probeWithinMs; waitedMs += pollMs) {
      const line = (await this.#heldLines())[before];
      if (line !== undefined) return JSON.parse(line) as Held;
      await sleep(pollMs);
    }
    throw new Error(`the gateway did not say within ${probeWithinMs} ms what it holds`);
  }

  /** What the gateway has of the machine's memory. */
  async rssBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.gateway.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
  }

  /** What the gateway's own log says of answers of 500 and above: the first few lines, as they are. */
  async failures(): Promise<readonly string[]> {
    const failures: string[] = [];
    for await (const line of createInterface({ input: createReadStream(join(this.gateway.folder, accessLog)) })) {
      if (failures.length === failuresShown) break;
      if ((JSON.parse(line) as { readonly status: number }).status >= 500) failures.push(line);
    }
    return failures;
  }

  async #heldLines(): Promise<readonly string[]> {
    const text = await readFile(probeFile(this.gateway.folder), 'utf8').catch(() => '');
    // The last one may not be whole yet.
    return text.split('\n').slice(0, -1);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

/** On a connection that is closed then, so that nobody takes it for one that was left over. */
async function getOnce(url: string): Promise<string> {
  const outgoing = get(url, { agent: false });
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const text = Buffer.concat(await incoming.toArray()).toString();
  incoming.destroy();
  return text;
}
