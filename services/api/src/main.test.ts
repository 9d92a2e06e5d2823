// The api as a process: starts with nothing else there, refuses bad settings, stops when it is told to.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';

let folder: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-api-'));
  await mkdir(join(folder, 'secrets'));
  await writeFile(join(folder, 'secrets', 'admin-token'), 'admin\n');
  await writeFile(join(folder, 'secrets', 'internal-token'), 'internal\n');
});
afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
});

function run(...args: string[]): ChildProcess {
  child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--data', folder, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  return child;
}

async function outcome(running: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = '';
  running.stdout?.resume();
  running.stderr?.on('data', (text) => (stderr += text));
  const [code] = await once(running, 'close');
  return { code, stderr };
}

test('it serves while registry and provisioner are away, and stops in order when it is told to', async () => {
  const running = run();
  let address = '';
  for await (const line of createInterface({ input: running.stdout ?? process.stdin })) {
    const entry = JSON.parse(line);
    if (entry.msg !== 'api serves') continue;
    address = entry.address;
    break;
  }
  expect((await fetch(`http://${address}/healthz`)).status).toBe(200);
  const tenants = await fetch(`http://${address}/v1/tenants`, { headers: { authorization: 'Bearer admin' } });
  expect([tenants.status, await tenants.json()]).toEqual([503, expect.objectContaining({ code: 'unavailable' })]);
  running.kill('SIGTERM');
  expect(await outcome(running)).toEqual({ code: 0, stderr: '' });
});

test.each([
  ['a port that is none', ['--port', 'x'], '--port'],
  ['an address without a place for the slug', ['--public-url', 'http://localhost'], '--public-url'],
  ['a token file that is not there', ['--admin-token-file', '/nonexistent/token'], '--admin-token-file'],
  ['an unknown flag', ['--prot', '1'], '--prot'],
])('%s is refused by its name before anything listens', async (_name, args, named) => {
  const { code, stderr } = await outcome(run(...args));
  expect(code).toBe(1);
  expect(stderr).toContain(named);
  expect(stderr).toContain('[config_invalid]');
});
