// The server that a client names when it begins TLS (RFC 6066 section 3).
import { isIP } from 'node:net';
import { normalizeHost } from '@burgage/tenancy';

/** An address may not be named, and some clients do: they are served as those who name nobody. */
export const nobody = '';

/** A host in its one spelling, or `nobody`; undefined: what was named is no host. */
export function serverOf(serverName: string): string | undefined {
  if (isIP(serverName) !== 0) return nobody;
  const host = normalizeHost(serverName);
  if (!host.ok) return undefined;
  // It may have been one with a dot behind it.
  return isIP(host.value) !== 0 ? nobody : host.value;
}
