import { base64url, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createContextIssuer, generateContextKey } from './issuer.ts';
import { claims, type JwksServer, startJwks, turnableClock } from './testing.ts';
import { type ContextVerifier, createContextVerifier } from './verifier.ts';

const audience = 'desk-shared';
const clock = turnableClock();
let jwks: JwksServer;
let verifier: ContextVerifier;

beforeEach(async () => {
  jwks = await startJwks(clock.now);
  verifier = createContextVerifier({ jwksUrl: jwks.url, audience, now: clock.now });
});
afterEach(() => jwks[Symbol.asyncDispose]());

const unauthenticated = expect.objectContaining({ code: 'unauthenticated' });
const seconds = () => Math.floor(clock.now().getTime() / 1000);

/** A token signed by the genuine key, with any payload and header. */
async function signed(payload: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
  const base = { ...claims, iss: 'burgage', aud: audience, iat: seconds(), exp: seconds() + 300 };
  return new SignJWT({ ...base, ...payload })
    .setProtectedHeader({ alg: 'EdDSA', kid: jwks.key.kid, ...header })
    .sign(await importJWK({ ...jwks.key }, 'EdDSA'));
}

describe('a tenant context', () => {
  test('comes out as the issuer put it in', async () => {
    const { sub, ev, ...rest } = claims;
    expect(await verifier.tenant(await jwks.issuer.tenantContext(claims, audience))).toEqual({
      ...rest,
      tenantId: sub,
      entitlementVersion: ev,
    });
  });

  test('for another upstream is misdirected (421), and only when it is genuine', async () => {
    await expect(verifier.tenant(await jwks.issuer.tenantContext(claims, 'another'))).rejects.toMatchObject({
      code: 'misdirected',
      status: 421,
    });
    await expect(verifier.tenant(await signed({ aud: [audience] }))).rejects.toMatchObject({ code: 'misdirected' });
    const stranger = createContextIssuer([await generateContextKey()], { now: clock.now });
    await expect(verifier.tenant(await stranger.tenantContext(claims, 'another'))).rejects.toEqual(unauthenticated);
    await expect(verifier.tenant(await signed({ aud: 'another', exp: seconds() - 60 }))).rejects.toEqual(unauthenticated);
  });

  test('is refused when it is missing, malformed, forged or signed by an unknown key', async () => {
    const genuine = await jwks.issuer.tenantContext(claims, audience);
    const [header, payload = '', signature] = genuine.split('.');
    const other = base64url.encode(new TextDecoder().decode(base64url.decode(payload)).replace('ten_acme', 'ten_evil'));
    const stranger = createContextIssuer([{ ...(await generateContextKey()), kid: jwks.key.kid }], { now: clock.now });
    for (const token of [
      undefined,
      '',
      'x',
      'a.b.c',
      `${header}.${other}.${signature}`,
      `${genuine}x`,
      'x'.repeat(10_000),
      await stranger.tenantContext(claims, audience),
    ]) {
      await expect(verifier.tenant(token)).rejects.toEqual(unauthenticated);
    }
  });

  test('is refused in every algorithm but EdDSA', async () => {
    const none = `${base64url.encode(JSON.stringify({ alg: 'none', kid: jwks.key.kid }))}.${base64url.encode(JSON.stringify({ ...claims, iss: 'burgage', aud: audience, iat: seconds(), exp: seconds() + 60 }))}.`;
    const secret = base64url.decode(jwks.key.x);
    const hmac = await new SignJWT({ ...claims, iss: 'burgage', aud: audience, iat: seconds(), exp: seconds() + 60 })
      .setProtectedHeader({ alg: 'HS256', kid: jwks.key.kid })
      .sign(secret);
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const ecdsa = await new SignJWT({ ...claims, iss: 'burgage', aud: audience, iat: seconds(), exp: seconds() + 60 })
      .setProtectedHeader({ alg: 'ES256', kid: 'ecdsa' })
      .sign(privateKey);
    const published = { keys: [...jwks.issuer.jwks().keys, { ...(await exportJWK(publicKey)), kid: 'ecdsa', alg: 'ES256' }] };
    const permissive = createContextVerifier({ jwksUrl: jwks.url, audience, now: clock.now, fetch: async () => Response.json(published) });
    for (const token of [none, hmac, ecdsa]) await expect(permissive.tenant(token)).rejects.toEqual(unauthenticated);
  });

  test('is refused when a claim is missing or not what it should be', async () => {
    const wrong: Record<string, unknown>[] = [
      { iss: 'somebody' },
      { sub: '' },
      { sub: 'platform' },
      { sub: 'a b' },
      { sub: "ten'; --" },
      { scope: 'lifecycle' },
      { slug: 1 },
      { name: undefined },
      { color: null },
      { plan: undefined },
      { isolation: 7 },
      { limits: null },
      { limits: { requestsPerSecond: -1, concurrency: 1, bodyBytesMax: 1 } },
      { features: 'all' },
      { features: [1] },
      { ev: -1 },
      { ev: '1' },
      { exp: undefined },
      { iat: undefined },
    ];
    for (const payload of wrong)
      await expect(verifier.tenant(await signed(payload)), JSON.stringify(payload)).rejects.toEqual(unauthenticated);
  });

  test('is refused when it has expired, comes from the future or lives longer than fifteen minutes; five seconds are forgiven', async () => {
    await expect(verifier.tenant(await signed({ iat: seconds() - 300, exp: seconds() - 6 }))).rejects.toEqual(unauthenticated);
    await expect(verifier.tenant(await signed({ iat: seconds() + 6, exp: seconds() + 60 }))).rejects.toEqual(unauthenticated);
    await expect(verifier.tenant(await signed({ exp: seconds() + 901 }))).rejects.toEqual(unauthenticated);
    await expect(verifier.tenant(await signed({ iat: seconds() + 4, exp: seconds() + 904 }))).resolves.toBeDefined();
    await expect(verifier.tenant(await signed({ iat: seconds() - 300, exp: seconds() - 3 }))).resolves.toBeDefined();
  });

  test('is checked once and then remembered, but no longer than it lasts', async () => {
    const token = await jwks.issuer.tenantContext(claims, audience);
    const first = await verifier.tenant(token);
    jwks.down = true;
    expect(await verifier.tenant(token)).toBe(first);
    clock.advance(306_000);
    await expect(verifier.tenant(token)).rejects.toEqual(unauthenticated);
  });
});

describe('a lifecycle token', () => {
  test('opens the platform routes and no tenant, and the other way round', async () => {
    const platform = await jwks.issuer.platform(audience);
    const tenant = await jwks.issuer.tenantContext(claims, audience);
    await expect(verifier.platform(platform)).resolves.toBeUndefined();
    await expect(verifier.tenant(platform)).rejects.toEqual(unauthenticated);
    await expect(verifier.platform(tenant)).rejects.toEqual(unauthenticated);
    await expect(verifier.platform(undefined)).rejects.toEqual(unauthenticated);
    await expect(verifier.platform(await jwks.issuer.platform('another'))).rejects.toMatchObject({ code: 'misdirected' });
    await expect(verifier.platform(await signed({ sub: 'platform', exp: seconds() + 30 }))).rejects.toEqual(unauthenticated);
    clock.advance(66_000);
    await expect(verifier.platform(platform)).rejects.toEqual(unauthenticated);
  });
});

describe('the keys', () => {
  test('are fetched when the first token comes, once for many at the same moment', async () => {
    expect(jwks.fetches).toBe(0);
    const tokens = await Promise.all(['a', 'b', 'c'].map((sub) => jwks.issuer.tenantContext({ ...claims, sub }, audience)));
    await Promise.all(tokens.map((token) => verifier.tenant(token)));
    expect(jwks.fetches).toBe(1);
  });

  test('that are new are found, and invented key ids do not flood the issuer', async () => {
    await verifier.tenant(await jwks.issuer.tenantContext(claims, audience));
    jwks.issuer = createContextIssuer([await generateContextKey(), jwks.key], { now: clock.now });
    clock.advance(5_000);
    await expect(verifier.tenant(await jwks.issuer.tenantContext(claims, audience))).resolves.toBeDefined();
    for (let attempt = 0; attempt < 10; attempt += 1)
      await expect(verifier.tenant(await signed({}, { kid: `invented-${attempt}` }))).rejects.toEqual(unauthenticated);
    expect(jwks.fetches).toBe(2);
  });

  test('that were good stay when their address is down, however old they get', async () => {
    await verifier.tenant(await jwks.issuer.tenantContext(claims, audience));
    jwks.down = true;
    clock.advance(24 * 60 * 60_000);
    await expect(verifier.tenant(await jwks.issuer.tenantContext(claims, audience))).resolves.toBeDefined();
    clock.advance(60_000);
    await expect(verifier.tenant(await jwks.issuer.tenantContext(claims, audience))).resolves.toBeDefined();
  });

  test('that never came are an unavailable (503), and their coming ends it', async () => {
    jwks.down = true;
    await expect(verifier.tenant(await jwks.issuer.tenantContext(claims, audience))).rejects.toMatchObject({
      code: 'unavailable',
      status: 503,
    });
    jwks.down = false;
    clock.advance(250);
    await expect(verifier.tenant(await jwks.issuer.tenantContext(claims, audience))).resolves.toBeDefined();
  });
});

describe('an issuer', () => {
  test('publishes public halves only', async () => {
    expect(jwks.issuer.jwks().keys).toEqual([{ kty: 'OKP', crv: 'Ed25519', kid: jwks.key.kid, x: jwks.key.x, alg: 'EdDSA', use: 'sig' }]);
  });

  test('needs a key, and signs for no tenant that is called like the platform', async () => {
    expect(() => createContextIssuer([], { now: clock.now })).toThrow(RangeError);
    await expect(jwks.issuer.tenantContext({ ...claims, sub: 'platform' }, audience)).rejects.toThrow(RangeError);
  });
});
