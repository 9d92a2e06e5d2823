// Checks the tokens that Burgage sends an app, and remembers those it has checked until they expire.
import { errors, type JWTPayload, jwtVerify } from 'jose';
import {
  algorithm,
  clockToleranceSeconds,
  contextOfClaims,
  issuerName,
  lifecycleScope,
  platformLifetimeSeconds,
  platformSubject,
  type TenantContext,
  tenantLifetimeMaxSeconds,
} from './claims.ts';
import { createKeySource, type Fetch } from './keys.ts';
import { createLru } from './lru.ts';
import { ProblemError } from './problem.ts';

const rememberedTokensMax = 10_000;
/** Longer than any token that the issuer makes; what is longer is not worth parsing. */
const tokenCharactersMax = 8_192;

export interface ContextVerifierOptions {
  /** Where the issuer publishes its keys. */
  readonly jwksUrl: string;
  /** The app's own upstream name: a token for another one is refused as `misdirected`. */
  readonly audience: string;
  /** Of a process that serves this one tenant: everybody else is `misdirected`, in a context as on the lifecycle routes. */
  readonly tenantId?: string | undefined;
  readonly fetch?: Fetch;
  readonly now?: () => Date;
}

export interface ContextVerifier {
  /** The only tenant that is served; undefined where there can be many. */
  readonly tenantId: string | undefined;
  /**
   * Whom a tenant context is for. Throws a ProblemError: `unauthenticated` (401) when it is missing, forged, expired or malformed,
   * `misdirected` (421) when it is genuine and meant for another upstream or tenant, `unavailable` (503) when no key could ever be fetched.
   */
  tenant(token: string | undefined): Promise<TenantContext>;
  /** Returns when the token is the platform's own lifecycle token; throws as `tenant` does. */
  platform(token: string | undefined): Promise<void>;
}

/** Nothing is fetched before the first token comes. A checked tenant context costs one map look-up until it expires. */
export function createContextVerifier({
  jwksUrl,
  audience,
  tenantId,
  fetch = globalThis.fetch,
  now = () => new Date(),
}: ContextVerifierOptions): ContextVerifier {
  const findKey = createKeySource(jwksUrl, { fetch, now });
  const remembered = createLru<string, { readonly context: TenantContext; readonly expiresAtMs: number }>(rememberedTokensMax);

  async function verify(token: string | undefined, lifetimeMaxSeconds: number): Promise<JWTPayload & { exp: number }> {
    if (!token) throw refused('is missing');
    if (token.length > tokenCharactersMax) throw refused(`is longer than ${tokenCharactersMax} characters`);
    const payload = await checkedPayload(token);
    const { iat, exp } = payload;
    if (iat === undefined || exp === undefined) throw refused('has no iat or no exp');
    if (iat > now().getTime() / 1000 + clockToleranceSeconds) throw refused('was issued in the future');
    if (exp - iat > lifetimeMaxSeconds) throw refused(`lives longer than ${lifetimeMaxSeconds} seconds`);
    return { ...payload, exp };
  }

  async function checkedPayload(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, findKey, {
        algorithms: [algorithm],
        issuer: issuerName,
        requiredClaims: ['sub', 'aud', 'iat', 'exp'],
        clockTolerance: clockToleranceSeconds,
        currentDate: now(),
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw refused(reasonOf(error), error);
      throw error;
    }
  }

  /** Last of all checks: only a token that is genuine in every other way may learn that it came to the wrong place. */
  function requireOwnAudience(payload: JWTPayload): void {
    if (payload.aud !== audience)
      throw new ProblemError('misdirected', { message: `The request is meant for another upstream than ${audience}.` });
  }

  return {
    tenantId,
    async tenant(token) {
      const known = token === undefined ? undefined : remembered.get(token);
      if (known && now().getTime() < known.expiresAtMs) return known.context;
      const payload = await verify(token, tenantLifetimeMaxSeconds);
      const context = contextOfClaims(payload);
      if ('invalidClaim' in context) throw refused(`has an invalid claim ${context.invalidClaim}`);
      requireOwnAudience(payload);
      if (tenantId !== undefined && context.tenantId !== tenantId)
        throw new ProblemError('misdirected', { message: 'The request is meant for another tenant than the one that is served here.' });
      if (token !== undefined) remembered.set(token, { context, expiresAtMs: payload.exp * 1000 });
      return context;
    },
    async platform(token) {
      const payload = await verify(token, platformLifetimeSeconds);
      if (payload.sub !== platformSubject || payload.scope !== lifecycleScope) throw refused('is not a lifecycle token of the platform');
      requireOwnAudience(payload);
    },
  };
}

function refused(why: string, cause?: unknown): ProblemError {
  return new ProblemError('unauthenticated', { message: `The token ${why}.`, ...(cause !== undefined && { cause }) });
}

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `has an invalid claim ${error.claim}`;
  if (error instanceof errors.JWKSNoMatchingKey) return 'is signed with an unknown key';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'has a wrong signature';
  return 'cannot be read';
}
