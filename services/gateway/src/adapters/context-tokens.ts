// The tenant context tokens: signed once a minute per tenant and upstream, with keys that may change under way.
import { readFile, stat } from 'node:fs/promises';
import { type ContextIssuer, type ContextKeyJwk, createContextIssuer } from '@burgage/app-kit';
import { fieldError } from '@burgage/contracts';
import type { Clock, Component, Logger } from '@burgage/runtime';
import type { TenantRoute } from '@burgage/tenancy';
import { z } from 'zod';
import type { MeteredTenant } from '../domain/tenant-meters.ts';

/** How long one token is used; it is valid for five times as long. */
const reuseMs = 60_000;
/** Tokens that are kept; the oldest go first. */
const keptMax = 10_000;
const reloadMs = 1_000;

const keysSchema = z.object({
  keys: z
    .array(
      z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), kid: z.string().min(1), x: z.string().min(1), d: z.string().min(1) }),
    )
    .min(1),
});

export interface ContextTokens extends Component {
  /** A token for the tenant's app, at once where it has one; undefined on a part of the platform and where there are no keys. */
  tokenFor(tenant: TenantRoute & MeteredTenant): string | Promise<string> | undefined;
  /** The public keys, as a JWK set. */
  jwks(): ReturnType<ContextIssuer['jwks']>;
}

export interface ContextTokensOptions {
  /** `{"keys": [private Ed25519 JWK, …]}`, the first one signs. Absent: no tokens are made. */
  readonly keysFile?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Kept {
  token: string | Promise<string>;
  readonly upstream: string;
  readonly entitlementVersion: number;
  readonly isolation: TenantRoute['isolation'];
  readonly madeMs: number;
}

/** @throws BurgageError `config_invalid` at start where the keys cannot be read. A change that cannot be read later keeps the keys. */
export function createContextTokens({ keysFile, clock, logger }: ContextTokensOptions): ContextTokens {
  const stopping = new AbortController();
  /** By the tenant's number. */
  const kept = new Map<number, Kept>();
  let issuer: ContextIssuer | undefined;
  let running: Promise<void> = Promise.resolve();

  async function load(file: string): Promise<void> {
    issuer = createContextIssuer(await readKeys(file), { now: () => clock.now() });
    kept.clear();
  }

  async function follow(file: string, loaded: string): Promise<void> {
    let seen = loaded;
    while (!stopping.signal.aborted) {
      await clock.sleep(reloadMs, stopping.signal);
      const now = await fingerprint(file);
      if (now === seen || now === '') continue;
      seen = now;
      try {
        await load(file);
        logger.info({ file }, 'tenant context signing changed to new keys');
      } catch (error) {
        logger.error({ err: error, file }, 'tenant context keys not changed: the file cannot be read');
      }
    }
  }

  return {
    name: 'context tokens',
    start: async () => {
      if (keysFile === undefined) return;
      const before = await fingerprint(keysFile);
      await load(keysFile);
      running = follow(keysFile, before);
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    tokenFor: (tenant) => {
      if (issuer === undefined || tenant.platform) return undefined;
      const { number: key, upstream, entitlementVersion, isolation } = tenant;
      const nowMs = clock.monotonicMs();
      const known = kept.get(key);
      // The isolation has its part in the version. It is compared all the same: by it the app finds a tenant's data.
      if (
        known !== undefined &&
        known.upstream === upstream &&
        known.entitlementVersion === entitlementVersion &&
        known.isolation === isolation &&
        nowMs - known.madeMs < reuseMs
      )
        return known.token;
      const token = issuer.tenantContext(claimsOf(tenant), upstream);
      const fresh: Kept = { token, upstream, entitlementVersion, isolation, madeMs: nowMs };
      kept.delete(key);
      kept.set(key, fresh);
      token.then(
        (made) => {
          fresh.token = made;
        },
        // A signature that failed must not be handed out for a minute.
        () => kept.get(key) === fresh && kept.delete(key),
      );
      if (kept.size > keptMax) for (const oldest of kept.keys()) if (kept.delete(oldest)) break;
      return token;
    },
    jwks: () => issuer?.jwks() ?? { keys: [] },
  };
}

function claimsOf(tenant: TenantRoute): Parameters<ContextIssuer['tenantContext']>[0] {
  const { tenantId, slug, branding, plan, isolation, limits, features, entitlementVersion } = tenant;
  const { requestsPerSecond = 0, concurrency = 0, bodyBytesMax = 0 } = limits ?? {};
  return {
    sub: tenantId,
    slug,
    name: branding.name,
    color: branding.color,
    plan,
    isolation,
    limits: { requestsPerSecond, concurrency, bodyBytesMax },
    features,
    ev: entitlementVersion,
  };
}

async function readKeys(file: string): Promise<ContextKeyJwk[]> {
  const expected = 'expected {"keys": [private Ed25519 JWK, …]}';
  const invalid = (found: string, cause?: unknown) =>
    fieldError('config_invalid', 'contextKeysFile', `${JSON.stringify(file)} ${found}, ${expected}`, cause);
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    // What is in it is secret, and an error of JSON quotes it.
    if (error instanceof SyntaxError) throw invalid('is no JSON');
    throw invalid(`cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`, error);
  }
  const parsed = keysSchema.safeParse(content);
  if (parsed.success) return parsed.data.keys;
  // The values are secret: only where they are wrong is said.
  throw invalid(`is wrong at ${parsed.error.issues.map(({ path }) => path.join('.') || 'the whole').join(', ')}`);
}

/** What changes when the file does; empty where it is not there. */
async function fingerprint(file: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return '';
  }
}
