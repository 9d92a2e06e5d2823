import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContextIssuer, generateContextKey } from '@burgage/app-kit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimsOf, upstream } from './testing.ts';

const issuer = createContextIssuer([await generateContextKey()], { now: () => new Date() });
const jwks = createServer((_request, response) => response.end(JSON.stringify(issuer.jwks())));
let folder: string;
let jwksUrl: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'desk-main-'));
  jwks.listen(0, '127.0.0.1');
  await once(jwks, 'listening');
  jwksUrl = `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks.json`;
});
afterEach(async () => {
  for (const child of started.splice(0)) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  jwks.closeAllConnections();
  await new Promise((resolve) => jwks.close(resolve));
  rmSync(folder, { recursive: true });
});

function start(environment: Record<string, string> = {}): {
  child: ChildProcess;
  output: () => string;
  line: (text: string) => Promise<string>;
  exit: Promise<number | null>;
} {
  const env = {
    BURGAGE_APP_ADDRESS: '127.0.0.1:0',
    BURGAGE_UPSTREAM: upstream,
    BURGAGE_JWKS_URL: jwksUrl,
    BURGAGE_APP_DATA: folder,
    ...environment,
  };
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  started.push(child);
  let output = '';
  const waiting: (() => void)[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
      for (const look of waiting) look();
    });
  const exit = once(child, 'close').then(([code]) => code as number | null);
  const line = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = output.split('\n').find((candidate) => candidate.includes(text));
        if (found) resolve(found);
      };
      waiting.push(look);
      look();
      exit.then(() => reject(new Error(`desk stopped before it said "${text}":\n${output}`)));
    });
  return { child, output: () => output, line, exit };
}

const addressIn = (line: string): string => JSON.parse(line).address;

test('desk starts, keeps its data to itself, and keeps it over a restart', async () => {
  const first = start();
  const url = `http://${addressIn(await first.line('listening'))}`;
  const platform = async (method: string, path: string, body?: object) =>
    fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${await issuer.platform(upstream)}` },
      ...(body && { body: JSON.stringify(body) }),
    });
  expect((await platform('PUT', '/_burgage/tenants/ten_one', { slug: 'one', name: 'One', color: '#000000' })).status).toBe(200);
  expect((await fetch(url, { headers: { 'burgage-context': await issuer.tenantContext(claimsOf('ten_one'), upstream) } })).status).toBe(
    200,
  );
  expect(statSync(join(folder, 'pool.sqlite')).mode & 0o777).toBe(0o600);
  first.child.kill('SIGKILL');
  await first.exit;

  const second = start();
  const again = `http://${addressIn(await second.line('listening'))}`;
  expect(
    (await fetch(`${again}/readyz`, { headers: { 'burgage-context': await issuer.tenantContext(claimsOf('ten_one'), upstream) } })).status,
  ).toBe(200);
  second.child.kill('SIGTERM');
  expect(await second.exit).toBe(0);
});

test('SIGTERM lets a request finish that is on its way', async () => {
  const { child, line, exit } = start();
  const [host = '', port = ''] = addressIn(await line('listening')).split(':');
  const context = await issuer.platform(upstream);
  const body = JSON.stringify({ slug: 'one', name: 'One', color: '#000000' });
  const upload = request({
    host,
    port,
    method: 'PUT',
    path: '/_burgage/tenants/ten_one',
    headers: { authorization: `Bearer ${context}`, 'content-length': body.length, expect: '100-continue' },
  });
  const answered = once(upload, 'response');
  upload.flushHeaders();
  await once(upload, 'continue');
  child.kill('SIGTERM');
  await line('draining');
  await expect(fetch(`http://${host}:${port}/healthz`)).rejects.toThrow();
  upload.end(body);
  const [response] = await answered;
  response.resume();
  expect(response.statusCode).toBe(200);
  expect(await exit).toBe(0);
});

test('when the other end of its standard input is gone, desk stops', async () => {
  const { child, line, exit, output } = start();
  await line('listening');
  child.stdin?.end();
  expect(await exit).toBe(0);
  expect(output()).toContain('the supervisor is gone');
});

test('BURGAGE_TENANT makes a process of that tenant, over restarts', async () => {
  const headers = async (tenantId: string) => ({ 'burgage-context': await issuer.tenantContext(claimsOf(tenantId, 'silo'), upstream) });
  for (const restart of [false, true]) {
    const { child, line, exit } = start({ BURGAGE_TENANT: 'ten_one' });
    const url = `http://${addressIn(await line('listening'))}`;
    if (!restart) {
      const platform = { authorization: `Bearer ${await issuer.platform(upstream)}` };
      const body = JSON.stringify({ slug: 'one', name: 'One', color: '#000000' });
      const prepared = await fetch(`${url}/_burgage/tenants/ten_one?place=own`, { method: 'PUT', headers: platform, body });
      expect(prepared.status).toBe(200);
      expect(statSync(join(folder, 'own', 'ten_one.sqlite')).mode & 0o777).toBe(0o600);
    }
    expect((await fetch(`${url}/readyz`, { headers: await headers('ten_one') })).status).toBe(200);
    expect((await fetch(`${url}/readyz`, { headers: await headers('ten_other') })).status).toBe(421);
    child.kill(restart ? 'SIGTERM' : 'SIGKILL');
    await exit;
  }
});

test('missing settings and a taken address are said in words', async () => {
  const lost = start({ BURGAGE_APP_ADDRESS: 'somewhere', BURGAGE_JWKS_URL: 'file:///keys', BURGAGE_UPSTREAM: '', BURGAGE_TENANT: '../x' });
  expect(await lost.exit).toBe(2);
  for (const name of ['BURGAGE_APP_ADDRESS', 'BURGAGE_JWKS_URL', 'BURGAGE_UPSTREAM', 'BURGAGE_TENANT'])
    expect(lost.output()).toContain(`${name}: expected`);
  const taken = start({ BURGAGE_APP_ADDRESS: new URL(jwksUrl).host });
  expect(await taken.exit).toBe(1);
  expect(taken.output()).toContain('cannot listen on');
});
