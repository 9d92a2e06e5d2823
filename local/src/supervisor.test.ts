// Holds the supervisor to its promises with real processes.
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createLogger, systemClock } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAlive, until } from '../stories/platform.ts';
import { freePort } from './ports.ts';
import { flags, lifeline } from './processes.ts';
import { SupervisedProcess } from './supervisor.ts';

const repository = resolve(import.meta.dirname, '../..');
let folder: string;
let crashes: string[];
let supervised: SupervisedProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-supervisor-'));
  crashes = [];
});

afterEach(async () => {
  await supervised?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A process that runs `script` with the port as its argument, and is ready when something answers there. */
async function supervise(script: string, port: number, logFile = join(folder, 'child.log')): Promise<SupervisedProcess> {
  const file = join(folder, 'child.mjs');
  await writeFile(file, script);
  supervised = new SupervisedProcess({
    spec: { name: 'child', args: [file, String(port)], env: {}, cwd: folder, logFile, readyUrl: `http://127.0.0.1:${port}/` },
    clock: systemClock,
    logger: createLogger({ service: 'test', level: 'silent' }),
    onCrash: (_, how) => crashes.push(how),
    readyTimeoutMs: 20_000,
    stopTimeoutMs: 5_000,
  });
  return supervised;
}

const serves = `import { createServer } from 'node:http';
createServer((_, response) => response.end()).listen(Number(process.argv[2]), '127.0.0.1');`;

describe('a supervised process', () => {
  test('is started again when it was killed, and stopped for good when it is told to', async () => {
    const one = await supervise(serves, await freePort('127.0.0.1'));
    await one.start();
    const first = one.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await until('it runs again', async () => one.pid !== first && one.pid !== undefined && isAlive(one.pid));
    expect(crashes).toEqual(['was ended by SIGKILL']);
    const second = one.pid ?? 0;
    await one.stop();
    expect([first, second].filter(isAlive)).toEqual([]);
  });

  test('is the same to the supervisor while a gateway in it hands over to a new one', async () => {
    const [port, adminPort] = [await freePort('127.0.0.1'), await freePort('127.0.0.1')];
    const [routes, logFile] = [join(folder, 'routes.ndjson'), join(folder, 'gateway.log')];
    await writeFile(routes, '');
    supervised = new SupervisedProcess({
      spec: {
        name: 'gateway',
        args: [
          ...lifeline(repository),
          join(repository, 'services/gateway/src/main.ts'),
          ...flags({ routes, port, 'admin-port': adminPort }),
        ],
        env: { BURGAGE_GATEWAY_HAND_OVER: 'true' },
        cwd: repository,
        logFile,
        readyUrl: `http://127.0.0.1:${adminPort}/healthz`,
      },
      clock: systemClock,
      logger: createLogger({ service: 'test', level: 'silent' }),
      onCrash: (_, how) => crashes.push(how),
      readyTimeoutMs: 20_000,
      stopTimeoutMs: 5_000,
    });
    await supervised.start();
    const { pid = 0 } = supervised;
    process.kill(pid, 'SIGUSR2');
    await until('the old gateway has left', async () => (await readFile(logFile, 'utf8')).includes('was taken over from has left'));
    const gateways = [...(await readFile(logFile, 'utf8')).matchAll(/"(?:gateway|leaving)Pid":(\d+)/g)].map(([, id]) => Number(id));
    expect([supervised.pid, isAlive(pid), new Set(gateways.filter(isAlive)).size, crashes]).toEqual([pid, true, 1, []]);
    await supervised.stop();
    expect([pid, ...gateways].filter(isAlive)).toEqual([]);
    expect(crashes).toEqual([]);
  });

  test('is not taken for ready when another program answers in its place', async () => {
    const other = createServer((_, response) => response.end()).listen(0, '127.0.0.1');
    await once(other, 'listening');
    try {
      const one = await supervise('process.exit(7);', (other.address() as AddressInfo).port);
      // It may answer before the child has ended; then the crash is seen and said.
      await one.start().then(
        () => until('its end is seen', async () => crashes.length > 0),
        (error) => expect(error.message).toContain('ended with code 7'),
      );
    } finally {
      other.close().closeAllConnections();
    }
  });

  test('that cannot be started again, as its log has no folder, is tried again and takes nobody with it', async () => {
    const one = await supervise(serves, await freePort('127.0.0.1'), join(folder, 'logs', 'child.log'));
    await expect(one.start()).rejects.toThrow(/could not be started/);
  });

  test('gives its start up when it is told to', async () => {
    const one = await supervise('setInterval(() => {}, 1_000);', await freePort('127.0.0.1'));
    const stop = new AbortController();
    const started = one.start(stop.signal);
    stop.abort();
    await expect(started).rejects.toThrow(/told to stop/);
    const { pid = 0 } = one;
    await one.stop();
    expect(isAlive(pid)).toBe(false);
  });
});
