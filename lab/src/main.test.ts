// Tests of `npm run lab`: what it says, and the servers that it starts and stops.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cacheFolder, describeWithLab } from './index.ts';
import { isAlive } from './process-tree.ts';
import { serverProduct } from './start-server.ts';
import type { UpServer } from './up.ts';

let cache: string;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'burgage-lab-cache-'));
});
afterEach(async () => {
  await rm(cache, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function lab(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    env: { ...process.env, BURGAGE_LAB_CACHE: cache, LAB: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => (said[name] += chunk));
  await once(child, 'close');
  return { code: child.exitCode, ...said };
}

test('--help and no command at all show every command, server and program', async () => {
  const help = await lab(['--help']);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  const expected = [
    'install',
    'up',
    'down',
    'status',
    'nats',
    'mongo',
    'mongo-small',
    'prometheus',
    'toxiproxy',
    'nginx',
    'haproxy',
    'caddy',
    'k6',
    'grpcurl',
    'ghz',
    'promtool',
    'wrk',
    'h2load',
    'h2spec',
    'varnishtest',
  ];
  for (const word of expected) expect(help.stdout).toMatch(new RegExp(`^ {2}${word} `, 'm'));
  expect(await lab([])).toEqual(help);
});

test.each([
  [['up', 'mogno'], 'mogno: is no server of the lab; did you mean mongo?'],
  [['down', 'natz'], 'natz: is no server of the lab; did you mean nats?'],
  [['install', 'k7'], 'k7: is no product of the lab; did you mean k6?'],
  [['install', 'postgres-and-more'], 'postgres-and-more: is no product of the lab; expected nats, mongo,'],
  [['up', 'k6'], 'k6: is a program to run, not a server; expected nats, mongo,'],
  [['up'], 'up: got no name, expected some of nats, mongo,'],
  [['status', 'nats'], 'status: got nats, expected nothing after it'],
  [['stauts'], 'stauts: is no command; did you mean status?'],
  [['--x'], '--x: is no option; expected --help, or install, up, down, status'],
  [['up', 'nats', '--port=1'], '--port=1: is no option; expected --help, or install, up, down, status'],
])('%j is an error that says what was meant, and makes nothing', async (args, message) => {
  const { code, stdout, stderr } = await lab(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`error: ${message}`);
  expect(existsSync(join(cache, 'locks'))).toBe(false);
});

test('a machine without Go and apt is told what it cannot have and why; asking for it is an error, asking for all is not', async () => {
  const poor = { PATH: cache };
  const status = await lab(['status'], poor);
  expect(status).toMatchObject({ code: 0, stderr: '' });
  expect(status.stdout).toMatch(/^ {2}nats .* not possible here: needs Go, and there is no `go` on the PATH$/m);
  expect(status.stdout).toMatch(/^ {2}prometheus .* not possible here: needs Debian packages, and /m);
  const all = await lab(['install'], poor);
  expect(all).toMatchObject({ code: 0, stderr: '' });
  expect(all.stdout).toMatch(/^nats \S+ is not possible here: it needs Go, and there is no `go` on the PATH$/m);
  const one = await lab(['install', 'nats'], poor);
  expect(one).toMatchObject({ code: 1, stdout: '' });
  expect(one.stderr).toMatch(/^error: nats \S+ cannot be installed here: it needs Go/);
  const required = await lab(['install'], { ...poor, LAB: 'required' });
  expect(required.code).toBe(1);
  expect(required.stderr).toContain('error: LAB=required, and not all can be installed here');
});

test('down without anything that runs says so', async () => {
  expect(await lab(['down'])).toMatchObject({ code: 0, stdout: 'nothing runs\n' });
  expect(await lab(['down', 'nats'])).toMatchObject({ code: 0, stdout: 'nats does not run\n' });
});

describeWithLab('npm run lab with nats', ['nats'], () => {
  beforeEach(async () => {
    await symlink(join(cacheFolder(), 'nats'), join(cache, 'nats'));
  });
  afterEach(async () => {
    await lab(['down']);
  });

  async function state(): Promise<UpServer> {
    return JSON.parse(await readFile(join(cache, 'up/nats.json'), 'utf8'));
  }

  test('up starts a server that stays, once; down stops it and leaves nothing', async () => {
    const up = await lab(['up', 'nats']);
    expect(up).toMatchObject({ code: 0, stderr: '' });
    const { url, pid, attendantPid, folder } = await state();
    expect(up.stdout).toContain(`  nats  ${url}  data and logs in ${folder}\n`);
    const connection = await connect({ servers: url });
    await connection.close();
    expect((await lab(['up', 'nats'])).stdout).toContain(url);
    expect((await state()).pid).toBe(pid);
    expect((await lab(['status'])).stdout).toMatch(new RegExp(`^ {2}nats .* runs at ${url} \\(process ${pid}, `, 'm'));
    expect(await lab(['down', 'nats'])).toMatchObject({ code: 0, stdout: 'nats is down\n' });
    expect([pid, attendantPid].map(isAlive)).toEqual([false, false]);
    expect(existsSync(folder)).toBe(false);
    expect((await lab(['status'])).stdout).toMatch(/^ {2}nats .* installed$/m);
  });

  test('a server whose attendant was killed is gone, and can be started again', async () => {
    await lab(['up', 'nats']);
    const { pid, attendantPid, folder } = await state();
    process.kill(attendantPid, 'SIGKILL');
    await expect.poll(() => [isAlive(pid), existsSync(folder)], { timeout: 10_000 }).toEqual([false, false]);
    expect((await lab(['status'])).stdout).toMatch(/^ {2}nats .* installed$/m);
    expect(await lab(['up', 'nats'])).toMatchObject({ code: 0 });
    expect((await state()).pid).not.toBe(pid);
  });

  test('a server that ended by itself is said to have, and can be taken down', async () => {
    await lab(['up', 'nats']);
    const { pid, folder } = await state();
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => isAlive(pid)).toBe(false);
    expect((await lab(['status'])).stdout).toMatch(/^ {2}nats .* ended by itself, see the logs in .*; npm run lab -- down nats$/m);
    expect(await lab(['down'])).toMatchObject({ code: 0, stdout: 'nats is down\n' });
    expect(existsSync(folder)).toBe(false);
  });

  test('one that cannot be started is an error with the reason', async () => {
    await rm(join(cache, 'nats'));
    for (const { name, version } of serverProduct('nats').builds) await mkdir(join(cache, name, version), { recursive: true });
    const { code, stderr } = await lab(['up', 'nats']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: nats did not start: .*ENOENT/);
  });
});
