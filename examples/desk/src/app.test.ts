import { createContextIssuer, generateContextKey } from '@burgage/app-kit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bearer, claimsOf, cookie, emailOf, password, startDesk, type TestDesk, upstream } from './testing.ts';

let desk: TestDesk;
beforeEach(async () => {
  desk = await startDesk();
});
afterEach(async () => {
  await desk[Symbol.asyncDispose]();
  expect(desk.errors).toEqual([]);
});

describe('two tenants', () => {
  let one: string;
  let other: string;
  let contactId: string;
  let dealId: string;
  beforeEach(async () => {
    one = await desk.prepareSignedIn('ten_one');
    other = await desk.prepareSignedIn('ten_other');
    contactId = (
      await desk.visit('ten_one', '/api/contacts', { ...bearer(one), json: { name: 'Secret Sally', email: 'sally@one.test' } })
    ).json().id;
    dealId = (
      await desk.visit('ten_one', '/api/deals', {
        ...bearer(one),
        json: { title: 'Secret deal', amountMinor: 100, stage: 'lead', contactId },
      })
    ).json().id;
  });

  test('do not see each other by id, list, search or page', async () => {
    for (const path of [`/api/contacts/${contactId}`, `/api/deals/${dealId}`, `/contacts/${contactId}`, `/deals/${dealId}`]) {
      expect((await desk.visit('ten_one', path, path.startsWith('/api') ? bearer(one) : cookie(one))).status, path).toBe(200);
      expect((await desk.visit('ten_other', path, path.startsWith('/api') ? bearer(other) : cookie(other))).status, path).toBe(404);
    }
    for (const path of ['/api/contacts', '/api/contacts?q=secret', '/api/deals', '/api/deals?q=secret'])
      expect((await desk.visit('ten_other', path, bearer(other))).json(), path).toEqual({ items: [] });
    for (const path of ['/dashboard', '/contacts', '/contacts?q=sally', '/deals?q=secret'])
      expect((await desk.visit('ten_other', path, cookie(other))).text, path).not.toContain('Secret ');
    expect((await desk.visit('ten_other', '/api/usage', bearer(other))).json()).toEqual({ contacts: 0, deals: 0 });
  });

  test('do not change each other', async () => {
    const attempts = [
      { path: `/api/contacts/${contactId}`, method: 'PATCH', json: { name: 'Mallory' } },
      { path: `/api/contacts/${contactId}`, method: 'DELETE' },
      { path: `/api/deals/${dealId}`, method: 'PATCH', json: { title: 'Mallory' } },
      { path: `/api/deals/${dealId}`, method: 'DELETE' },
    ];
    for (const { path, ...attempt } of attempts)
      expect((await desk.visit('ten_other', path, { ...attempt, ...bearer(other) })).status).toBe(404);
    const own = await desk.visit('ten_other', '/api/deals', {
      ...bearer(other),
      json: { title: 'x', amountMinor: 1, stage: 'lead', contactId },
    });
    expect([own.status, own.json().fields[0].field]).toEqual([422, 'contactId']);
    expect((await desk.visit('ten_one', `/api/contacts/${contactId}`, bearer(one))).json()).toMatchObject({ name: 'Secret Sally' });
  });

  test("gain nothing by the other's session, in a header or in a cookie", async () => {
    expect((await desk.visit('ten_one', '/api/contacts', bearer(other))).status).toBe(401);
    expect((await desk.visit('ten_one', '/api/contacts', cookie(other))).status).toBe(401);
    expect((await desk.visit('ten_one', '/dashboard', cookie(other))).status).toBe(303);
    expect((await desk.visit('ten_one', '/sign-in', { form: { email: emailOf('ten_other'), password } })).status).toBe(401);
  });

  test('cannot be forged: no context, a forged, an old or a foreign one', async () => {
    const get = (context?: string) =>
      desk.raw('/api/contacts', { headers: { authorization: `Bearer ${one}`, ...(context && { 'burgage-context': context }) } });
    const stranger = createContextIssuer([await generateContextKey()], { now: () => new Date() });
    expect((await get()).status).toBe(401);
    expect((await get(JSON.stringify(claimsOf('ten_one')))).status).toBe(401);
    expect((await get(await stranger.tenantContext(claimsOf('ten_one'), upstream))).status).toBe(401);
    expect((await get(await desk.issuer.platform(upstream))).status).toBe(401);
    const foreign = await get(await desk.issuer.tenantContext(claimsOf('ten_one'), 'ten_one-silo'));
    expect([foreign.status, foreign.json().code]).toEqual([421, 'misdirected']);
    const old = await desk.issuer.tenantContext(claimsOf('ten_one'), upstream);
    expect((await get(old)).status).toBe(200);
    desk.advance(6 * 60_000);
    expect((await get(old)).status).toBe(401);
  });

  test('lose nothing but their own when one is removed', async () => {
    await desk.visit('ten_other', '/api/contacts', { ...bearer(other), json: { name: 'Stays' } });
    expect((await desk.platform('DELETE', '/_burgage/tenants/ten_one')).status).toBe(204);
    const gone = await desk.visit('ten_one', '/');
    expect([gone.status, gone.headers['retry-after']]).toEqual([503, '1']);
    expect((await desk.visit('ten_other', '/api/usage', bearer(other))).json()).toEqual({ contacts: 1, deals: 0 });
    await desk.prepare('ten_one');
    expect((await desk.visit('ten_one', '/api/contacts', bearer(one))).status).toBe(401);
    expect((await desk.platform('GET', '/_burgage/tenants/ten_one')).json()).toMatchObject({
      owner: emailOf('ten_one'),
      rows: { contacts: 0, deals: 0, sessions: 0 },
    });
  });
});

describe('the platform routes', () => {
  test('are closed to whoever comes with a tenant context or a session', async () => {
    const session = await desk.prepareSignedIn('ten_one');
    for (const path of ['/_burgage/tenants/ten_one', '/_burgage/usage'])
      for (const options of [{}, bearer(session), cookie(session), bearer(await desk.issuer.tenantContext(claimsOf('ten_one'), upstream))])
        expect((await desk.visit('ten_one', path, options)).status).toBe(401);
  });

  test('give usage by tenant', async () => {
    await desk.prepare('ten_one');
    expect((await desk.platform('GET', '/_burgage/usage')).json()).toEqual({
      tenants: [
        { tenantId: 'ten_one', place: 'pool', rows: { contacts: 0, deals: 0, owners: 1, sessions: 0, signInFailures: 0, devices: 0 } },
      ],
    });
  });

  test('take one owner, and refuse what is no e-mail address', async () => {
    await desk.prepare('ten_one');
    const put = (email: string) => desk.platform('PUT', '/_burgage/tenants/ten_one/owner', { email });
    expect((await put(emailOf('ten_one').toUpperCase())).json()).toEqual({ created: false });
    expect((await put('another@one.test')).json()).toMatchObject({ code: 'already_exists' });
    expect((await put('not an address')).json()).toMatchObject({ code: 'invalid_argument', fields: [{ field: 'email' }] });
  });
});

describe('a move', () => {
  const at = (path: string, place: string) => `/_burgage/tenants/ten_one${path}?place=${place}`;
  const info = { slug: 'one', name: 'One', color: '#0f766e' };

  test('is complete when the context names another isolation: the same rows, the same session, and writes go on', async () => {
    const session = await desk.prepareSignedIn('ten_one');
    const visit = (isolation: string, name?: string) =>
      desk.visit('ten_one', '/api/contacts', { ...bearer(session), isolation, ...(name !== undefined && { json: { name } }) });
    expect((await visit('pool', 'Before')).status).toBe(201);
    expect((await visit('bridge')).status).toBe(503);

    await desk.platform('PUT', at('/frozen', 'pool'), { reason: 'a move' });
    const late = await visit('pool', 'Late');
    expect([late.status, late.headers['retry-after'], late.json().code]).toEqual([503, '1', 'tenant_moving']);
    const page = await desk.visit('ten_one', '/contacts', { ...cookie(session), form: { name: 'Late' } });
    expect([page.status, page.headers['retry-after']]).toEqual([503, '1']);
    expect((await visit('pool')).json().items).toHaveLength(1);

    await desk.platform('PUT', at('', 'own'), info);
    const archive = await desk.platform('GET', at('/archive', 'pool'));
    const headers = { authorization: `Bearer ${await desk.issuer.platform(upstream)}` };
    const restored = await desk.raw(at('/archive', 'own'), { method: 'PUT', headers, body: archive.text });
    expect(restored.json()).toEqual((await desk.platform('GET', at('/digest', 'pool'))).json());
    expect((await visit('bridge', 'Late')).status).toBe(503);
    await desk.platform('DELETE', at('/frozen', 'own'));
    await desk.platform('DELETE', at('', 'pool'));
    expect((await visit('bridge', 'After')).status).toBe(201);
    expect(
      (await visit('silo'))
        .json()
        .items.map(({ name }: { name: string }) => name)
        .sort(),
    ).toEqual(['After', 'Before']);
    expect((await visit('pool')).status).toBe(503);
  });
});

describe('a process of one tenant', () => {
  test('answers everybody else, visitor or platform, with 421, and keeps its own tenant in its own database', async () => {
    await desk[Symbol.asyncDispose]();
    desk = await startDesk({ tenantId: 'ten_one' });
    for (const [method, path] of [
      ['GET', ''],
      ['PUT', ''],
      ['DELETE', ''],
      ['GET', '/archive'],
      ['PUT', '/archive'],
      ['PUT', '/frozen'],
      ['POST', '/owner/invite'],
    ] as const)
      expect((await desk.platform(method, `/_burgage/tenants/ten_other${path}?place=own`)).json()).toMatchObject({
        status: 421,
        code: 'misdirected',
      });
    for (const path of ['/', '/api/contacts', '/readyz', '/sign-in'])
      for (const isolation of ['silo', 'pool']) expect((await desk.visit('ten_other', path, { isolation })).status, path).toBe(421);
    expect((await desk.platform('GET', '/_burgage/places')).json()).toEqual({ places: [] });

    await desk.platform('PUT', '/_burgage/tenants/ten_one?place=own', { slug: 'one', name: 'One', color: '#0f766e' });
    await desk.platform('PUT', '/_burgage/tenants/ten_one/owner?place=own', { email: emailOf('ten_one') });
    expect((await desk.visit('ten_one', '/readyz', { isolation: 'silo' })).json()).toEqual({ status: 'ready' });
    expect((await desk.visit('ten_one', '/', { isolation: 'silo' })).status).toBe(200);
    // A context from before the switch: there is no pool here that it could lead to.
    expect((await desk.visit('ten_one', '/', { isolation: 'pool' })).status).toBe(200);
    expect((await desk.platform('GET', '/_burgage/places')).json().places).toMatchObject([{ tenantId: 'ten_one', place: 'own' }]);
  });
});

describe('health', () => {
  test('/healthz answers for the process, /readyz for it or for one tenant', async () => {
    const context = async (tenantId: string) => ({
      headers: { 'burgage-context': await desk.issuer.tenantContext(claimsOf(tenantId), upstream) },
    });
    expect((await desk.raw('/healthz')).json()).toEqual({ status: 'ok' });
    expect((await desk.raw('/readyz')).status).toBe(200);
    expect((await desk.raw('/readyz', await context('ten_one'))).status).toBe(503);
    await desk.prepare('ten_one');
    expect((await desk.raw('/readyz', await context('ten_one'))).json()).toEqual({ status: 'ready' });
    desk.ready = false;
    expect((await desk.raw('/readyz')).status).toBe(503);
  });

  test('/metrics counts by route and not by address, and is not for visitors', async () => {
    const session = await desk.prepareSignedIn('ten_one');
    await desk.visit('ten_one', '/api/contacts/some-id', bearer(session));
    const { text } = await desk.raw('/metrics');
    expect(text).toContain('desk_requests_total{method="GET",route="/api/contacts/:id",status="404"} 1');
    expect(text).not.toMatch(/some-id|ten_one/);
    expect((await desk.visit('ten_one', '/metrics')).status).toBe(404);
  });
});
