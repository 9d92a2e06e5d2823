// The gateway as a process: alone on a route file, and beside a registry that is not there.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { acme, makeCertificates } from './testing/certificates.ts';
import { eventually, onTestEnd, RawClient, sendRaw, startApp, temporaryFolder } from './testing/fixture.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Ran {
  readonly child: ChildProcess;
  out: string;
  err: string;
}

function runMain(...argv: string[]): Ran {
  const child = spawn(process.execPath, [main, ...argv], { stdio: ['ignore', 'pipe', 'pipe'], env: {} });
  const ran: Ran = { child, out: '', err: '' };
  child.stdout?.on('data', (text: Buffer) => {
    ran.out += text;
  });
  child.stderr?.on('data', (text: Buffer) => {
    ran.err += text;
  });
  onTestEnd(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
  return ran;
}

async function ready(ran: Ran): Promise<{ port: number; admin: string }> {
  await eventually(() => {
    if (ran.child.exitCode !== null) throw new Error(`the gateway ended: ${ran.err}${ran.out}`);
    return /^ready gateway/m.test(ran.out);
  });
  const [, port, admin] = /^ready gateway http:\/\/[\d.]+:(\d+) admin (\S+)/m.exec(ran.out) ?? [];
  return { port: Number(port), admin: admin ?? '' };
}

const get = 'GET /secret?token=hush HTTP/1.1\r\nHost: t1.example.com\r\nConnection: close\r\n\r\n';

describe('the gateway alone', () => {
  it('serves the hosts of its file, writes its access log, and drains at SIGTERM', async () => {
    const folder = await temporaryFolder();
    const waiting: (() => void)[] = [];
    const app = await startApp((request, response) => {
      if (request.url === '/slow') waiting.push(() => response.end('slow'));
      else response.end('app');
    });
    const routes = join(folder, 'routes.ndjson');
    const log = join(folder, 'access.log');
    await writeFile(
      routes,
      `{"host":"t1.example.com","tenant":"ten_1","plan":"starter","state":"active","backends":["${app.address}"],"limits":{"requestsPerSecond":1000,"concurrency":100}}\n`,
    );
    const ran = runMain(
      '--routes',
      routes,
      '--port',
      '0',
      '--workers',
      '1',
      '--admin-port',
      '0',
      '--access-log',
      log,
      '--log-level',
      'warn',
    );
    const { port, admin } = await ready(ran);
    expect(await sendRaw(port, get)).toMatch(/^HTTP\/1\.1 200 [\s\S]*app/);
    expect(await sendRaw(port, get.replace('t1', 't2'))).toMatch(/^HTTP\/1\.1 404 /);
    expect(await (await fetch(`${admin}/metrics`)).text()).toContain('burgage_gateway_requests_total{tenant="ten_1",status="2xx"} 1');
    expect(await (await fetch(`${admin}/readyz`)).json()).toMatchObject({ ready: true });
    expect(await (await fetch(`${admin}/jwks.json`)).json()).toEqual({ keys: [] });
    expect((await fetch(`${admin}/explain?url=x`)).status).toBe(404);

    const slow = await RawClient.connect(port);
    slow.send('GET /slow HTTP/1.1\r\nHost: t1.example.com\r\n\r\n');
    await eventually(() => waiting.length === 1);
    const ended = once(ran.child, 'exit');
    ran.child.kill('SIGTERM');
    await eventually(() =>
      RawClient.connect(port).then(
        () => false,
        () => true,
      ),
    );
    waiting[0]?.();
    expect(await slow.all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*slow/);
    expect(await ended).toEqual([0, null]);

    const text = await readFile(log, 'utf8');
    expect((await stat(log)).mode & 0o777).toBe(0o600);
    expect(text).not.toContain('hush');
    const [first, second, third] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(first).toMatchObject({
      method: 'GET',
      host: 't1.example.com',
      path: '/secret',
      tenant: 'ten_1',
      endpoint: app.address,
      status: 200,
      termination: 'completed',
      client: '127.0.0.1',
    });
    expect(second).toMatchObject({ host: 't2.example.com', status: 404, code: 'host_unknown', termination: 'refused' });
    expect(third).toMatchObject({ path: '/slow', termination: 'completed' });
  });

  it.each([
    ['a bad route file', '{"host":"a.test"}\n', [], /routes\.ndjson:1: .*\[route_file_invalid\]/s],
    [
      'several workers that would have to hand over',
      '',
      ['--workers', '2', '--hand-over', '--admin-port', '9'],
      /--workers: got 2 with --hand-over, expected 1.*\[config_invalid\]/s,
    ],
    ['no worker', '', ['--workers', '0'], /--workers: "0" is not valid: .*\[config_invalid\]/s],
    [
      'an address of another machine',
      '',
      ['--host', '192.0.2.1'],
      /^error: --host \(BURGAGE_GATEWAY_HOST\): "192\.0\.2\.1" is no address of this machine \(EADDRNOTAVAIL\)\n.*\[config_invalid\]/s,
    ],
    [
      'a token file that is not there',
      '',
      ['--internal-token-file', '/nowhere/token'],
      /--internal-token-file: "\/nowhere\/token" does not exist\./,
    ],
    [
      'a port for TLS without certificates',
      '',
      ['--https-port', '0'],
      /--https-port: came without --certificates; expected both or neither\./,
    ],
    [
      'certificates without a port for TLS',
      '',
      ['--certificates', '/'],
      /--certificates: came without --https-port; expected both or neither\./,
    ],
    [
      'certificates that are not there',
      '',
      ['--https-port', '0', '--certificates', '/nowhere'],
      /--certificates: "\/nowhere" does not exist\..*\[config_invalid\]/s,
    ],
    [
      'one port for two listeners',
      '',
      ['--https-port', '18080', '--admin-port', '18080', '--certificates', '/'],
      /--admin-port: 18080 is the port of --https-port too; expected another one\./,
    ],
    [
      'networks that are none',
      '',
      ['--proxy-protocol-from', '10.0.0.0/8,10.0.0.0/33'],
      /--proxy-protocol-from.*got "10\.0\.0\.0\/33", expected an address or a network such as 10\.0\.0\.0\/8/,
    ],
    [
      'an access log that is a folder',
      '',
      ['--access-log', '/'],
      /--access-log \(BURGAGE_ACCESS_LOG\): "\/" cannot be written to \(EISDIR\), expected a file or -/,
    ],
    [
      'context keys that are not there',
      '',
      ['--context-keys', '/nowhere'],
      /--context-keys \(BURGAGE_CONTEXT_KEYS\): "\/nowhere" cannot be read \(ENOENT\)/,
    ],
    [
      'context keys that are none',
      '',
      ['--context-keys', main],
      /--context-keys \(BURGAGE_CONTEXT_KEYS\): ".*" is no JSON, expected \{"keys": /,
    ],
    [
      'an empty share of the access log',
      '',
      ['--access-log-sample', ''],
      /--access-log-sample: "" is not valid: expected a share from 0 to 1/,
    ],
    ['an unknown flag', '', ['--prot', '1'], /--prot: is not known; did you mean --port\?.*\[config_invalid\]/s],
  ])('does not start with %s', async (_, text, argv, message) => {
    const folder = await temporaryFolder();
    const routes = join(folder, 'routes.ndjson');
    await writeFile(routes, text);
    const ran = runMain('--routes', routes, '--port', '0', ...argv);
    const [code] = await once(ran.child, 'close');
    expect(code).toBe(1);
    expect(ran.err).toMatch(message);
    expect(ran.out).toBe('');
  });

  it('says what is wrong with a route file that cannot be read', async () => {
    const folder = await temporaryFolder();
    for (const [file, reason] of [
      [folder, 'is a folder, expected a file.'],
      [join(folder, 'no.ndjson'), 'does not exist.'],
    ] as const) {
      const ran = runMain('--routes', file);
      await once(ran.child, 'close');
      expect(ran.err).toContain(`--routes: ${JSON.stringify(file)} ${reason}`);
    }
  });

  it('serves TLS on a port of its own, with the certificates of its folder', async () => {
    const certificates = await makeCertificates();
    await certificates.put(acme);
    const app = await startApp((_, response) => response.end('app'));
    const routes = join(await temporaryFolder(), 'routes.ndjson');
    await writeFile(routes, JSON.stringify({ host: acme, tenant: 'ten_1', backends: [app.address] }));
    const ran = runMain('--routes', routes, '--port', '0', '--https-port', '0', '--certificates', certificates.folder);
    await eventually(() => /^ready gateway/m.test(ran.out));
    const [, port] = /^ready gateway http:\/\/\S+ https:\/\/127\.0\.0\.1:(\d+) admin http:/m.exec(ran.out) ?? [];
    const client = await RawClient.secure(Number(port), { servername: acme, ca: certificates.ca });
    expect(await client.send(get.replace('t1.example.com', acme)).all()).toMatch(/^HTTP\/1\.1 200 [\s\S]*app/);
  });

  it('does not start with one port for both listeners', async () => {
    const ran = runMain('--routes', join(await temporaryFolder(), 'routes.ndjson'), '--port', '18080', '--admin-port', '18080');
    expect((await once(ran.child, 'close'))[0]).toBe(1);
    expect(ran.err).toMatch(/^error: --admin-port: 18080 is the port of --port too; expected another one\.\n.*\[config_invalid\]/);
  });

  it('does not start on a port that is taken, and names the setting of that port', async () => {
    const app = await startApp((_, response) => response.end());
    const routes = join(await temporaryFolder(), 'routes.ndjson');
    await writeFile(routes, '');
    const taken = app.address.split(':')[1] ?? '';
    for (const [flag, name] of [
      ['--port', '--port (BURGAGE_GATEWAY_PORT)'],
      ['--admin-port', '--admin-port (BURGAGE_GATEWAY_ADMIN_PORT)'],
    ] as const) {
      const ports = flag === '--port' ? [flag, taken] : ['--port', '0', flag, taken];
      const ran = runMain('--routes', routes, ...ports);
      expect((await once(ran.child, 'close'))[0]).toBe(1);
      expect(ran.err.startsWith(`error: ${name}: ${app.address} is in use by another program\n`)).toBe(true);
      expect(ran.err).toContain('[port_taken]');
      expect(ran.out).toBe('');
    }
  });
});

describe('the gateway beside a registry', () => {
  it('starts without it, says that it has no routes, and ends at SIGINT', async () => {
    const folder = await temporaryFolder();
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'internal\n');
    const ran = runMain(
      '--registry',
      `unix:${join(folder, 'registry.sock')}`,
      '--port',
      '0',
      '--table',
      join(folder, 'routes.table'),
      '--internal-token-file',
      tokenFile,
    );
    const { port, admin } = await ready(ran);
    expect(await sendRaw(port, get)).toMatch(/^HTTP\/1\.1 503 [\s\S]*routes_unavailable/);
    const status = await fetch(`${admin}/routes/status`, { headers: { authorization: 'Bearer internal' } });
    expect(await status.json()).toMatchObject({ source: 'none', sentence: 'No routes yet: the registry has not been reached.' });
    ran.child.kill('SIGINT');
    expect(await once(ran.child, 'exit')).toEqual([0, null]);
    expect(ran.out).not.toContain('"internal"');
  });

  it('does not start with --hand-over on an admin port that would be another each time', async () => {
    const ran = runMain('--registry', 'unix:/nowhere', '--port', '0', '--hand-over');
    expect((await once(ran.child, 'close'))[0]).toBe(1);
    expect(ran.err).toMatch(/^error: --admin-port: got 0 with --hand-over; expected one that stays the same\.\n.*\[config_invalid\]/);
  });
});
