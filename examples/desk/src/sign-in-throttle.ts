// Bounds how often a password can be guessed, without giving anybody a way to keep the owner out.
import { ProblemError, type TenantHandle } from '@burgage/app-kit';
import { type Sources, sha256 } from './sources.ts';
import { signInFailures } from './tables.ts';

export interface Attempt {
  readonly email: string;
  /** See client.ts. */
  readonly client: string;
  /** The known device that it comes from; see devices.ts. */
  readonly deviceId: string | undefined;
}

/** A count that `refuses` asks for ever longer waits after its free failures, one that `slows` for a short pause. */
interface Count {
  readonly id: string;
  readonly freeFailures: number;
  readonly effect: 'refuses' | 'slows';
}

const delayMaxMs = 15 * 60_000;
const pauseMs = 2_000;
const forgottenAfterMs = 60 * 60_000;
/** For each tenant, whatever addresses are made up. */
export const failureRowsMax = 1_000;

/**
 * Only counts that the owner's enemies cannot drive refuse: those of the owner's own device, or of the network that an attempt comes
 * from. Those that anybody can drive, by e-mail address and by tenant, slow strangers down and nothing more.
 */
function countsOf({ email, client, deviceId }: Attempt): Count[] {
  const count = (effect: Count['effect'], freeFailures: number, kind: string, ...parts: string[]): Count => ({
    id: `${kind}:${sha256(JSON.stringify(parts))}`,
    freeFailures,
    effect,
  });
  if (deviceId !== undefined) return [count('refuses', 5, 'device', deviceId)];
  return [
    count('refuses', 5, 'account-client', email, client),
    count('refuses', 20, 'client', client),
    count('slows', 30, 'account', email),
    count('slows', 200, 'tenant'),
  ];
}

export interface SignInThrottle {
  /** How long the attempt should pause first. Throws `rate_limited`. */
  check(data: TenantHandle, attempt: Attempt): { pauseMs: number };
  /** Counts an attempt as failed before it is made, so that many at once cannot outrun the count. Throws `rate_limited`, and counts nothing then. */
  count(data: TenantHandle, attempt: Attempt): void;
  /** After a success. */
  clear(data: TenantHandle, attempt: Attempt): void;
}

export function createSignInThrottle({ now }: Pick<Sources, 'now'>): SignInThrottle {
  function check(data: TenantHandle, attempt: Attempt): { pauseMs: number } {
    const nowMs = now().getTime();
    let waitMs = 0;
    let slowed = false;
    for (const { id, freeFailures, effect } of countsOf(attempt)) {
      const row = data.table(signInFailures).find({ id, lastAtMs: { atLeast: nowMs - forgottenAfterMs } });
      if (!row || row.failures < freeFailures) continue;
      // Doubles from one second to fifteen minutes.
      if (effect === 'refuses')
        waitMs = Math.max(waitMs, row.lastAtMs + Math.min(2 ** (row.failures - freeFailures) * 1_000, delayMaxMs) - nowMs);
      else slowed = true;
    }
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      throw new ProblemError('rate_limited', {
        message: `Too many attempts. Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`,
        retryAfterSeconds: seconds,
      });
    }
    return { pauseMs: slowed ? pauseMs : 0 };
  }

  return {
    check,
    count: (data, attempt) =>
      data.transaction(() => {
        check(data, attempt);
        const failures = data.table(signInFailures);
        const lastAtMs = now().getTime();
        failures.deleteWhere({ lastAtMs: { below: lastAtMs - forgottenAfterMs } });
        for (const { id } of countsOf(attempt)) {
          const before = failures.get(id);
          if (before) failures.update(id, { failures: before.failures + 1, lastAtMs });
          else failures.insert({ id, failures: 1, lastAtMs });
        }
        dropOldest(data);
      }),
    clear(data, attempt) {
      for (const { id } of countsOf(attempt)) data.table(signInFailures).delete(id);
    },
  };
}

function dropOldest(data: TenantHandle): void {
  const failures = data.table(signInFailures);
  const excess = failures.count() - failureRowsMax;
  if (excess <= 0) return;
  for (const { id } of failures.list({ order: { by: 'lastAtMs', direction: 'ascending' }, limit: excess }).rows) failures.delete(id);
}
