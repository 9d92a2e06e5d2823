// Tests of a server's life: its port, its folder, its processes, and what is left when whoever started it is gone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemRandom } from '@burgage/runtime';
import { expect, onTestFinished, test, vi } from 'vitest';
import { LabError } from './errors.ts';
import { claimPort } from './ports.ts';
import { isAlive } from './process-tree.ts';
import { type RunningServer, run, type StartOptions } from './running-server.ts';
import { askFake, type FakeOptions, fakeServer } from './testing/fake-server.ts';

async function start(options: FakeOptions = {}, how: StartOptions = {}): Promise<RunningServer> {
  const server = await run(fakeServer, options, how);
  onTestFinished(() => server.close());
  return server;
}

test('a server gets nothing of the environment but where programs are', async () => {
  vi.stubEnv('MY_TOKEN', 'secret');
  const server = await start();
  const { env } = await askFake(server.url);
  expect(env).toEqual({ PATH: process.env.PATH, HOME: server.folder, LANG: 'C.UTF-8', TZ: 'UTC' });
});

test.runIf(process.platform === 'linux').each(['stop', 'kill', 'close'] as const)(
  '%s ends what has left the session of the server too',
  async (way) => {
    const server = await start();
    const { child } = await askFake(server.url);
    const { pid } = server;
    expect([pid, child].map(isAlive)).toEqual([true, true]);
    await server[way]();
    expect([pid, child].map(isAlive)).toEqual([false, false]);
    expect(existsSync(server.folder)).toBe(way !== 'close');
  },
);

test('start after stop and kill is on the same port and folder, and the log goes on', async () => {
  const server = await start();
  const { url, folder } = server;
  await server.restart();
  await server.kill();
  await server.start();
  expect([server.url, server.folder]).toEqual([url, folder]);
  expect((await askFake(url)).starts).toBe(3);
  expect((await server.log()).match(/hello/g)).toHaveLength(3);
});

test('one that ends before it answers is an error with the end of its log, and leaves no folder', async () => {
  const before = await fakeFolders();
  const failure = await run(fakeServer, { exitCode: 7 }).catch((error: unknown) => error);
  expect(failure).toEqual(new LabError('fake ended with code 7 before it answered:\nfake server says hello'));
  expect(await fakeFolders()).toEqual(before);
});

test("its port is nobody else's while it is away, and free when it is closed", async () => {
  const server = await start();
  await server.stop();
  const other = await claimPort('127.0.0.1', systemRandom, server.port);
  expect(other.port).not.toBe(server.port);
  await other.release();
  await server.close();
  const again = await claimPort('127.0.0.1', systemRandom, server.port);
  expect(again.port).toBe(server.port);
  await again.release();
});

test('the usual port is taken where it is free, and another where it is not', async () => {
  const usual = await claimPort('127.0.0.1', systemRandom);
  const product = { ...fakeServer, usualPort: usual.port };
  await usual.release();
  await using first = await run(product, {}, { usualPort: true });
  await using second = await run(product, {}, { usualPort: true });
  expect(first.port).toBe(usual.port);
  expect(second.port).not.toBe(usual.port);
});

test('a port that is asked for and taken is an error', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  await expect(run(fakeServer, {}, { port })).rejects.toThrow(`port ${port} on 127.0.0.1 is in use by another program`);
});

test('a folder that is kept outlives the server, and the next one takes its data up', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'burgage-kept-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const first = await run(fakeServer, {}, { folder });
  expect(first.folder).toBe(folder);
  await first.close();
  const second = await start({}, { folder });
  expect((await askFake(second.url)).starts).toBe(2);
});

test.runIf(process.platform === 'linux').each([
  ['is killed', 'stay', 'SIGKILL'],
  ['exits without a word', 'exit', undefined],
] as const)('when whoever started it %s, the server, its children and its folder go', async (_, mode, signal) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'testing/fake-server.ts'), mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const [line] = await once(createInterface(child.stdout), 'line');
  const { pids, folder } = JSON.parse(line) as { readonly pids: readonly number[]; readonly folder: string };
  if (signal !== undefined) child.kill(signal);
  await ended;
  await expect.poll(() => [...pids.map(isAlive), existsSync(folder)], { timeout: 10_000 }).toEqual([false, false, false]);
});

async function fakeFolders(): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('burgage-lab-fake-'));
}
