// The server that a client names when it begins TLS (RFC 6066 section 3).
import { isIP } from 'node:net';
import { normalizeHost } from '@burgage/tenancy';

/**
 * A host in its one spelling; null: an address, which may not be named and is by some clients: they are served as those who name
 * nobody; undefined: what was named is no host.
 */
export function serverOf(serverName: string): string | null | undefined {
  if (isIP(serverName) !== 0) return null;
  const host = normalizeHost(serverName);
  if (!host.ok) return undefined;
  // It may have been one with a dot behind it.
  return isIP(host.value) !== 0 ? null : host.value;
}
