import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RegistryService } from '@burgage/contracts';
import { createRpcClient } from '@burgage/rpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tenantRequest } from './testing/registry.ts';

let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-registry-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  await rm(folder, { recursive: true, force: true });
});

function run(...args: string[]): ChildProcess {
  const data = args.includes('--data') ? [] : ['--data', folder];
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...data, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

/** Resolves with the line that says where it serves; rejects where it ends before. */
async function serving(child: ChildProcess): Promise<{ address: string; admin: string }> {
  if (!child.stdout) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const entry = JSON.parse(line);
    if (entry.msg !== 'registry serves') continue;
    child.stdout.resume();
    return entry;
  }
  throw new Error('it ended before it served');
}

async function ended(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = '';
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  const [code] = await once(child, 'close');
  return { code, stderr };
}

describe('the process', () => {
  it('keeps what it acknowledged when it is killed, and stops in order when it is told to', async () => {
    const first = run();
    const { address } = await serving(first);
    const client = createRpcClient(RegistryService, { address });
    const { tenant } = await client.createTenant(tenantRequest('k'));
    await client.close();
    first.kill('SIGKILL');
    await once(first, 'exit');

    const second = run();
    const { address: again, admin } = await serving(second);
    const other = createRpcClient(RegistryService, { address: again });
    expect(await other.createTenant(tenantRequest('k'))).toEqual({
      ...(await other.createTenant(tenantRequest('k'))),
      created: false,
      tenant,
    });
    await other.close();
    expect((await fetch(`http://${admin}/readyz`)).status).toBe(200);
    expect(await (await fetch(`http://${admin}/metrics`)).text()).toContain('burgage_registry_gateways_connected');
    const end = ended(second);
    second.kill('SIGTERM');
    expect(await end).toEqual({ code: 0, stderr: '' });
  });

  it('names every setting that is wrong and does not start', async () => {
    const { code, stderr } = await ended(run('--journal-kept', '5', '--base-domain', 'not a domain', '--basedomain', 'x'));
    expect(code).toBe(1);
    for (const flag of ['--journal-kept', '--base-domain', '--basedomain', '[config_invalid]']) expect(stderr).toContain(flag);
  });

  it.each([
    ['a catalog that there is not', ['--catalog', 'nothing-like-it'], '[catalog_invalid]'],
    ['an address that is none', ['--address', 'nonsense'], 'error: --address (BURGAGE_REGISTRY_ADDRESS): "nonsense" is not valid'],
    ['TCP without a certificate', ['--address', '127.0.0.1:0'], 'error: --address (BURGAGE_REGISTRY_ADDRESS): "127.0.0.1:0" is not valid'],
    ['a database that cannot be', ['--store', 'mongodb://db/a.b'], 'error: --store (BURGAGE_STORE): got "a.b", expected letters'],
    ['events that are none of NATS', ['--events', 'nats://a/b'], 'error: --events (BURGAGE_EVENTS): server 1 is not an address of NATS'],
    ['a data folder that cannot be', ['--data', '/dev/null'], '[config_invalid]'],
  ])('says so and ends when it is given %s', async (_, args, said) => {
    const { code, stderr } = await ended(run(...args));
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(said) });
  });
});
