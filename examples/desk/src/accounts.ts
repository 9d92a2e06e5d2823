// The owner's account: made by the platform, opened by a one-time link, then signed in to with e-mail and password.
import { invalidField, type Owners, ProblemError, type TenantHandle } from '@burgage/app-kit';
import { z } from 'zod';
import { type Passwords, passwordCharactersMax, passwordCharactersMin } from './passwords.ts';
import { newSecret, type Sources, sha256 } from './sources.ts';
import { ownerId, owners, sessions, signInFailures } from './tables.ts';

const dayMs = 24 * 60 * 60_000;
const inviteLifetimeMs = 7 * dayMs;
export const sessionLifetimeMs = 7 * dayMs;

/** Attempts without delay; each further one doubles the wait, from one second to fifteen minutes. */
const freeFailures = 5;
const delayMaxMs = 15 * 60_000;
const failuresForgottenAfterMs = 60 * 60_000;

export interface Session {
  /** The secret that whoever signed in keeps; stored is only its hash. */
  readonly token: string;
  readonly expiresAt: Date;
}

export interface Accounts {
  /** For the lifecycle routes. */
  readonly owners: Owners;
  /** Whether this invite can still be used. */
  inviteIsOpen(data: TenantHandle, token: string): boolean;
  /** Uses the invite up, sets the password, ends every other session and signs in. Throws `permission_denied` for a used or old invite, `invalid_argument` for the password. */
  acceptInvite(data: TenantHandle, token: string, password: string): Promise<Session>;
  /** Throws `unauthenticated`, the same for an unknown address as for a wrong password, or `rate_limited`. */
  signIn(data: TenantHandle, email: string, password: string): Promise<Session>;
  signOut(data: TenantHandle, token: string): void;
  /** The e-mail address of whom the session belongs to, while it lasts. */
  signedIn(data: TenantHandle, token: string | undefined): string | undefined;
}

export function createAccounts(sources: Sources, passwords: Passwords): Accounts {
  const nowMs = (): number => sources.now().getTime();

  function startSession(data: TenantHandle): Session {
    const token = newSecret(sources);
    const expiresAtMs = nowMs() + sessionLifetimeMs;
    data.table(sessions).deleteWhere({ expiresAtMs: { below: nowMs() } });
    data.table(sessions).insert({ id: sha256(token), createdAtMs: nowMs(), expiresAtMs });
    return { token, expiresAt: new Date(expiresAtMs) };
  }

  const openInvite = (data: TenantHandle, token: string) =>
    data.table(owners).find({ inviteHash: sha256(token), inviteExpiresAtMs: { atLeast: nowMs() } });

  /** Counts an attempt as failed before it is made, so that many at once cannot outrun the count. */
  function countAttempt(data: TenantHandle, id: string): void {
    const failures = data.table(signInFailures);
    failures.deleteWhere({ lastAtMs: { below: nowMs() - failuresForgottenAfterMs } });
    const before = failures.get(id);
    if (!before) return void failures.insert({ id, failures: 1, lastAtMs: nowMs() });
    const delayMs = before.failures < freeFailures ? 0 : Math.min(2 ** (before.failures - freeFailures) * 1_000, delayMaxMs);
    const waitMs = before.lastAtMs + delayMs - nowMs();
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      throw new ProblemError('rate_limited', {
        message: `Too many attempts for this account. Try again in ${seconds} seconds.`,
        retryAfterSeconds: seconds,
      });
    }
    failures.update(id, { failures: before.failures + 1, lastAtMs: nowMs() });
  }

  return {
    owners: {
      email: (data) => data.table(owners).get(ownerId)?.email,
      put(data, address) {
        const email = normalizedEmail(address);
        const present = data.table(owners).get(ownerId);
        if (present && present.email !== email)
          throw new ProblemError('already_exists', { message: 'The tenant has an owner with another address; remove that one first.' });
        if (!present) data.table(owners).insert({ id: ownerId, email, createdAtMs: nowMs() });
        return { created: !present };
      },
      invite(data) {
        const token = newSecret(sources);
        const owner = data.table(owners).update(ownerId, { inviteHash: sha256(token), inviteExpiresAtMs: nowMs() + inviteLifetimeMs });
        if (!owner) throw new ProblemError('transition_not_allowed', { message: 'The tenant has no owner to invite.' });
        return { path: `/welcome?token=${token}` };
      },
      remove(data) {
        data.table(owners).delete(ownerId);
        data.table(sessions).deleteWhere({});
      },
    },
    inviteIsOpen: (data, token) => openInvite(data, token) !== undefined,
    async acceptInvite(data, token, password) {
      const refused = new ProblemError('permission_denied', { message: 'This link was used before, or is older than seven days.' });
      if (!openInvite(data, token)) throw refused;
      const length = [...password].length;
      if (length < passwordCharactersMin || length > passwordCharactersMax)
        throw invalidField('password', `expected ${passwordCharactersMin} to ${passwordCharactersMax} characters; got ${length}`);
      const passwordHash = await passwords.hash(password);
      return data.transaction(() => {
        // Asked again, because another request may have used the link while the password was hashed.
        if (!openInvite(data, token)) throw refused;
        data.table(owners).update(ownerId, { passwordHash, inviteHash: null, inviteExpiresAtMs: null });
        data.table(sessions).deleteWhere({});
        return startSession(data);
      });
    },
    async signIn(data, address, password) {
      const email = address.trim().toLowerCase();
      const failureId = sha256(email);
      data.transaction(() => countAttempt(data, failureId));
      const owner = data.table(owners).get(ownerId);
      const storedHash = owner?.email === email ? owner.passwordHash : undefined;
      const matches = await passwords.matches(password.slice(0, passwordCharactersMax * 2), storedHash);
      return data.transaction(() => {
        // The account may have gone or changed its password while this one was checked.
        const unchanged = data.table(owners).get(ownerId)?.passwordHash === storedHash;
        if (!matches || !unchanged) throw new ProblemError('unauthenticated', { message: 'E-mail address or password is wrong.' });
        data.table(signInFailures).delete(failureId);
        return startSession(data);
      });
    },
    signOut: (data, token) => void data.table(sessions).delete(sha256(token)),
    signedIn(data, token) {
      if (!token || !data.table(sessions).find({ id: sha256(token), expiresAtMs: { atLeast: nowMs() } })) return undefined;
      return data.table(owners).get(ownerId)?.email;
    },
  };
}

function normalizedEmail(address: string): string {
  const email = address.trim().toLowerCase();
  if (!z.email().max(254).safeParse(email).success)
    throw invalidField('email', `expected an e-mail address; got ${JSON.stringify(address.slice(0, 254))}`);
  return email;
}
