import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSignInThrottle } from './sign-in-throttle.ts';
import { bearer, cookie, deviceOf, emailOf, hostOf, password, sessionOf, startDesk, type TestDesk } from './testing.ts';

const tenant = 'ten_one';
const dayMs = 24 * 60 * 60_000;
let desk: TestDesk;
beforeEach(async () => {
  desk = await startDesk();
});
afterEach(async () => {
  await desk[Symbol.asyncDispose]();
  expect(desk.errors).toEqual([]);
});
const signIn = (form: Record<string, string>, headers: Record<string, string> = {}) => desk.visit(tenant, '/sign-in', { form, headers });
const credentials = { email: emailOf(tenant), password };

describe('an invite', () => {
  test('lets the owner set a password once, and signs in', async () => {
    const path = await desk.prepare(tenant);
    expect((await desk.visit(tenant, path)).text).toContain('Choose a password');
    expect((await desk.visit(tenant, path)).status).toBe(200);
    const token = path.split('=')[1] ?? '';
    const welcomed = await desk.visit(tenant, '/welcome', { form: { token, password } });
    expect([welcomed.status, welcomed.headers.location]).toEqual([303, '/dashboard']);
    expect((await desk.visit(tenant, '/dashboard', cookie(sessionOf(welcomed)))).text).toContain(emailOf(tenant));
    expect((await desk.visit(tenant, path)).status).toBe(403);
    expect((await desk.visit(tenant, '/welcome', { form: { token, password: 'another password' } })).status).toBe(403);
    expect((await signIn(credentials)).status).toBe(303);
  });

  test('is used by one of two who come at the same moment', async () => {
    const token = (await desk.prepare(tenant)).split('=')[1] ?? '';
    const answers = await Promise.all(
      [password, 'another password'].map((chosen) => desk.visit(tenant, '/welcome', { form: { token, password: chosen } })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 403]);
  });

  test('ends after seven days, when there is a newer one, and with another tenant', async () => {
    const first = await desk.prepare(tenant);
    await desk.prepare('ten_other');
    expect((await desk.visit('ten_other', first)).status).toBe(403);
    const second = (await desk.platform('POST', `/_burgage/tenants/${tenant}/owner/invite`)).json().path;
    expect((await desk.visit(tenant, first)).status).toBe(403);
    expect((await desk.visit(tenant, second)).status).toBe(200);
    desk.advance(7 * dayMs + 1_000);
    expect((await desk.visit(tenant, second)).status).toBe(403);
    expect((await desk.visit(tenant, '/welcome')).status).toBe(403);
  });

  test('stays open when the password is too short or too long, and the page says so', async () => {
    const token = (await desk.prepare(tenant)).split('=')[1] ?? '';
    for (const tooBad of ['123456789', 'x'.repeat(129)]) {
      const answer = await desk.visit(tenant, '/welcome', { form: { token, password: tooBad } });
      expect(answer.status).toBe(422);
      expect(answer.text).toContain('expected 10 to 128 characters');
    }
    expect((await desk.visit(tenant, '/welcome', { form: { token, password } })).status).toBe(303);
  });

  test('that sets a new password ends every session', async () => {
    const session = await desk.prepareSignedIn(tenant);
    await desk.prepareSignedIn(tenant);
    expect((await desk.visit(tenant, '/api/usage', bearer(session))).status).toBe(401);
  });
});

describe('signing in', () => {
  test('by form gives a cookie that scripts cannot read, by https one that neighbours cannot set', async () => {
    await desk.prepareSignedIn(tenant);
    expect((await signIn(credentials)).headers['set-cookie']).toEqual([
      expect.stringMatching(/^desk_session=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax$/),
      expect.stringMatching(/^desk_device=[\w-]{43}; Max-Age=15552000; Path=\/; HttpOnly; SameSite=Strict$/),
    ]);
    const secure = await signIn(credentials, { 'x-forwarded-proto': 'https', origin: `https://${hostOf(tenant)}` });
    expect(secure.headers['set-cookie']).toEqual([
      expect.stringMatching(/^__Host-desk_session=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
      expect.stringMatching(/^__Host-desk_device=[\w-]{43}; Max-Age=15552000; Path=\/; HttpOnly; Secure; SameSite=Strict$/),
    ]);
    const headers = { 'x-forwarded-proto': 'https' };
    expect(
      (await desk.visit(tenant, '/dashboard', { headers: { ...headers, cookie: `__Host-desk_session=${sessionOf(secure)}` } })).status,
    ).toBe(200);
    expect((await desk.visit(tenant, '/dashboard', { headers: { ...headers, cookie: `desk_session=${sessionOf(secure)}` } })).status).toBe(
      303,
    );
  });

  test('by API gives a token, and signing out ends it', async () => {
    await desk.prepareSignedIn(tenant);
    const { status, json } = await desk.visit(tenant, '/api/session', { json: credentials });
    const { token, expiresAt } = json();
    expect(status).toBe(201);
    expect(Date.parse(expiresAt)).toBeGreaterThan(0);
    expect((await desk.visit(tenant, '/api/usage', bearer(token))).status).toBe(200);
    expect((await desk.visit(tenant, '/api/session', { method: 'DELETE', ...bearer(token) })).status).toBe(204);
    expect((await desk.visit(tenant, '/api/usage', bearer(token))).status).toBe(401);
  });

  test('is refused alike for a wrong password, an unknown address and an owner without a password', async () => {
    await desk.prepare(tenant);
    const withoutPassword = await desk.visit(tenant, '/api/session', { json: credentials });
    await desk.prepareSignedIn(tenant);
    const wrong = await desk.visit(tenant, '/api/session', { json: { ...credentials, password: 'wrong password' } });
    const unknown = await desk.visit(tenant, '/api/session', { json: { ...credentials, email: 'nobody@one.test' } });
    for (const answer of [withoutPassword, wrong, unknown]) expect([answer.status, answer.text]).toEqual([401, wrong.text]);
    const page = await signIn({ ...credentials, password: '"><script>' });
    expect(page.status).toBe(401);
    expect(page.text).toContain('E-mail address or password is wrong.');
    expect(page.text).toContain(`value="${emailOf(tenant)}"`);
    expect(page.text).not.toContain('<script');
  });

  test('is slowed down after five failures, for a known address as for an unknown one, and a success clears them', async () => {
    await desk.prepareSignedIn(tenant);
    for (const email of [emailOf(tenant), 'nobody@one.test']) {
      const attempt = (tried: string) => desk.visit(tenant, '/api/session', { json: { email, password: tried } });
      for (let failed = 0; failed < 5; failed += 1) expect((await attempt('wrong password')).status).toBe(401);
      const slowed = await attempt(password);
      expect([slowed.status, slowed.json().code, slowed.headers['retry-after']]).toEqual([429, 'rate_limited', '1']);
      const page = await signIn({ email, password });
      expect([page.status, page.headers['retry-after']]).toEqual([429, '1']);
      desk.advance(1_000);
      expect((await attempt('wrong password')).status).toBe(401);
      expect((await attempt(password)).headers['retry-after']).toBe('2');
      desk.advance(2_000);
    }
    expect((await signIn(credentials)).status).toBe(303);
    expect((await signIn({ ...credentials, password: 'wrong password' })).status).toBe(401);
  });
});

describe('an owner whose address others know', () => {
  const attempt = (form: Record<string, string>, headers: Record<string, string>) => signIn({ email: emailOf(tenant), ...form }, headers);

  test('is kept out neither elsewhere nor, on a device that he has signed in with, from the very address that they use', async () => {
    await desk.prepareSignedIn(tenant);
    const own = deviceOf(await signIn(credentials));
    const theirs = { 'x-forwarded-for': '192.0.2.66' };
    for (let failed = 0; failed < 5; failed += 1) expect((await attempt({ password: 'wrong password' }, theirs)).status).toBe(401);
    expect((await attempt({ password }, theirs)).status).toBe(429);
    expect((await attempt({ password }, { 'x-forwarded-for': '192.0.2.1, 192.0.2.66' })).status).toBe(429);
    const welcome = await attempt({ password }, { ...theirs, cookie: `desk_device=${own}` });
    expect([welcome.status, deviceOf(welcome)]).toEqual([303, own]);
    expect((await attempt({ password }, { 'x-forwarded-for': '192.0.2.66, 192.0.2.1' })).status).toBe(303);
    expect((await attempt({ password }, theirs)).status).toBe(429);
    const json = { email: emailOf(tenant), password };
    const device = { cookie: `desk_device=${own}`, origin: `http://${hostOf(tenant)}` };
    expect((await desk.visit(tenant, '/api/session', { json, headers: { ...theirs, ...device } })).status).toBe(201);
    expect(desk.pauses).toEqual([]);
  });

  test('is slowed on a new device while many failures come from many addresses', async () => {
    await desk.prepareSignedIn(tenant);
    for (let failed = 0; failed < 30; failed += 1)
      desk.data.for(tenant).transaction(() =>
        createSignInThrottle({ now: desk.now }).count(desk.data.for(tenant), {
          email: emailOf(tenant),
          client: `198.51.100.${failed}`,
          deviceId: undefined,
        }),
      );
    expect((await signIn(credentials)).status).toBe(303);
    expect(desk.pauses).toEqual([2_000]);
  });
});

describe('a session', () => {
  test('ends after seven days', async () => {
    const session = await desk.prepareSignedIn(tenant);
    desk.advance(7 * dayMs - 60_000);
    expect((await desk.visit(tenant, '/dashboard', cookie(session))).status).toBe(200);
    desk.advance(61_000);
    expect((await desk.visit(tenant, '/dashboard', cookie(session))).status).toBe(303);
  });

  test('ends with its owner, and is stored as a hash only', async () => {
    const session = await desk.prepareSignedIn(tenant);
    expect(JSON.stringify(desk.data.usage(tenant))).toContain('"sessions":1');
    await desk.platform('DELETE', `/_burgage/tenants/${tenant}/owner`);
    expect((await desk.visit(tenant, '/api/usage', bearer(session))).status).toBe(401);
  });

  test('is ended by signing out in the browser, cookie and all', async () => {
    const session = await desk.prepareSignedIn(tenant);
    const out = await desk.visit(tenant, '/sign-out', { form: {}, headers: { cookie: `desk_session=${session}` } });
    expect([out.status, out.headers.location]).toEqual([303, '/']);
    expect(String(out.headers['set-cookie'])).toMatch(/^desk_session=; Max-Age=0/);
    expect((await desk.visit(tenant, '/dashboard', cookie(session))).status).toBe(303);
  });
});

describe('a request from another site', () => {
  test('changes nothing, wherever it comes from', async () => {
    const session = await desk.prepareSignedIn(tenant);
    const cases: [string, Record<string, string>][] = [
      ['a neighbouring tenant', { origin: 'http://other.desk.test', 'sec-fetch-site': 'same-site' }],
      ['the base domain', { origin: 'http://desk.test', 'sec-fetch-site': 'same-site' }],
      ['another port', { origin: `http://${hostOf(tenant)}:8080` }],
      ['another scheme', { origin: `https://${hostOf(tenant)}` }],
      ['a name that begins alike', { origin: `http://${hostOf(tenant)}.evil.test` }],
      ['nowhere', { origin: 'null' }],
      ['same-site without an origin', { 'sec-fetch-site': 'same-site' }],
      ['cross-site', { 'sec-fetch-site': 'cross-site' }],
      ['a right origin that contradicts itself', { origin: `http://${hostOf(tenant)}`, 'sec-fetch-site': 'cross-site' }],
      ['no browser at all, but with a cookie', {}],
    ];
    for (const [name, headers] of cases) {
      const cookieAnd = { cookie: `desk_session=${session}`, ...headers };
      const body = new URLSearchParams({ name: 'Mallory' }).toString();
      const forged = await desk.visit(tenant, '/contacts', {
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...cookieAnd },
      });
      expect(forged.status, name).toBe(403);
      for (const method of ['DELETE', 'PATCH', 'PUT'])
        expect((await desk.visit(tenant, '/api/session', { method, headers: cookieAnd })).status, name).toBe(403);
    }
    expect((await desk.visit(tenant, '/api/usage', bearer(session))).json()).toEqual({ contacts: 0, deals: 0 });
  });

  test('is told from one of its own pages by the host that the gateway forwards', async () => {
    const session = await desk.prepareSignedIn(tenant);
    const post = (headers: Record<string, string>) =>
      desk.visit(tenant, '/contacts', { form: { name: 'Anna' }, headers: { cookie: `desk_session=${session}`, ...headers } });
    expect((await post({ 'sec-fetch-site': 'same-origin' })).status).toBe(303);
    const forwarded = {
      host: '127.0.0.1:9100',
      'x-forwarded-host': 'crm.acme.test:8443',
      'x-forwarded-proto': 'https',
      cookie: `__Host-desk_session=${session}`,
    };
    expect((await post({ ...forwarded, origin: 'https://crm.acme.test:8443' })).status).toBe(303);
    expect((await post({ ...forwarded, origin: 'http://127.0.0.1:9100' })).status).toBe(403);
  });
});
