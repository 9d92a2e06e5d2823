// The tap and the sampled log, through a real gateway.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually, onTestEnd, type StartedGateway, sendRaw, startApp, startGateway, temporaryFolder } from './testing/fixture.ts';

const authorization = 'Bearer secret';

async function startWorld(more: { accessLog?: string; accessLogSample?: number } = {}): Promise<StartedGateway> {
  const app = await startApp((request, response) => {
    response.statusCode = request.url?.startsWith('/broken') ? 500 : 200;
    response.setHeader('set-cookie', 'session=s3cret');
    response.end('app');
  });
  const backends = [app.address];
  return startGateway(
    [
      { host: 'acme.test', tenant: 'ten_acme', backends },
      { host: 'other.test', tenant: 'ten_other', backends },
    ],
    { internalToken: 'secret', ...more },
  );
}

const get = (port: number, host: string, path = '/', headers = '') =>
  sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}Connection: close\r\n\r\n`);

/** Listens; what has come so far is in `lines`. */
async function listen(admin: string, query = ''): Promise<{ readonly lines: Record<string, unknown>[]; leave(): void; text(): string }> {
  const leaving = new AbortController();
  onTestEnd(async () => leaving.abort());
  const response = await fetch(`${admin}/tap${query}`, { headers: { authorization }, signal: leaving.signal });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  const lines: Record<string, unknown>[] = [];
  let text = '';
  let begun: () => void = () => {};
  const hasBegun = new Promise<void>((resolve) => (begun = resolve));
  void (async () => {
    let rest = '';
    for await (const bytes of response.body ?? []) {
      const piece = new TextDecoder().decode(bytes);
      text += piece;
      const parts = (rest + piece).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) if (line !== '') lines.push(JSON.parse(line));
      begun();
    }
  })().catch(() => {});
  await hasBegun;
  return { lines, leave: () => leaving.abort(), text: () => text };
}

describe('the tap', () => {
  it('shows requests as they end, and nothing of a query, a cookie or a token', async () => {
    const { port, admin } = await startWorld();
    const tap = await listen(admin);
    await get(port, 'acme.test', '/reset?token=s3cret', 'Cookie: session=s3cret\r\nAuthorization: Bearer s3cret\r\n');
    await eventually(() => tap.lines.length === 1);
    expect(tap.lines[0]).toMatchObject({ method: 'GET', host: 'acme.test', path: '/reset', status: 200, tenant: 'ten_acme' });
    expect(tap.text()).not.toContain('s3cret');
  });

  it.each([
    ['?tenant=ten_acme', ['/', '/broken']],
    ['?host=OTHER.test', ['/other']],
    ['?status=5xx', ['/broken']],
    ['?status=404', ['/nobody']],
    ['?tenant=ten_acme&status=2xx', ['/']],
  ])('shows with %s only what that means', async (query, paths) => {
    const { port, admin } = await startWorld();
    const [tap, all] = await Promise.all([listen(admin, query), listen(admin)]);
    await get(port, 'nobody.test', '/nobody');
    await get(port, 'acme.test', '/');
    await get(port, 'other.test', '/other');
    await get(port, 'acme.test', '/broken');
    await eventually(() => all.lines.length === 4 && tap.lines.length >= paths.length);
    expect(tap.lines.map(({ path }) => path)).toEqual(paths);
  });

  it.each([
    ['status=6xx', 'status'],
    ['status=teapot', 'status'],
    ['host=a..b', 'host'],
  ])('says what is wrong with %s', async (query, field) => {
    const { admin } = await startWorld();
    const answer = await fetch(`${admin}/tap?${query}`, { headers: { authorization } });
    expect(answer.status).toBe(422);
    expect(((await answer.json()) as { detail: string }).detail).toMatch(new RegExp(`^${field}: got `));
  });

  it('is for those who have the token, and for eight at a time; who leaves makes room', async () => {
    const { admin } = await startWorld();
    expect((await fetch(`${admin}/tap`)).status).toBe(401);
    const taps = await Promise.all(Array.from({ length: 8 }, () => listen(admin)));
    expect((await fetch(`${admin}/tap`, { headers: { authorization } })).status).toBe(503);
    taps[0]?.leave();
    await eventually(async () => {
      const leaving = new AbortController();
      const { status } = await fetch(`${admin}/tap`, { headers: { authorization }, signal: leaving.signal });
      leaving.abort();
      return status === 200;
    });
  });
});

describe('a sampled access log', () => {
  it('has errors whole, of ordinary requests a share, and says of these which', async () => {
    const accessLog = join(await temporaryFolder(), 'access.log');
    const { port, gateway } = await startWorld({ accessLog, accessLogSample: 0.5 });
    for (let request = 0; request < 40; request++) await get(port, 'acme.test', '/');
    for (let request = 0; request < 5; request++) await get(port, 'acme.test', '/broken');
    await gateway.stop();
    const lines = (await readFile(accessLog, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [ordinary, broken] = [lines.filter(({ status }) => status === 200), lines.filter(({ status }) => status === 500)];
    expect(broken).toHaveLength(5);
    for (const line of broken) expect(line).not.toHaveProperty('sample');
    expect(ordinary.length).toBeGreaterThan(0);
    expect(ordinary.length).toBeLessThan(40);
    for (const line of ordinary) expect(line.sample).toBe(0.5);
  });
});
