// A process with few files: a flood of idle clients takes none from what other tenants need.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eventually, onTestEnd, RawClient, startApp, temporaryFolder } from './testing/fixture.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const filesMax = 200;
const flood = 600;
const asked = 60;

const get = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

async function startWithFiles(argv: readonly string[]): Promise<{ port: number; admin: string; failure: string | undefined }> {
  const child = spawn('sh', ['-c', `ulimit -n ${filesMax} && exec "$0" "$@"`, process.execPath, main, ...argv], { env: {} });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  child.stderr.on('data', (text) => {
    said += text;
  });
  const ended = once(child, 'exit');
  onTestEnd(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await eventually(() => child.exitCode !== null || /^ready gateway/m.test(said));
  const [, port, admin] = /^ready gateway http:\/\/[\d.]+:(\d+) admin (\S+)/m.exec(said) ?? [];
  return { port: Number(port), admin: admin ?? '', failure: child.exitCode === null ? undefined : said };
}

async function routesFile(lines: readonly object[]): Promise<string> {
  const file = join(await temporaryFolder(), 'routes.ndjson');
  await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

describe('a gateway that may open 200 files', () => {
  it.each([1, 2])('answers all of a quiet tenant while another tenant is flooded with idle clients, with --workers %i', async (workers) => {
    const { address: noisy } = await startApp((_, response) => response.end('noisy'));
    const { address: quiet } = await startApp((_, response) => response.end('quiet'));
    const routes = await routesFile([
      { host: 'noisy.test', tenant: 'ten_noisy', backends: [noisy] },
      { host: 'quiet.test', tenant: 'ten_quiet', backends: [quiet] },
    ]);
    const { port, admin } = await startWithFiles([
      ...['--routes', routes, '--port', '0', '--admin-port', '0', '--workers', `${workers}`, '--log-level', 'warn'],
    ]);
    const statuses: string[] = [];
    const ask = async () => {
      const client = (await RawClient.connect(port)).send(get('quiet.test'));
      const answer = await client.until(({ received, ended }) => ended || received.includes('quiet')).catch(() => '');
      client.socket.destroy();
      statuses.push(answer.slice(0, 12));
    };
    for (let i = 0; i < flood; i++) {
      (await RawClient.connect(port)).send(get('noisy.test'));
      if (i % (flood / asked) === 0) await ask();
    }
    expect(statuses).toEqual(Array.from({ length: asked }, () => 'HTTP/1.1 200'));
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    expect(Number(/^burgage_gateway_client_connections_shed_total\{which="idle"\} (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(flood / 2);
    const [, open] = /^burgage_gateway_client_connections (\d+)$/m.exec(metrics) ?? [];
    const [, most] = /^burgage_gateway_client_connections_max (\d+)$/m.exec(metrics) ?? [];
    expect(Number(most)).toBeLessThan(filesMax / 2);
    expect(Number(open)).toBeLessThanOrEqual(Number(most));
  });

  it('does not start with a bound for clients that it has no files for', async () => {
    const routes = await routesFile([{ host: 'a.test', tenant: 'ten_a', backends: ['127.0.0.1:1'] }]);
    const { failure } = await startWithFiles(['--routes', routes, '--port', '0', '--admin-port', '0', '--client-connections-max', '100']);
    expect(failure).toMatch(
      /--client-connections-max \(BURGAGE_GATEWAY_CLIENT_CONNECTIONS_MAX\): got 100, expected at most 68: the process may open 200 files/,
    );
  });
});
