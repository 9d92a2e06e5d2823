// A new gateway that takes over from the one that runs: as processes, under load.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { acme, makeCertificates } from './testing/certificates.ts';
import { deadAddress, eventually, onTestEnd, RawClient, sendRaw, startApp, temporaryFolder } from './testing/fixture.ts';
import { type Load, startLoad, type Target } from './testing/hand-over-load.ts';
import { routeOf, TestRegistry, upstreamOf } from './testing/registry.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Kept extends Target {
  readonly keeper: ChildProcess;
  readonly routes: string;
  readonly accessLog: string;
  readonly admin: string;
  readonly pieces: (() => void)[];
  said(): string;
  /** How many gateways have come up so far. */
  comings(): number;
  /** Process ids of the gateways that live. */
  lives(): Promise<number[]>;
  handOver(): Promise<void>;
}

/** A gateway as a process, at the head of a group. */
function spawnGateway(...args: readonly string[]): { readonly child: ChildProcess; said(): string } {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: {}, detached: true });
  let out = '';
  const hear = (text: Buffer): void => {
    out += text;
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  onTestEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return { child, said: () => out };
}

/** A gateway with `--hand-over`, and an app behind it whose slow answers go on when they are told to. */
async function startKept(): Promise<Kept> {
  const certificates = await makeCertificates();
  await certificates.put(acme);
  const pieces: (() => void)[] = [];
  const app = await startApp((request, response) => {
    if (request.url === '/download') {
      response.write('first ');
      pieces.push(() => response.end('last'));
    } else if (request.url === '/upload') {
      let bytes = 0;
      request.on('data', (piece: Buffer) => (bytes += piece.length));
      request.on('end', () => response.end(`${bytes} bytes`));
    } else response.end('app');
  });
  app.server.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.on('data', (bytes: Buffer) => socket.write(bytes)).on('end', () => socket.end());
    onTestEnd(async () => void socket.destroy());
  });
  const folder = await temporaryFolder();
  const [routes, accessLog] = [join(folder, 'routes.ndjson'), join(folder, 'access.log')];
  await writeFile(routes, JSON.stringify({ host: acme, tenant: 'ten_1', backends: [app.address] }));
  const ports = ['--port', '0', '--https-port', '0', '--certificates', certificates.folder];
  const { child: keeper, said } = spawnGateway('--routes', routes, ...ports, '--access-log', accessLog, '--hand-over');
  const comings = (): number => said().match(/^ready gateway/gm)?.length ?? 0;
  await eventually(() => comings() === 1);
  const [, port, httpsPort, admin = ''] = /^ready gateway http:\S+:(\d+) https:\S+:(\d+) admin (\S+)/m.exec(said()) ?? [];
  return {
    keeper,
    routes,
    accessLog,
    admin,
    pieces,
    host: acme,
    port: Number(port),
    httpsPort: Number(httpsPort),
    ca: certificates.ca,
    said,
    comings,
    lives: () => childrenOf(keeper.pid ?? 0),
    async handOver() {
      const [before, handed] = [comings(), handedOver(said())];
      keeper.kill('SIGUSR2');
      await eventually(() => comings() > before && handedOver(said()) > handed);
    },
  };
}

function handedOver(out: string): number {
  return out.match(/"handed over to a new gateway"/g)?.length ?? 0;
}

async function childrenOf(pid: number): Promise<number[]> {
  const texts = (await readdir(`/proc/${pid}/task`)).map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8'));
  return (await Promise.all(texts)).flatMap((text) => text.split(' ').filter(Boolean).map(Number));
}

function faultsOf({ met }: Load): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(met).map(([kind, { faults }]) => [kind, faults]));
}

const none = { 'keep-alive': [], 'new connections': [], 'TLS keep-alive': [], 'TLS new connections': [], 'HTTP/2': [] };

it('takes over three times in a row under load without one failed request, and what was begun goes on to its end', async () => {
  const kept = await startKept();
  const load = startLoad(kept);
  await load.more(20);

  let before: RawClient | undefined;
  for (const round of ['one', 'two', 'three']) {
    const download = await RawClient.connect(kept.port);
    download.send(`GET /download HTTP/1.1\r\nHost: ${acme}\r\n\r\n`);
    await download.untilText('first ');
    const upload = await RawClient.connect(kept.port);
    upload.send(`POST /upload HTTP/1.1\r\nHost: ${acme}\r\nContent-Length: 2\r\n\r\n1`);
    const idle = await RawClient.connect(kept.port);
    idle.send(`GET / HTTP/1.1\r\nHost: ${acme}\r\n\r\n`);
    await idle.untilText('app');
    const tunnel = await RawClient.connect(kept.port);
    tunnel.send(`GET /socket HTTP/1.1\r\nHost: ${acme}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    await tunnel.untilText('101 ');

    await kept.handOver();
    await load.more(20);
    upload.send('2');
    kept.pieces.pop()?.();
    expect(await download.all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*first [\s\S]*last/);
    expect(await upload.all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*2 bytes/i);
    idle.received = '';
    idle.send(`GET / HTTP/1.1\r\nHost: ${acme}\r\n\r\n`);
    expect(await idle.all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*app/i);
    // The one before has seen two.
    for (const open of [before, tunnel]) await open?.send(`${round}\n`).untilText(`${round}\n`);
    before?.socket.destroy();
    before = tunnel;
  }
  await eventually(async () => (await kept.lives()).length === 2);
  before?.socket.destroy();
  await eventually(async () => (await kept.lives()).length === 1);
  await load.more(20);
  await load.stop();
  expect(faultsOf(load)).toEqual(none);
  expect(await (await fetch(`${kept.admin}/readyz`)).json()).toMatchObject({ ready: true });

  kept.keeper.kill('SIGTERM');
  expect(await once(kept.keeper, 'exit')).toEqual([0, null]);
  const three = ['/download', '/socket', '/upload'];
  const lines = (await readFile(kept.accessLog, 'utf8')).trimEnd().split('\n');
  const answers = Object.values(load.met).reduce((sum, { answers }) => sum + answers, 0);
  const logged = lines.map((line): { path: string; status: number } => JSON.parse(line));
  expect(logged.filter(({ path, status }) => path === '/' && status === 200)).toHaveLength(answers + 6);
  expect(
    logged
      .filter(({ path }) => path !== '/')
      .map(({ path }) => path)
      .sort(),
  ).toEqual(three.flatMap((path) => [path, path, path]));
});

it('changes nothing where the new gateway does not come up, or dies on its way, and says why', async () => {
  const kept = await startKept();
  const load = startLoad(kept);
  await load.more(10);
  const before = await kept.lives();

  const good = await readFile(kept.routes);
  await writeFile(kept.routes, 'no routes');
  kept.keeper.kill('SIGUSR2');
  await eventually(() => /"ended with code 1","msg":"not handed over: /.test(kept.said()));
  expect(kept.said()).toContain('routes.ndjson:1: is not JSON');
  await writeFile(kept.routes, good);

  kept.keeper.kill('SIGUSR2');
  await eventually(async () => (await kept.lives()).length === 2);
  for (const pid of await kept.lives()) if (!before.includes(pid)) process.kill(pid, 'SIGKILL');
  await eventually(() => /"was ended by SIGKILL","msg":"not handed over: /.test(kept.said()));

  await load.more(10);
  expect(await kept.lives()).toEqual(before);
  await kept.handOver();
  await load.more(10);
  await load.stop();
  expect(faultsOf(load)).toEqual(none);
});

it('takes a signal to all of its processes for one wish, as when a service manager sends it', async () => {
  const kept = await startKept();
  const group = -(kept.keeper.pid ?? 0);
  const download = await RawClient.connect(kept.port);
  download.send(`GET /download HTTP/1.1\r\nHost: ${acme}\r\n\r\n`);
  await download.untilText('first ');
  process.kill(group, 'SIGUSR2');
  await eventually(() => kept.comings() === 2);
  await eventually(async () => (await kept.lives()).length === 2);
  process.kill(group, 'SIGTERM');
  kept.pieces[0]?.();
  expect(await download.all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*first [\s\S]*last/);
  expect(await once(kept.keeper, 'exit')).toEqual([0, null]);
  expect(kept.comings()).toBe(2);
});

it('takes over beside a registry without one answer that no routes are known', async () => {
  const folder = await temporaryFolder();
  const app = await startApp((_, response) => response.end('app'));
  const registry = new TestRegistry(folder);
  registry.append(upstreamOf(app.address), ...routeOf('acme.test'));
  await registry.start();
  const adminPort = (await deadAddress()).split(':')[1] ?? '';
  // Without a table on disk: all that the new one knows it has from the registry.
  const keeper = spawnGateway('--registry', registry.address, '--port', '0', '--admin-port', adminPort, '--hand-over');
  await eventually(() => /^ready gateway/m.test(keeper.said()));
  const port = Number(/^ready gateway http:\S+:(\d+)/m.exec(keeper.said())?.[1]);
  const ask = () => sendRaw(port, 'GET / HTTP/1.1\r\nHost: acme.test\r\nConnection: close\r\n\r\n');
  await eventually(async () => (await ask()).startsWith('HTTP/1.1 200 '));
  keeper.child.kill('SIGUSR2');
  const answers: string[] = [];
  await eventually(async () => {
    answers.push((await ask()).slice(0, 12));
    return /"the gateway that was taken over from has left"/.test(keeper.said());
  });
  for (let more = 0; more < 20; more++) answers.push((await ask()).slice(0, 12));
  expect(new Set(answers)).toEqual(new Set(['HTTP/1.1 200']));
  expect(registry.hellos.map(({ gatewayId, adminAddress }) => [gatewayId, adminAddress])).toEqual(
    Array.from({ length: 2 }, () => ['gateway', `127.0.0.1:${adminPort}`]),
  );
});

it('is not had by a gateway that was started without it: SIGUSR2 then changes nothing', async () => {
  const routes = join(await temporaryFolder(), 'routes.ndjson');
  await writeFile(routes, '');
  const plain = spawnGateway('--routes', routes, '--port', '0');
  await eventually(() => /^ready gateway/m.test(plain.said()));
  plain.child.kill('SIGUSR2');
  await eventually(() => plain.said().includes('SIGUSR2: nothing is done, as this gateway was started without --hand-over'));
  plain.child.kill('SIGTERM');
  expect(await once(plain.child, 'exit')).toEqual([0, null]);
});

it('ends with the gateway that serves, and with its exit code, so that whoever runs it knows', async () => {
  const kept = await startKept();
  const [gateway = 0] = await kept.lives();
  process.kill(gateway, 'SIGKILL');
  expect(await once(kept.keeper, 'exit')).toEqual([1, null]);
  await expect(RawClient.connect(kept.port)).rejects.toThrow('ECONNREFUSED');
});

it('leaves no gateway behind when it is killed itself', async () => {
  const kept = await startKept();
  await kept.handOver();
  kept.keeper.kill('SIGKILL');
  await eventually(() =>
    RawClient.connect(kept.port).then(
      () => false,
      () => true,
    ),
  );
});
