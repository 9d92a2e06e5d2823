// Whom failed attempts are counted against: the network address that a request came from.
import { isIPv4, isIPv6 } from 'node:net';

/**
 * The last hop of X-Forwarded-For, which is the one that the platform's gateway wrote; what a client says before it counts for nothing.
 * An IPv4 address as it is; of an IPv6 address the first 64 bits, because one subscriber has all the addresses below them (RFC 6177).
 * Whatever names no address is one client, `unknown`.
 */
export function clientOf(headers: Headers): string {
  const address = headers.get('x-forwarded-for')?.split(',').at(-1)?.trim().split('%')[0] ?? '';
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return 'unknown';
  // The URL parser writes every form of an address in one way.
  const [before = [], after = []] = new URL(`http://[${address}]`).hostname
    .slice(1, -1)
    .split('::')
    .map((groups) => groups.split(':').filter(Boolean));
  const groups = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
  const embedsIPv4 = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff';
  return (embedsIPv4 ? groups : groups.slice(0, 4)).join(':');
}
