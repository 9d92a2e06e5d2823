// The issuer's public keys as an app sees them: fetched when first needed, refreshed, and kept while their address is down.
import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { ProblemError } from './problem.ts';

/** Keys older than this are fetched again behind the requests that use them. */
const freshForMs = 10 * 60_000;
/** Least time between two attempts, so that tokens with invented key ids cannot make us flood the issuer. */
const cooldownMs = 5_000;
/** The same while there are no keys at all: the issuer is starting, and every request waits for it. */
const coldCooldownMs = 250;
const fetchTimeoutMs = 5_000;
const bodyCharactersMax = 256 * 1024;

export type Fetch = (url: string, init: { headers: Record<string, string>; redirect: 'error'; signal: AbortSignal }) => Promise<Response>;

/**
 * A key look-up for jose. (Its own createRemoteJWKSet refuses every token once its keys are stale and the address is down,
 * and its cooldown counts from successes only; here a failed refresh leaves the last good keys in place.)
 * Throws `unavailable` only when no key was ever fetched; jose's JWKSNoMatchingKey for an unknown key id.
 */
export function createKeySource(jwksUrl: string, { fetch, now }: { fetch: Fetch; now: () => Date }): JWTVerifyGetKey {
  let find: ReturnType<typeof createLocalJWKSet> | undefined;
  let fetchedAtMs = Number.NEGATIVE_INFINITY;
  let attemptedAtMs = Number.NEGATIVE_INFINITY;
  let failure: unknown;
  let inFlight: Promise<void> | undefined;

  async function download(): Promise<void> {
    const response = await fetch(jwksUrl, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(fetchTimeoutMs),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`expected status 200 from ${jwksUrl}; got ${response.status}`);
    if (text.length > bodyCharactersMax)
      throw new Error(`expected at most ${bodyCharactersMax} characters from ${jwksUrl}; got ${text.length}`);
    find = createLocalJWKSet(JSON.parse(text));
    fetchedAtMs = now().getTime();
  }

  async function attempt(): Promise<void> {
    attemptedAtMs = now().getTime();
    try {
      await download();
    } catch (error) {
      failure = error;
    } finally {
      inFlight = undefined;
    }
  }

  /** Fetches unless an attempt was made a moment ago; never throws. Everybody who asks meanwhile waits for the same attempt. */
  function refresh(): Promise<void> {
    if (inFlight) return inFlight;
    const sinceMs = now().getTime() - attemptedAtMs;
    if (sinceMs >= 0 && sinceMs < (find ? cooldownMs : coldCooldownMs)) return Promise.resolve();
    inFlight = attempt();
    return inFlight;
  }

  return async (header, token) => {
    if (!find) await refresh();
    else if (now().getTime() - fetchedAtMs >= freshForMs) void refresh();
    if (!find)
      throw new ProblemError('unavailable', { message: 'The keys that verify requests cannot be fetched at the moment.', cause: failure });
    try {
      return await find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await refresh();
      return find(header, token);
    }
  };
}
