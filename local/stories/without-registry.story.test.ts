// The gateway without its registry: traffic goes on, also after a restart, and it says so.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadCatalog } from '@burgage/tenancy';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DataFolder, openDataFolder } from '../src/data-folder.ts';
import { freePort } from '../src/ports.ts';
import { type PlatformProcesses, platformProcesses } from '../src/processes.ts';
import type { ProcessSpec } from '../src/supervisor.ts';
import { type Answer, ask, until } from './platform.ts';

const repository = resolve(import.meta.dirname, '../..');
const loopback = '127.0.0.1';

let data: DataFolder;
let folder: string;
let port: number;
let adminPort: number;
let specs: PlatformProcesses;
let token: string;
let internalToken: string;
const running = new Map<string, ChildProcess>();

async function start(spec: ProcessSpec): Promise<void> {
  const child = spawn(process.execPath, spec.args, { cwd: spec.cwd, env: { ...spec.env }, stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin?.on('error', () => undefined);
  running.set(spec.name, child);
  await until(`${spec.name} is ready`, async () => (await fetch(spec.readyUrl).catch(() => undefined))?.ok);
}

async function kill(spec: ProcessSpec): Promise<void> {
  const child = running.get(spec.name);
  running.delete(spec.name);
  if (!child) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const tenantPage = (host: string): Promise<Answer> => ask(port, host, '/');

async function gatewayStatus(): Promise<Record<string, unknown>> {
  return (await ask(adminPort, loopback, '/routes/status', { headers: { authorization: `Bearer ${internalToken}` } })).json();
}

async function inSync(): Promise<void> {
  await until('the gateway follows the registry', async () => (await gatewayStatus()).inSync === true);
}

async function signUp(company: string): Promise<string> {
  const created = await ask(port, 'api.localhost', '/v1/tenants', {
    headers: { authorization: `Bearer ${token}` },
    json: { company, plan: 'trial', owner: 'owner@gateway.test' },
  });
  expect(created.status).toBe(202);
  const host = `${created.json<{ tenant: { slug: string } }>().tenant.slug}.localhost`;
  await until(`${host} is live`, async () => (await tenantPage(host)).status === 200);
  return host;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-story-'));
  data = await openDataFolder(folder);
  const catalog = await loadCatalog('litedesk', join(repository, 'catalogs'));
  port = await freePort(loopback);
  adminPort = await freePort(loopback);
  specs = platformProcesses({
    repository,
    paths: data.paths,
    host: loopback,
    port,
    baseDomain: 'localhost',
    logLevel: 'info',
    catalogName: 'litedesk',
    dedicated: true,
    catalog,
    ports: {
      api: await freePort(loopback),
      app: await freePort(loopback),
      controlAdmin: await freePort(loopback),
      gatewayAdmin: adminPort,
    },
  });
  token = (await readFile(data.paths.adminToken, 'utf8')).trim();
  internalToken = (await readFile(data.paths.internalToken, 'utf8')).trim();
  await Promise.all([start(specs.app), start(specs.control), start(specs.gateway)]);
  await inSync();
}, 60_000);

afterAll(async () => {
  await Promise.all([kill(specs.app), kill(specs.control), kill(specs.gateway)]);
  await data.release();
  await rm(folder, { recursive: true, force: true });
});

describe('a gateway', () => {
  test('serves known hosts while the registry is gone, serves them after a restart from its disk, and says so', {
    timeout: 60_000,
  }, async () => {
    const host = await signUp('Disk GmbH');
    expect(await gatewayStatus()).toMatchObject({ source: 'registry', inSync: true });
    await until('the table is on disk', async () => {
      const text = await readFile(join(data.paths.gateway, 'routes.table')).catch(() => Buffer.alloc(0));
      return text.includes(host) && (await gatewayStatus()).inSync === true;
    });
    await kill(specs.control);
    for (let request = 0; request < 10; request += 1) expect((await tenantPage(host)).status).toBe(200);

    await kill(specs.gateway);
    await start(specs.gateway);
    expect((await tenantPage(host)).status).toBe(200);
    expect(await gatewayStatus()).toMatchObject({ source: 'disk', inSync: false });
    // It cannot know whether a host that it has never heard of exists, and does not say that it does not.
    expect((await tenantPage('never-heard-of.localhost')).status).toBe(503);

    await start(specs.control);
    await inSync();
    expect(await gatewayStatus()).toMatchObject({ source: 'registry' });
    await until('new tenants are served again', async () => (await signUp('Back Again')).length > 0);
  });

  test('sets a table aside that was cut off, and gets the routes anew', { timeout: 60_000 }, async () => {
    const host = await signUp('Cut Off AG');
    const table = join(data.paths.gateway, 'routes.table');
    await until('the table is on disk', async () => (await readFile(table).catch(() => Buffer.alloc(0))).includes(host));
    await kill(specs.gateway);
    const { length } = await readFile(table);
    await truncate(table, Math.floor(length / 2));
    await start(specs.gateway);
    await until('served from the registry', async () => (await tenantPage(host)).status === 200);
    expect(await gatewayStatus()).toMatchObject({ source: 'registry', inSync: true });

    await kill(specs.gateway);
    await writeFile(table, 'not a table');
    await start(specs.gateway);
    await until('served from the registry', async () => (await tenantPage(host)).status === 200);
  });
});
