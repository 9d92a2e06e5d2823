import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { serve } from '@hono/node-server';
import express from 'express';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as expressKit from './express.ts';
import * as honoKit from './hono.ts';
import type { LifecycleOptions, Owners } from './lifecycle.ts';
import { ProblemError } from './problem.ts';
import { defineTable } from './table.ts';
import { openTenantData, type TenantData } from './tenant-data.ts';
import { claims, type JwksServer, listening, startJwks, turnableClock } from './testing.ts';
import { createContextVerifier } from './verifier.ts';

const audience = 'desk-shared';
const clock = turnableClock();
const accounts = defineTable({ name: 'accounts', columns: { email: 'text' } });
const create = 'CREATE TABLE accounts (tenant_id TEXT NOT NULL, id TEXT NOT NULL, email TEXT NOT NULL, PRIMARY KEY (tenant_id, id)) STRICT';

const owners: Owners = {
  email: (data) => data.table(accounts).get('owner')?.email,
  put(data, email) {
    if (data.table(accounts).get('owner')) return { created: false };
    data.table(accounts).insert({ id: 'owner', email });
    return { created: true };
  },
  invite(data) {
    if (!data.table(accounts).get('owner')) throw new ProblemError('transition_not_allowed');
    return { path: '/welcome?token=secret' };
  },
  remove(data) {
    data.table(accounts).delete('owner');
  },
};

/** An app with the lifecycle routes and one page that says whose it is. */
const frameworks: Record<string, (options: LifecycleOptions) => Promise<{ server: Server; url: string }>> = {
  async hono(options) {
    const app = new Hono<honoKit.TenantEnv>();
    app.all('/_burgage/*', honoKit.lifecycleRoutes(options));
    app.use(honoKit.tenantContext(options.verifier));
    app.get('/', (c) => c.json(c.get('tenant')));
    let port = 0;
    const server = await new Promise<Server>((resolve) => {
      const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, (address) => {
        port = address.port;
        resolve(started as Server);
      });
    });
    return { server, url: `http://127.0.0.1:${port}` };
  },
  async express(options) {
    const app = express();
    app.all('/_burgage/*path', expressKit.lifecycleRoutes(options));
    app.use(expressKit.tenantContext(options.verifier));
    app.get('/', (request, response) => void response.json(request.tenant));
    const server = createServer(app);
    return { server, url: await listening(server) };
  },
};

describe.each(Object.entries(frameworks))('with %s', (_name, start) => {
  let folder: string;
  let jwks: JwksServer;
  let data: TenantData;
  let server: Server;
  let url: string;
  const failures: unknown[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'app-kit-'));
    jwks = await startJwks(clock.now);
    data = openTenantData({ folder, migrations: [create], tables: [accounts] });
    const verifier = createContextVerifier({ jwksUrl: jwks.url, audience, now: clock.now });
    ({ server, url } = await start({ verifier, data, owners, onError: (error) => failures.push(error) }));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    data.close();
    await jwks[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
    expect(failures.splice(0)).toEqual([]);
  });

  async function platform(
    method: string,
    path: string,
    body?: unknown,
    fence?: string | number,
  ): Promise<{ status: number; body: unknown; headers: Headers }> {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${await jwks.issuer.platform(audience)}`,
        ...(fence !== undefined && { 'burgage-fence': String(fence) }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text && JSON.parse(text), headers: response.headers };
  }
  const acme = { slug: 'acme', name: 'Acme', color: '#000000' };

  test('a tenant is set up and taken down, and every step may be repeated', async () => {
    expect(await platform('GET', '/_burgage/tenants/ten_1')).toMatchObject({
      status: 200,
      body: { prepared: false, owner: null, rows: {} },
    });
    expect(await platform('PUT', '/_burgage/tenants/ten_1', acme)).toMatchObject({ status: 200, body: { created: true } });
    expect(await platform('PUT', '/_burgage/tenants/ten_1', acme)).toMatchObject({ status: 200, body: { created: false } });
    expect(await platform('PUT', '/_burgage/tenants/ten_1/owner', { email: 'a@b.test' })).toMatchObject({
      status: 200,
      body: { created: true },
    });
    expect(await platform('PUT', '/_burgage/tenants/ten_1/owner', { email: 'a@b.test' })).toMatchObject({
      status: 200,
      body: { created: false },
    });
    expect(await platform('POST', '/_burgage/tenants/ten_1/owner/invite')).toMatchObject({
      status: 200,
      body: { path: '/welcome?token=secret' },
    });
    expect(await platform('GET', '/_burgage/tenants/ten_1')).toMatchObject({
      body: { prepared: true, owner: 'a@b.test', rows: { accounts: 1 } },
    });
    for (const path of ['/owner', '/owner', '', ''])
      expect(await platform('DELETE', `/_burgage/tenants/ten_1${path}`)).toMatchObject({ status: 204, body: '' });
    expect(await platform('DELETE', '/_burgage/tenants/ten_1/owner')).toMatchObject({ status: 204 });
    expect(await platform('GET', '/_burgage/tenants/ten_1')).toMatchObject({ body: { prepared: false } });
  });

  test('a tenant is moved from one place to the other: frozen, archived, restored, compared, thawed, removed', async () => {
    const at = (path: string, place: string) => `/_burgage/tenants/ten_1${path}?place=${place}`;
    for (const place of ['pool', 'own']) await platform('PUT', at('', place), acme, 1);
    await platform('PUT', at('/owner', 'pool'), { email: 'a@b.test' }, 2);
    for (let again = 0; again < 2; again += 1)
      expect(await platform('PUT', at('/frozen', 'pool'), { reason: 'a move' }, 3)).toMatchObject({ status: 204 });
    const refused = await platform('DELETE', at('/owner', 'pool'), undefined, 4);
    expect(refused).toMatchObject({ status: 503, body: { code: 'tenant_moving' } });
    expect(refused.headers.get('retry-after')).toBe('1');

    const digest = await platform('GET', at('/digest', 'pool'));
    expect(digest).toMatchObject({ status: 200, body: { tables: { accounts: { rows: 1 } } } });
    const headers = { authorization: `Bearer ${await jwks.issuer.platform(audience)}`, 'burgage-fence': '4' };
    for (let again = 0; again < 2; again += 1) {
      const archive = await fetch(url + at('/archive', 'pool'), { headers });
      expect([archive.status, archive.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
      const restored = await fetch(url + at('/archive', 'own'), { method: 'PUT', headers, body: archive.body, duplex: 'half' });
      expect([restored.status, await restored.json()]).toEqual([200, digest.body]);
    }
    expect((await platform('GET', '/_burgage/places')).body).toEqual({
      places: ['pool', 'own'].map((place) => ({ tenantId: 'ten_1', place, frozen: true, rows: { accounts: 1 } })),
    });
    for (let again = 0; again < 2; again += 1) {
      expect(await platform('DELETE', at('/frozen', 'own'), undefined, 5)).toMatchObject({ status: 204 });
      expect(await platform('DELETE', at('', 'pool'), undefined, 5)).toMatchObject({ status: 204 });
    }
    expect((await platform('GET', at('', 'pool'))).body).toEqual({ prepared: false, frozen: false, owner: null, rows: {} });
    expect((await platform('GET', at('', 'own'))).body).toEqual({
      prepared: true,
      frozen: false,
      owner: 'a@b.test',
      rows: { accounts: 1 },
    });
    expect(await platform('POST', at('/owner/invite', 'own'))).toMatchObject({ status: 409, body: { code: 'fenced' } });
    expect(await platform('POST', at('/owner/invite', 'own'), undefined, 5)).toMatchObject({ status: 200 });
  });

  test('an attempt that is late changes nothing, and hears what was seen; a header that is none is named', async () => {
    await platform('PUT', '/_burgage/tenants/ten_1', acme, 7);
    const writes: [string, string, unknown][] = [
      ['PUT', '', acme],
      ['PUT', '/owner', { email: 'a@b.test' }],
      ['POST', '/owner/invite', undefined],
      ['PUT', '/frozen', { reason: 'r' }],
      ['DELETE', '/frozen', undefined],
      ['PUT', '/archive', 'x'.repeat(3_000_000)],
      ['DELETE', '', undefined],
    ];
    for (const [method, path, body] of writes) {
      for (const fence of [6, undefined])
        expect(await platform(method, `/_burgage/tenants/ten_1${path}`, body, fence), `${method} ${path}`).toMatchObject({
          status: 409,
          body: { code: 'fenced', metadata: { seen: '7' } },
        });
      for (const fence of ['x', '-1', '1.5', '1e3', '', '9007199254740993'])
        expect(await platform(method, `/_burgage/tenants/ten_1${path}`, body, fence), `${method} ${path} ${fence}`).toMatchObject({
          status: 422,
          body: { fields: [{ field: 'Burgage-Fence' }] },
        });
    }
    expect((await platform('GET', '/_burgage/tenants/ten_1')).body).toMatchObject({ prepared: true, frozen: false, owner: null });
  });

  test('a tenant whose restore broke off is listed as unfinished, and there for nobody until it is restored, prepared or removed', async () => {
    await data.prepare('ten_1', acme);
    data.for('ten_1').transaction(() => {
      for (let id = 0; id < 3_000; id += 1)
        data
          .for('ten_1')
          .table(accounts)
          .insert({ id: String(id), email: 'a@b.test' });
    });
    const archive = Buffer.concat(await Array.fromAsync(data.archive('ten_1'))).toString();
    const path = '/_burgage/tenants/ten_1';
    let fence = 0;
    async function breakOff(): Promise<void> {
      fence += 1;
      const broken = platform('PUT', `${path}/archive`, archive, fence);
      while (data.isPrepared('ten_1')) await nextTurn();
      // As another attempt would.
      fence += 1;
      data.thaw('ten_1', { fence });
      expect(await broken).toMatchObject({ status: 409, body: { code: 'fenced', metadata: { seen: String(fence) } } });
      const left = { tenantId: 'ten_1', place: 'pool', rows: data.usage('ten_1').rows };
      expect((await platform('GET', '/_burgage/places')).body).toMatchObject({ places: [{ ...left, unfinished: true }] });
      expect((await platform('GET', '/_burgage/usage')).body).toEqual({ tenants: [left] });
      expect((await platform('GET', path)).body).toEqual({ prepared: false, frozen: false, owner: null, rows: {} });
      for (const [method, resource, body] of [
        ['GET', '/archive', undefined],
        ['GET', '/digest', undefined],
        ['PUT', '/frozen', { reason: 'r' }],
        ['PUT', '/owner', { email: 'a@b.test' }],
        ['POST', '/owner/invite', undefined],
      ] as const)
        expect(await platform(method, path + resource, body, fence), resource).toMatchObject({
          status: 409,
          body: { code: 'transition_not_allowed' },
        });
    }
    await breakOff();
    const restored = await platform('PUT', `${path}/archive`, archive, fence);
    expect(restored).toMatchObject({ status: 200, body: { tables: { accounts: { rows: 3_000 } } } });
    await breakOff();
    expect((await platform('PUT', path, acme, fence)).body).toEqual({ created: true });
    expect((await platform('GET', path)).body).toMatchObject({ prepared: true, rows: { accounts: 0 } });
    expect((await platform('PUT', `${path}/archive`, archive, fence)).status).toBe(200);
    await breakOff();
    expect((await platform('DELETE', path, undefined, fence)).status).toBe(204);
    expect((await platform('GET', '/_burgage/places')).body).toEqual({ places: [] });
  });

  test('an archive that is refused is answered, however much of it is still to come', async () => {
    await platform('PUT', '/_burgage/tenants/ten_1', acme);
    const refused = await platform('PUT', '/_burgage/tenants/ten_1/archive', `{"no":"archive"}\n${'x'.repeat(5_000_000)}`);
    expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_argument', fields: [{ field: 'archive' }] } });
    expect(await platform('PUT', '/_burgage/tenants/ten_1/archive')).toMatchObject({ status: 422 });
  });

  test('whoever stops reading an archive leaves no open snapshot behind', async () => {
    await data.prepare('ten_1', acme);
    data.for('ten_1').transaction(() => {
      for (let id = 0; id < 20_000; id += 1)
        data
          .for('ten_1')
          .table(accounts)
          .insert({ id: String(id), email: 'x'.repeat(1_000) });
    });
    await data.prepare('ten_2', acme);
    data.for('ten_2').table(accounts).insert({ id: '1', email: 'a very particular address' });
    const abort = new AbortController();
    const headers = { authorization: `Bearer ${await jwks.issuer.platform(audience)}` };
    const archive = await fetch(`${url}/_burgage/tenants/ten_1/archive`, { headers, signal: abort.signal });
    await archive.body?.getReader().read();
    await data.remove('ten_2');
    // The log beside the file cannot be emptied while anybody reads an older state.
    const everything = () =>
      ['pool.sqlite', 'pool.sqlite-wal'].map((name) => readFileSync(join(folder, name), 'latin1').includes('particular'));
    expect(everything()).toContain(true);
    abort.abort();
    await expect.poll(everything, { timeout: 10_000 }).toEqual([false, false]);
  });

  test('usage is listed by tenant, page by page', async () => {
    for (let index = 0; index < 101; index += 1) await data.prepare(`ten_${String(index).padStart(3, '0')}`, acme);
    owners.put(data.for('ten_100'), 'a@b.test');
    const first = (await platform('GET', '/_burgage/usage')).body as { tenants: unknown[]; next: string };
    expect(first.tenants).toHaveLength(100);
    expect(first.next).toBe('ten_099');
    expect((await platform('GET', `/_burgage/usage?after=${first.next}`)).body).toEqual({
      tenants: [{ tenantId: 'ten_100', place: 'pool', rows: { accounts: 1 } }],
    });
  });

  test('what is not right is answered with a problem that names it, and changes nothing', async () => {
    const cases: [string, string, unknown, number, string][] = [
      ['PUT', '/_burgage/tenants/ten_1', '{', 400, 'malformed_body'],
      ['PUT', '/_burgage/tenants/ten_1', '[]', 400, 'malformed_body'],
      ['PUT', '/_burgage/tenants/ten_1', { ...acme, slug: 7 }, 422, 'invalid_argument'],
      ['PUT', '/_burgage/tenants/ten_1', { name: 'x', color: 'x' }, 422, 'invalid_argument'],
      ['PUT', '/_burgage/tenants/ten_1', { ...acme, name: 'x'.repeat(20_000) }, 413, 'body_too_large'],
      ['PUT', '/_burgage/tenants/platform', acme, 422, 'invalid_argument'],
      ['PUT', '/_burgage/tenants/ten_1/owner', { email: 'a@b.test' }, 409, 'transition_not_allowed'],
      ['POST', '/_burgage/tenants/ten_1/owner/invite', undefined, 409, 'transition_not_allowed'],
      ['GET', '/_burgage/tenants/..%2fx', undefined, 404, 'not_found'],
      ['GET', '/_burgage/tenants/', undefined, 404, 'not_found'],
      ['GET', '/_burgage/other', undefined, 404, 'not_found'],
      ['PATCH', '/_burgage/tenants/ten_1', {}, 405, 'method_not_allowed'],
      ['POST', '/_burgage/places', {}, 405, 'method_not_allowed'],
      ['PUT', '/_burgage/tenants/ten_1?place=silo', acme, 422, 'invalid_argument'],
      ['PUT', '/_burgage/tenants/ten_1/frozen', {}, 422, 'invalid_argument'],
      ['PUT', '/_burgage/tenants/ten_1/frozen', { reason: 'r' }, 409, 'transition_not_allowed'],
      ['GET', '/_burgage/tenants/ten_1/digest', undefined, 409, 'transition_not_allowed'],
      ['GET', '/_burgage/tenants/ten_1/archive?place=own', undefined, 409, 'transition_not_allowed'],
      ['PUT', '/_burgage/tenants/ten_1/archive?place=own', '{}', 409, 'transition_not_allowed'],
      ['GET', '/_burgage/tenants/ten_1/owner/archive', undefined, 404, 'not_found'],
    ];
    for (const [method, path, body, status, code] of cases) {
      const answer = await platform(method, path, body);
      expect(answer, `${method} ${path}`).toMatchObject({ status, body: { status, code, type: `urn:burgage:error:${code}` } });
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    }
    expect((await platform('PATCH', '/_burgage/tenants/ten_1')).headers.get('allow')).toBe('GET, PUT, DELETE');
    expect(await data.places()).toEqual({ places: [] });
  });

  test('the lifecycle routes open to nobody but the platform', async () => {
    const token = await jwks.issuer.tenantContext(claims, audience);
    const attempts = [
      {},
      { 'burgage-context': token },
      { authorization: `Bearer ${token}` },
      { authorization: 'Bearer x' },
      { authorization: `Basic ${await jwks.issuer.platform(audience)}` },
    ];
    for (const headers of attempts)
      for (const [method, path] of [
        ['GET', '/_burgage/usage'],
        ['GET', '/_burgage/places'],
        ['GET', '/_burgage/tenants/ten_1'],
        ['GET', '/_burgage/tenants/ten_1/archive'],
        ['PUT', '/_burgage/tenants/ten_1/archive'],
        ['PUT', '/_burgage/tenants/ten_1/frozen'],
        ['PUT', '/_burgage/tenants/ten_1'],
        ['DELETE', '/_burgage/tenants/ten_1'],
        ['GET', '/_burgage/nowhere'],
      ] as const)
        expect((await fetch(url + path, { method, headers: headers as Record<string, string> })).status).toBe(401);
    const foreign = await fetch(`${url}/_burgage/tenants/ten_1`, {
      headers: { authorization: `Bearer ${await jwks.issuer.platform('another')}` },
    });
    expect(foreign.status).toBe(421);
  });

  test('a page gets the verified tenant; no context is 401, a foreign one 421, no keys 503, each as problem+json', async () => {
    const get = (headers: Record<string, string>) => fetch(url, { headers });
    jwks.down = true;
    const early = await get({ 'burgage-context': await jwks.issuer.tenantContext(claims, audience) });
    expect([early.status, early.headers.get('retry-after')]).toEqual([503, '1']);
    jwks.down = false;
    clock.advance(1_000);
    const { sub, ev, ...rest } = claims;
    const good = await get({ 'burgage-context': await jwks.issuer.tenantContext(claims, audience) });
    expect(await good.json()).toEqual({ ...rest, tenantId: sub, entitlementVersion: ev });
    for (const [headers, status, code] of [
      [{}, 401, 'unauthenticated'],
      [{ 'burgage-context': 'x' }, 401, 'unauthenticated'],
      [{ 'burgage-context': await jwks.issuer.platform(audience) }, 401, 'unauthenticated'],
      [{ 'burgage-context': await jwks.issuer.tenantContext(claims, 'another') }, 421, 'misdirected'],
    ] as [Record<string, string>, number, string][]) {
      const answer = await get(headers);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(await answer.json()).toMatchObject({ status, code, type: `urn:burgage:error:${code}` });
    }
  });
});
