// The names of services in certificates: a SPIFFE id for who it is, a host name for where clients want to be.

const uriStart = 'spiffe://burgage/service/';
const namePattern = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** True for what may name a service: lower-case letters, digits and hyphens, at most 63. */
export function isServiceName(name: string): boolean {
  return namePattern.test(name);
}

/** `spiffe://burgage/service/registry` */
export function serviceUri(name: string): string {
  return uriStart + name;
}

/** `registry.burgage.internal`: what clients check a server's certificate against, whatever address they dial. */
export function serviceHost(name: string): string {
  return `${name}.burgage.internal`;
}

/**
 * The service that a certificate is of, from its alternative names as Node writes them. Undefined where it names none, or
 * more than one, or where a name in it needed quoting: that is no certificate of ours.
 */
export function serviceNamed(alternativeNames: string | undefined): string | undefined {
  if (alternativeNames === undefined || alternativeNames.includes('"')) return undefined;
  const uris = alternativeNames.split(', ').filter((name) => name.startsWith('URI:'));
  const [uri = ''] = uris;
  if (uris.length !== 1 || !uri.startsWith(`URI:${uriStart}`)) return undefined;
  const name = uri.slice(`URI:${uriStart}`.length);
  return isServiceName(name) ? name : undefined;
}
