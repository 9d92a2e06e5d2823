// Holds the supervisor to its promises with real processes.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, systemClock } from '@burgage/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAlive, until } from '../stories/platform.ts';
import { freePort } from './ports.ts';
import { SupervisedProcess } from './supervisor.ts';

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
