// Makes the tokens that a tenant's app trusts: used by the gateway, by the platform, and by an app's own tests.
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import {
  algorithm,
  issuerName,
  isTenantId,
  lifecycleScope,
  platformLifetimeSeconds,
  platformSubject,
  type TenantClaims,
  tenantLifetimeSeconds,
} from './claims.ts';

/** A private Ed25519 key as a JWK (RFC 8037): `x` is public, `d` is the secret, `kid` the RFC 7638 thumbprint. */
export interface ContextKeyJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly kid: string;
  readonly x: string;
  readonly d: string;
}

export interface ContextIssuer {
  /** A tenant context for `audience` (an upstream's name), valid for five minutes. Throws a RangeError when `sub` is no tenant id. */
  tenantContext(claims: TenantClaims, audience: string): Promise<string>;
  /** A lifecycle token for `audience`, valid for a minute. */
  platform(audience: string): Promise<string>;
  /** Every key's public half, as a JWK set to publish (RFC 7517). */
  jwks(): { keys: JWK[] };
}

/** A new key. Keep it in a file that only its owner can read. */
export async function generateContextKey(): Promise<ContextKeyJwk> {
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true });
  const { x, d } = await exportJWK(privateKey);
  if (x === undefined || d === undefined) throw new Error('the new Ed25519 key has no x or d');
  const kid = await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x });
  return { kty: 'OKP', crv: 'Ed25519', kid, x, d };
}

/**
 * The first key signs and all are published, so that keys change without a refused token: publish the new one behind the old,
 * wait until apps have it, put it first, and drop the old one fifteen minutes later. Throws a RangeError when there is no key.
 */
export function createContextIssuer(keys: readonly ContextKeyJwk[], { now }: { now: () => Date }): ContextIssuer {
  const [signingKey] = keys;
  if (signingKey === undefined) throw new RangeError('createContextIssuer needs at least one key; got none');
  const published = keys.map(({ kty, crv, kid, x }): JWK => ({ kty, crv, kid, x, alg: algorithm, use: 'sig' }));
  const imported = importJWK({ ...signingKey }, algorithm);
  // Whoever signs first sees a bad key; until then nobody waits for this promise.
  imported.catch(() => {});

  async function sign(claims: Record<string, unknown>, audience: string, lifetimeSeconds: number): Promise<string> {
    const issuedAt = Math.floor(now().getTime() / 1000);
    return new SignJWT({ ...claims, iss: issuerName, aud: audience, iat: issuedAt, exp: issuedAt + lifetimeSeconds })
      .setProtectedHeader({ alg: algorithm, kid: signingKey?.kid ?? '' })
      .sign(await imported);
  }

  return {
    async tenantContext({ sub, slug, name, color, plan, isolation, limits, features, ev }, audience) {
      if (!isTenantId(sub)) throw new RangeError(`sub must be a tenant id; got ${JSON.stringify(sub)}`);
      return sign({ sub, slug, name, color, plan, isolation, limits, features, ev }, audience, tenantLifetimeSeconds);
    },
    platform: (audience) => sign({ sub: platformSubject, scope: lifecycleScope }, audience, platformLifetimeSeconds),
    jwks: () => ({ keys: published.map((key) => ({ ...key })) }),
  };
}
