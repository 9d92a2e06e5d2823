// Holds instances to their promises with real processes: the compute driver on one side of the folder, the supervisor on the other.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type ContextKeyJwk, createContextIssuer, generateContextKey } from '@burgage/app-kit';
import { type DataPaths, dataPaths } from '@burgage/data-folder';
import { embeddedDrivers } from '@burgage/provisioner';
import { readReport, type WantedInstance, wantedFile } from '@burgage/provisioner/instances';
import { createLogger, type Random, systemClock, systemRandom } from '@burgage/runtime';
import { loadCatalog } from '@burgage/tenancy';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAlive, until } from '../stories/platform.ts';
import { Instances } from './instances.ts';
import { instanceProcess, lifeline, plainEnvironment } from './processes.ts';
import type { ProcessSpec } from './supervisor.ts';

const repository = resolve(import.meta.dirname, '../..');
let paths: DataPaths;
let key: ContextKeyJwk;
let running: Instances[];
let children: ChildProcess[];

/**
 * Answers with its process id, keeps a file in its folder, says when it begins and when it listens. A file `fault` beside
 * the folders of all apps has it end with what that says; `flood` has it talk; `pairs` has it wait for a second one.
 */
const app = `import { createServer } from 'node:http';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
const [port, beside] = process.argv.slice(2);
appendFileSync(beside + '/starts', 'begins\\n');
if (existsSync(beside + '/fault')) { appendFileSync(beside + '/starts', 'listens\\n'); throw new Error(readFileSync(beside + '/fault', 'utf8')); }
writeFileSync('data', String(process.pid));
if (existsSync(beside + '/flood')) for (let i = 0; i < 60_000; i++) console.log('line ' + i + ' ' + 'x'.repeat(80));
const server = createServer((_, response) => response.end(String(process.pid)));
const pause = () => new Promise((wake) => setTimeout(wake, 10));
while (existsSync(beside + '/pairs') && readFileSync(beside + '/starts', 'utf8').split('begins').length < 3) await pause();
server.listen(Number(port), '127.0.0.1', () => appendFileSync(beside + '/starts', 'listens\\n'));
process.once('SIGTERM', () => process.exit(0));`;

beforeEach(async () => {
  paths = dataPaths(await mkdtemp(join(tmpdir(), 'burgage-instances-')));
  key = await generateContextKey();
  running = [];
  children = [];
  await mkdir(paths.apps);
  await writeFile(join(paths.root, 'app.mjs'), app);
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(running.map((one) => one.stop()));
  await rm(paths.root, { recursive: true, force: true });
});

/** The process of the small app. Written as text below too, for a supervisor that is a process of its own. */
function smallApp({ name, port }: WantedInstance): ProcessSpec {
  const folder = join(paths.apps, name);
  mkdirSync(folder, { recursive: true });
  return {
    name,
    args: [...lifeline(repository), join(paths.root, 'app.mjs'), String(port), paths.root],
    env: plainEnvironment(),
    cwd: folder,
    logFile: join(paths.instanceLogs, `${name}.log`),
    logBytesMax: 1024 * 1024,
    ownPort: port,
    readyUrl: `http://127.0.0.1:${port}/healthz`,
  };
}

async function supervise(spec: (wanted: WantedInstance) => ProcessSpec = smallApp): Promise<Instances> {
  const one = new Instances({
    folder: paths.instances,
    specOf: spec,
    clock: systemClock,
    logger: createLogger({ service: 'test', level: 'silent' }),
    onCrash: () => undefined,
  });
  running.push(one);
  await one.start();
  return one;
}

function driver(random: Random = systemRandom) {
  return embeddedDrivers({
    issuer: createContextIssuer([key], { now: () => systemClock.now() }),
    readyPath: '/readyz',
    appFolder: join(paths.apps, 'desk-shared'),
    appsFolder: paths.apps,
    instancesFolder: paths.instances,
    instanceLogsFolder: paths.instanceLogs,
    filesFolder: paths.files,
    archivesFolder: paths.archives,
    archiveKey: new Uint8Array(32),
    fencesFolder: paths.fences,
    mailFolder: paths.mail,
    urlOf: (slug) => slug,
    clock: systemClock,
    random,
  }).compute;
}

const one = { name: 'ten_a-silo', tenantId: 'ten_A' };
const two = { name: 'ten_b-silo', tenantId: 'ten_B' };
const fence = (token: number) => ({ operationId: 'op', token });
const soon = () => AbortSignal.timeout(20_000);

const pidAt = async (address: string): Promise<number> => Number(await (await fetch(`http://${address}/`)).text());
const pidAtSoon = (address: string): Promise<number> => until('it answers', async () => await pidAt(address).catch(() => undefined));
const isGone = (pid: number) => until(`${pid} is gone`, async () => !isAlive(pid));
const statusOf = (name: string) => readReport(paths.instances, name);

describe('an instance', () => {
  test('runs once it is wanted, is the same when it is wanted again, and is listed', async () => {
    await supervise();
    const { address } = await driver().ensure(one, fence(1), soon());
    const pid = await pidAt(address);
    expect(await driver().ensure(one, fence(2), soon())).toMatchObject({ address });
    expect(await pidAt(address)).toBe(pid);
    expect(await driver().list(soon())).toEqual([{ ...one, state: 'running', address, restarts: 0, lastExit: '' }]);
    expect((await stat(wantedFile(paths.instances, one.name))).mode & 0o777).toBe(0o600);
  });

  test('that was killed is started again, and it is said how it ended', async () => {
    await supervise();
    const { address } = await driver().ensure(one, fence(1), soon());
    const pid = await pidAt(address);
    process.kill(pid, 'SIGKILL');
    await until('another answers', async () => (await pidAt(address).catch(() => pid)) !== pid);
    await until('it is said', async () => (await statusOf(one.name))?.state === 'running');
    expect(await driver().list(soon())).toMatchObject([{ restarts: 1, lastExit: 'was ended by SIGKILL' }]);
    expect(isAlive(pid)).toBe(false);
  });

  test('that ends again and again says so with its last words, and runs when its fault is gone', async () => {
    await supervise();
    const fault = join(paths.root, 'fault');
    await writeFile(fault, 'no database');
    await expect(driver().ensure(one, fence(1), soon())).rejects.toMatchObject({
      code: 'app_unhealthy',
      message: expect.stringContaining('ended with code 1: Error: no database'),
    });
    await until('it was started again twice', async () => ((await statusOf(one.name))?.restarts ?? 0) >= 2);
    const crashing = await until('it waits', async () => (await driver().list(soon())).find(({ state }) => state === 'backing_off'));
    expect(crashing).toMatchObject({ lastExit: 'ended with code 1: Error: no database' });
    await rm(fault);
    await until('it runs', async () => (await statusOf(one.name))?.state === 'running');
    const { address } = await driver().ensure(one, fence(2), soon());
    expect(isAlive(await pidAt(address))).toBe(true);
  });

  test('that has lost its folder says so, and is given no empty one', async () => {
    await supervise();
    const { address } = await driver().ensure(one, fence(1), soon());
    const folder = join(paths.apps, one.name);
    await rm(folder, { recursive: true });
    process.kill(await pidAt(address), 'SIGKILL');
    await until(
      'it is said',
      async () => (await statusOf(one.name))?.lastExit === `could not be started: its folder ${folder} is not there`,
    );
    expect(existsSync(folder)).toBe(false);
  });

  test('that was removed leaves no process, data or log, and its port is given to nobody before its release', async () => {
    await supervise();
    const fixed: Random = { ...systemRandom, float: () => 0.25 };
    const first = await driver(fixed).ensure(one, fence(1), soon());
    const pid = await pidAt(first.address);
    await driver(fixed).remove(one.name, fence(2), soon());
    expect(isAlive(pid)).toBe(false);
    expect(await readdir(paths.apps)).toEqual([]);
    expect(await readdir(paths.instanceLogs).catch(() => [])).toEqual([]);
    expect(await driver().list(soon())).toMatchObject([{ ...one, state: 'stopped', address: first.address }]);
    await driver().remove(one.name, fence(2), soon());

    const second = await driver(fixed).ensure(two, fence(1), soon());
    expect(second.address).not.toBe(first.address);
    await driver().release(one.name, fence(2), soon());
    await driver().release(one.name, fence(2), soon());
    expect(await driver().list(soon())).toMatchObject([two]);
    const third = await driver(fixed).ensure({ name: 'ten_c-silo', tenantId: 'ten_C' }, fence(1), soon());
    expect(third.address).toBe(first.address);
    await until('its status is gone', async () => !(await readdir(paths.instances)).some((name) => name.startsWith(one.name)));
  });

  test('that has left only its data is listed, and removed as any other', async () => {
    await supervise();
    const name = 'ten_00000000000000000000000001-silo';
    const tenantId = 'ten_00000000000000000000000001';
    for (const folder of [name, 'desk-shared', 'lost+found']) await mkdir(join(paths.apps, folder));
    expect(await driver().list(soon())).toEqual([{ name, tenantId, state: 'stopped', address: '', restarts: 0, lastExit: '' }]);
    await driver().remove(name, fence(1), soon());
    await driver().release(name, fence(1), soon());
    expect(await readdir(paths.apps)).toEqual(['desk-shared', 'lost+found']);
    expect(await driver().list(soon())).toEqual([]);
  });

  test('that runs cannot be released, and one that never was is no error to remove', async () => {
    await supervise();
    await driver().remove(one.name, fence(1), soon());
    await driver().release(one.name, fence(1), soon());
    const { address } = await driver().ensure(one, fence(1), soon());
    await expect(driver().release(one.name, fence(1), soon())).rejects.toMatchObject({ code: 'internal' });
    expect(isAlive(await pidAt(address))).toBe(true);
  });

  test('comes back on its own port when it is wanted again before its release', async () => {
    await supervise();
    const { address } = await driver().ensure(one, fence(1), soon());
    await driver().remove(one.name, fence(1), soon());
    expect(await driver().ensure(one, fence(1), soon())).toMatchObject({ address });
  });

  test('is not touched by whoever comes late', async () => {
    await supervise();
    const { address } = await driver().ensure(one, fence(5), soon());
    const pid = await pidAt(address);
    const fenced = { code: 'fenced', metadata: { seen: '5' } };
    await expect(driver().remove(one.name, fence(4), soon())).rejects.toMatchObject(fenced);
    await expect(driver().release(one.name, fence(4), soon())).rejects.toMatchObject(fenced);
    expect(await pidAt(address)).toBe(pid);
    await driver().remove(one.name, fence(5), soon());
    await driver().release(one.name, fence(5), soon());
    await expect(driver().ensure(one, fence(4), soon())).rejects.toMatchObject(fenced);
    expect([await driver().list(soon()), await readdir(paths.apps)]).toEqual([[], []]);
  });

  test('that is wanted again while it is being removed keeps its data from the late removal', async () => {
    const supervisor = await supervise();
    await driver().ensure(one, fence(1), soon());
    await supervisor.stop();
    const removal = driver().remove(one.name, fence(2), soon());
    removal.catch(() => undefined);
    await until('it is to stop', async () => (await readFile(wantedFile(paths.instances, one.name), 'utf8')).includes('"stopped":true'));
    const wanted = driver().ensure(one, fence(3), soon());
    await expect(removal).rejects.toMatchObject({ code: 'fenced', metadata: { seen: '3' } });
    expect(await readdir(join(paths.apps, one.name))).toEqual(['data']);
    await supervise();
    expect(isAlive(await pidAt((await wanted).address))).toBe(true);
  });

  test('moves to another port where a program has taken its own, however that answers there', async () => {
    const supervisor = await supervise();
    const before = await driver().ensure(one, fence(1), soon());
    await supervisor.stop();
    const other = createServer((_, response) => response.end()).listen(Number(before.address.split(':')[1]), '127.0.0.1');
    await once(other, 'listening');
    try {
      await supervise();
      await until('it cannot start', async () => (await statusOf(one.name))?.lastExit?.includes('in use by another program'));
      const after = await until(
        'it moves',
        async () =>
          await driver()
            .ensure(one, fence(2), soon())
            .catch(() => undefined),
      );
      expect(after.address).not.toBe(before.address);
      expect(isAlive(await pidAt(after.address))).toBe(true);
    } finally {
      other.close().closeAllConnections();
    }
  });

  test('that does not come in time is given up when the caller says so', async () => {
    const refused = driver().ensure(one, fence(1), AbortSignal.timeout(300));
    await expect(refused).rejects.toMatchObject({ code: 'deadline_exceeded', message: expect.stringContaining(one.name) });
    expect(await driver().list(soon())).toMatchObject([{ ...one, state: 'starting' }]);
  });

  test('has names that cannot lead out of its folders, nor to those of the shared app', async () => {
    for (const name of ['desk-shared', '..', '../x-silo', 'a/b-silo', 'X-silo', '']) {
      await expect(driver().remove(name, fence(1), soon())).rejects.toMatchObject({ code: 'internal' });
    }
  });
});

describe('several at once', () => {
  test('two drivers that want one instance make one, and two that want two never choose one port', async () => {
    await supervise();
    const fixed: Random = { ...systemRandom, float: () => 0.5 };
    const [a, b, c] = await Promise.all([
      driver(fixed).ensure(one, fence(1), soon()),
      driver(fixed).ensure(one, fence(1), soon()),
      driver(fixed).ensure(two, fence(1), soon()),
    ]);
    expect(a.address).toBe(b.address);
    expect(c.address).not.toBe(a.address);
    expect((await readFile(join(paths.root, 'starts'), 'utf8')).match(/begins/g)).toHaveLength(2);
  });

  test('start two at a time', async () => {
    const first = await supervise();
    const many = Array.from({ length: 6 }, (_, index) => ({ name: `ten_${index}-silo`, tenantId: `ten_${index}` }));
    await Promise.all(many.map((instance) => driver().ensure(instance, fence(1), soon())));
    await first.stop();
    expect((await driver().list(soon())).map(({ state }) => state)).toEqual(many.map(() => 'stopped'));
    await writeFile(join(paths.root, 'starts'), '');
    await writeFile(join(paths.root, 'pairs'), '');
    await supervise();
    await until('all run', async () => (await driver().list(soon())).every(({ state }) => state === 'running'));
    let starting = 0;
    let most = 0;
    for (const line of (await readFile(join(paths.root, 'starts'), 'utf8')).trim().split('\n')) {
      starting += line === 'begins' ? 1 : -1;
      most = Math.max(most, starting);
    }
    expect(most).toBe(2);
  });
});

test('what is no instance in the folder is left alone, and so is an instance whose file was spoilt', async () => {
  await mkdir(join(paths.instances, 'folder-silo.json'), { recursive: true });
  await writeFile(join(paths.instances, 'half-silo.json'), '{"name":');
  await writeFile(join(paths.instances, 'other-silo.json'), '{"name":"another-silo"}');
  await writeFile(join(paths.instances, 'notes.txt'), 'notes');
  await supervise();
  const { address } = await driver().ensure(one, fence(1), soon());
  const pid = await pidAt(address);
  const file = wantedFile(paths.instances, one.name);
  const right = await readFile(file, 'utf8');
  await writeFile(file, 'spoilt');
  await expect(driver().ensure(one, fence(1), soon())).rejects.toMatchObject({
    code: 'data_corrupt',
    message: expect.stringContaining(file),
  });
  await driver().ensure(two, fence(1), soon());
  await writeFile(file, right);
  await driver().ensure(one, fence(1), soon());
  expect(await pidAt(address)).toBe(pid);
  expect((await readdir(paths.instances)).sort()).toEqual(
    [
      'folder-silo.json',
      'half-silo.json',
      'other-silo.json',
      'notes.txt',
      ...[one, two].flatMap(({ name }) => [`${name}.json`, `${name}.status.json`]),
    ].sort(),
  );
});

test('an instance that talks without end fills two files of a mebibyte, and no more', async () => {
  await writeFile(join(paths.root, 'flood'), '');
  await supervise();
  await driver().ensure(one, fence(1), soon());
  const log = join(paths.instanceLogs, `${one.name}.log`);
  // Between one file and the next there is none for a moment.
  const written = (): Promise<string> => readFile(log, 'utf8').catch((error) => (error.code === 'ENOENT' ? '' : Promise.reject(error)));
  await until('all is written', async () => (await written()).includes('line 59999 '));
  for (const file of [log, `${log}.1`]) expect((await stat(file)).size).toBeLessThanOrEqual(1024 * 1024);
  await driver().remove(one.name, fence(1), soon());
  expect(await readdir(paths.instanceLogs)).toEqual([]);
});

test('instances end with a supervisor that is killed, and the next one starts them again where they were', async () => {
  const script = join(paths.root, 'supervisor.mjs');
  const at = (file: string): string => JSON.stringify(join(repository, file));
  await writeFile(
    script,
    `import { existsSync, mkdirSync } from 'node:fs';
     import { Instances } from ${at('local/src/instances.ts')};
     import { createLogger, systemClock } from ${at('packages/runtime/src/index.ts')};
     const root = ${JSON.stringify(paths.root)};
     await new Instances({
       folder: root + '/instances', clock: systemClock, logger: createLogger({ service: 'test', level: 'silent' }), onCrash: () => {},
       specOf: ({ name, port }) => {
         const cwd = root + '/apps/' + name;
         mkdirSync(cwd, { recursive: true });
         return { name, cwd, args: ['--import', ${at('local/src/lifeline.ts')}, root + '/app.mjs', String(port), root], env: {},
           logFile: root + '/logs/instances/' + name + '.log', logBytesMax: 1048576, readyUrl: 'http://127.0.0.1:' + port + '/' };
       },
     }).start();`,
  );
  const supervisor = spawn(process.execPath, [script], { stdio: 'inherit' });
  children.push(supervisor);
  await until('it looks', async () => (await readdir(paths.instances).catch(() => undefined)) !== undefined);
  const { address } = await driver().ensure(one, fence(1), soon());
  const pid = await pidAt(address);
  supervisor.kill('SIGKILL');
  await isGone(pid);
  await supervise();
  expect(await pidAtSoon(address)).not.toBe(pid);
  expect(await driver().ensure(one, fence(1), soon())).toMatchObject({ address });
});

test('a driver that is killed anywhere is followed by one that brings it to its end', async () => {
  await supervise();
  const script = join(paths.root, 'driver.mjs');
  const at = (file: string): string => JSON.stringify(join(repository, file));
  await writeFile(
    script,
    `import { createFences } from ${at('services/provisioner/src/adapters/fences.ts')};
     import { createLocalCompute } from ${at('services/provisioner/src/adapters/local-compute.ts')};
     import { systemClock as clock, systemRandom as random } from ${at('packages/runtime/src/index.ts')};
     const root = ${JSON.stringify(paths.root)};
     const fences = createFences({ folder: root + '/fences', clock, random });
     const compute = createLocalCompute({ instancesFolder: root + '/instances', appsFolder: root + '/apps',
       instanceLogsFolder: root + '/logs/instances', healthPath: '/healthz', fences, clock, random });
     const fence = { operationId: 'op', token: Number(process.argv[2]) };
     const { signal } = new AbortController();
     process.stdout.write('begins');
     for (;;) {
       await compute.ensure(${JSON.stringify(one)}, fence, signal);
       await compute.remove('${one.name}', fence, signal);
       await compute.release('${one.name}', fence, signal);
     }`,
  );
  for (let token = 1; token <= 8; token++) {
    const child = spawn(process.execPath, [script, String(token)], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    // Spread over one round, which takes about as long as the app needs to start.
    await systemClock.sleep(systemRandom.float() * 400);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const { address } = await driver().ensure(one, fence(9), soon());
  const pid = await pidAt(address);
  await driver().remove(one.name, fence(9), soon());
  await driver().release(one.name, fence(9), soon());
  expect([isAlive(pid), await readdir(paths.apps), await driver().list(soon())]).toEqual([false, [], []]);
  await until('the folder is empty', async () => (await readdir(paths.instances)).length === 0);
});

test('the app of the default catalog runs as an instance under the permission model, and leaves nothing', async () => {
  const catalog = await loadCatalog('litedesk', join(repository, 'catalogs'), { appEntry: true });
  const specs: ProcessSpec[] = [];
  await supervise((wanted) => {
    const spec = instanceProcess({ repository, paths, catalog, gatewayAdminPort: 9 }, wanted);
    specs.push(spec);
    return spec;
  });
  const { address } = await driver().ensure(one, fence(1), soon());
  expect((await fetch(`http://${address}/healthz`)).status).toBe(200);
  expect(specs[0]?.env).toMatchObject({
    BURGAGE_TENANT: 'ten_A',
    BURGAGE_UPSTREAM: one.name,
    BURGAGE_APP_DATA: join(paths.apps, one.name),
  });
  expect(specs[0]?.args).toContain('--permission');
  expect((await readdir(join(paths.apps, one.name))).length).toBeGreaterThan(0);
  expect(await readFile(join(paths.instanceLogs, `${one.name}.log`), 'utf8')).toContain('listening');
  const { pid = 0 } = (await statusOf(one.name)) ?? {};
  expect(isAlive(pid)).toBe(true);
  await driver().remove(one.name, fence(1), soon());
  expect([isAlive(pid), await readdir(paths.apps), await readdir(paths.instanceLogs)]).toEqual([false, [], []]);
});
