// Addresses of servers as they may be shown: without the passwords and tokens in them.

/** What stands in the place of a secret. */
export const hidden = '•••';

/** `mongodb://`, `nats://` */
const scheme = /^[a-z][a-z0-9+.-]*:\/\//i;
/** What separates several addresses: a comma before the scheme of the next. */
const nextAddress = /,(?=[a-z][a-z0-9+.-]*:\/\/)/i;
/** One or more hosts, with ports or without. */
const hosts = /^(?:\[[0-9a-f:.%]+\]|[^\s:@,[\]]*)(?::\d{1,5})?(?:,(?:\[[0-9a-f:.%]+\]|[^\s:@,[\]]*)(?::\d{1,5})?)*$/i;
/** A parameter of the query whose value is a secret, by its name. */
const secretParameter = /([?&;][^=&;]*(?:password|passwd|secret|token|authmechanismproperties)[^=&;]*=)[^&;]+/gi;

/**
 * `url`, or several with commas between, with dots for each password, and for a user without one: that may be a token.
 * Text that is no address is hidden as far as a secret may reach, so that this is safe for messages about what is wrong.
 */
export function withoutPassword(url: string): string {
  return url.split(nextAddress).map(hide).join(',');
}

/** True where `withoutPassword` has something to hide. */
export function hasPassword(url: string): boolean {
  return withoutPassword(url) !== url;
}

function hide(address: string): string {
  const start = scheme.exec(address)?.[0] ?? '';
  const rest = address.slice(start.length);
  const [authority = ''] = rest.split(/[/?#]/, 1);
  const [beforeQuery = ''] = rest.split(/[?#]/, 1);
  if (hosts.test(authority) && !beforeQuery.includes('@')) return start + withoutParameters(rest);
  // As far as a password may go that somebody forgot to encode, or whose host is missing.
  const at = rest.lastIndexOf('@');
  const colon = rest.indexOf(':');
  const user = colon === -1 || colon > at ? '' : rest.slice(0, colon + 1);
  return start + user + hidden + (at === -1 ? '' : withoutParameters(rest.slice(at)));
}

function withoutParameters(text: string): string {
  return text.replace(secretParameter, `$1${hidden}`);
}
