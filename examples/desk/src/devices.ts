// Remembers the browsers in which the owner has signed in, so that strangers' failed attempts do not stand in the way there.
import type { TenantHandle } from '@burgage/app-kit';
import { newSecret, type Sources, sha256 } from './sources.ts';
import { devices } from './tables.ts';

export const deviceLifetimeMs = 180 * 24 * 60 * 60_000;
export const devicesMax = 20;

export interface Devices {
  /** The id of the device that holds this secret, if it is one that the owner has signed in with in the last 180 days. */
  known(data: TenantHandle, token: string | undefined): string | undefined;
  /** The secret for the device to keep: the one it has, good for another 180 days, or a new one. Of more than 20 devices the longest unused is forgotten. */
  remember(data: TenantHandle, token: string | undefined): string;
  forgetAll(data: TenantHandle): void;
}

export function createDevices(sources: Sources): Devices {
  const nowMs = (): number => sources.now().getTime();

  function known(data: TenantHandle, token: string | undefined): string | undefined {
    return token ? data.table(devices).find({ id: sha256(token), expiresAtMs: { atLeast: nowMs() } })?.id : undefined;
  }

  return {
    known,
    remember: (data, present) =>
      data.transaction(() => {
        const rows = data.table(devices);
        const expiresAtMs = nowMs() + deviceLifetimeMs;
        const id = known(data, present);
        if (present !== undefined && id !== undefined) {
          rows.update(id, { expiresAtMs });
          return present;
        }
        const token = newSecret(sources);
        rows.deleteWhere({ expiresAtMs: { below: nowMs() } });
        const [longestUnused] = rows.list({ order: { by: 'expiresAtMs', direction: 'ascending' }, limit: 1 }).rows;
        if (longestUnused && rows.count() >= devicesMax) rows.delete(longestUnused.id);
        rows.insert({ id: sha256(token), createdAtMs: nowMs(), expiresAtMs });
        return token;
      }),
    forgetAll: (data) => void data.table(devices).deleteWhere({}),
  };
}
