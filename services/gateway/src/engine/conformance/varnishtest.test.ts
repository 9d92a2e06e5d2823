// Conversations in services/gateway/vtc, played by Varnish's own test program around a gateway that runs as people run it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { describeWithLab, type RunningServer, runServer, type ServerProduct } from '@burgage/lab';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deadAddress } from '../../testing/fixture.ts';

const folder = resolve(import.meta.dirname, '../../../vtc');
const command = resolve(import.meta.dirname, '../../../../../cli/bin/burgage.js');
const cases = (await readdir(folder)).filter((name) => name.endsWith('.vtc')).map((name) => basename(name, '.vtc'));
const hostOf = (name: string): string => `${name.replaceAll('_', '-')}.test`;

const gatewayAlone: ServerProduct<{ routes: string }> = {
  name: 'burgage',
  summary: 'our gateway alone',
  builds: [],
  scheme: 'http',
  usualPort: 8080,
  processes: ({ host, port }, { routes }) => [
    {
      name: 'gateway',
      command: process.execPath,
      args: [command, 'gateway', '--routes', routes, '--host', host, '--port', String(port), '--log-level', 'warn'],
      // It does not know the host, and says so.
      answers: async () => (await fetch(`http://${host}:${port}/`)).status === 404,
    },
  ],
};

describeWithLab('a conversation around the gateway', ['varnishtest'], (lab) => {
  let gateway: RunningServer;
  let scratch: string;
  /** Where the case's server listens. */
  const apps = new Map<string, string>();

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'burgage-vtc-'));
    for (const name of cases) apps.set(name, await deadAddress());
    const routes = join(scratch, 'routes.ndjson');
    const lines = cases.map((name) => JSON.stringify({ host: hostOf(name), tenant: `ten_${name}`, backends: [apps.get(name)] }));
    await writeFile(routes, `${lines.join('\n')}\n`);
    gateway = await runServer(gatewayAlone, { routes });
  }, 60_000);

  afterAll(async () => {
    await gateway?.close();
    await rm(scratch, { recursive: true, force: true });
  });

  it.each(cases)('%s', { timeout: 60_000 }, async (name) => {
    const macros = {
      gateway: `${gateway.host} ${gateway.port}`,
      app: apps.get(name)?.replace(':', ' ') ?? '',
      host: hostOf(name),
    };
    const defined = Object.entries(macros).flatMap(([macro, value]) => ['-D', `${macro}=${value}`]);
    const child = spawn(lab.tool('varnishtest'), [...defined, '-t', '20', join(folder, `${name}.vtc`)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: scratch },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const [status] = await once(child, 'close');
    expect(status, output).toBe(0);
  });
});
