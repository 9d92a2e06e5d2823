// The owner's account: made by the platform, opened by a one-time link, then signed in to with e-mail and password.
import { invalidField, type Owners, ProblemError, type TenantHandle } from '@burgage/app-kit';
import { z } from 'zod';
import { createDevices } from './devices.ts';
import { type Passwords, passwordCharactersMax, passwordCharactersMin } from './passwords.ts';
import { createSignInThrottle } from './sign-in-throttle.ts';
import { newSecret, type Sources, sha256 } from './sources.ts';
import { ownerId, owners, sessions } from './tables.ts';
import { createTurns } from './turns.ts';

const dayMs = 24 * 60 * 60_000;
const inviteLifetimeMs = 7 * dayMs;
export const sessionLifetimeMs = 7 * dayMs;

export interface Session {
  /** The secret that whoever signed in keeps; stored is only its hash. */
  readonly token: string;
  readonly expiresAt: Date;
}

/** What is known of whoever has not signed in yet. */
export interface Visitor {
  /** See client.ts. */
  readonly client: string;
  readonly deviceToken: string | undefined;
}

export interface Accounts {
  /** For the lifecycle routes. */
  readonly owners: Owners;
  /** Whether this invite can still be used. */
  inviteIsOpen(data: TenantHandle, token: string): boolean;
  /**
   * Uses the invite up, sets the password, ends every other session, forgets every device and signs in. Throws `permission_denied` for
   * a used or old invite, `invalid_argument` for the password, `unavailable` when too many wait.
   */
  acceptInvite(data: TenantHandle, token: string, password: string, visitor: Visitor): Promise<Session>;
  /**
   * Throws `unauthenticated`, the same for an unknown address as for a wrong password; `rate_limited` after too many failures from this
   * client or device; `unavailable` when too many of this tenant wait.
   */
  signIn(data: TenantHandle, credentials: { email: string; password: string }, visitor: Visitor): Promise<Session>;
  /** For a browser that has just signed in: the secret that it keeps to be known by. */
  rememberDevice(data: TenantHandle, token: string | undefined): string;
  signOut(data: TenantHandle, token: string): void;
  /** The e-mail address of whom the session belongs to, while it lasts. */
  signedIn(data: TenantHandle, token: string | undefined): string | undefined;
}

export function createAccounts(sources: Sources, passwords: Passwords): Accounts {
  const nowMs = (): number => sources.now().getTime();
  const devices = createDevices(sources);
  const throttle = createSignInThrottle(sources);
  const turns = createTurns(sources);

  function startSession(data: TenantHandle): Session {
    const token = newSecret(sources);
    const expiresAtMs = nowMs() + sessionLifetimeMs;
    data.table(sessions).deleteWhere({ expiresAtMs: { below: nowMs() } });
    data.table(sessions).insert({ id: sha256(token), createdAtMs: nowMs(), expiresAtMs });
    return { token, expiresAt: new Date(expiresAtMs) };
  }

  const openInvite = (data: TenantHandle, token: string) =>
    data.table(owners).find({ inviteHash: sha256(token), inviteExpiresAtMs: { atLeast: nowMs() } });

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
        devices.forgetAll(data);
      },
    },
    inviteIsOpen: (data, token) => openInvite(data, token) !== undefined,
    async acceptInvite(data, token, password, { client }) {
      const refused = new ProblemError('permission_denied', { message: 'This link was used before, or is older than seven days.' });
      if (!openInvite(data, token)) throw refused;
      const length = [...password].length;
      if (length < passwordCharactersMin || length > passwordCharactersMax)
        throw invalidField('password', `expected ${passwordCharactersMin} to ${passwordCharactersMax} characters; got ${length}`);
      // Whoever holds an open invite is no stranger.
      const passwordHash = await turns({ tenantId: data.tenantId, client, trusted: true }, () => passwords.hash(password));
      return data.transaction(() => {
        // Asked again, because another request may have used the link while the password was hashed.
        if (!openInvite(data, token)) throw refused;
        data.table(owners).update(ownerId, { passwordHash, inviteHash: null, inviteExpiresAtMs: null });
        data.table(sessions).deleteWhere({});
        devices.forgetAll(data);
        return startSession(data);
      });
    },
    async signIn(data, { email: address, password }, { client, deviceToken }) {
      const email = address.trim().toLowerCase();
      const deviceId = devices.known(data, deviceToken);
      const attempt = { email, client, deviceId };
      const { pauseMs } = throttle.check(data, attempt);
      const asker = { tenantId: data.tenantId, client, trusted: deviceId !== undefined };
      const check = async (): Promise<Session> => {
        throttle.count(data, attempt);
        const owner = data.table(owners).get(ownerId);
        const storedHash = owner?.email === email ? owner.passwordHash : undefined;
        const matches = await passwords.matches(password.slice(0, passwordCharactersMax * 2), storedHash);
        return data.transaction(() => {
          // The account may have gone or changed its password while this one was checked.
          const unchanged = data.table(owners).get(ownerId)?.passwordHash === storedHash;
          if (!matches || !unchanged) throw new ProblemError('unauthenticated', { message: 'E-mail address or password is wrong.' });
          throttle.clear(data, attempt);
          return startSession(data);
        });
      };
      return turns(asker, check, pauseMs);
    },
    rememberDevice: (data, token) => devices.remember(data, token),
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
