// Cookies that a tenant sets for its neighbours.

/**
 * True where a browser would send the cookie to other tenants too: its Domain is the base domain or lies above it. Every
 * Domain attribute counts, though browsers take the last: what one browser might believe is enough. So does one that is not
 * plain ASCII, for browsers differ in how they read it.
 */
export function isShared(setCookie: string, baseDomain: string): boolean {
  for (const attribute of setCookie.split(';').slice(1)) {
    const equals = attribute.indexOf('=');
    if (equals < 0 || attribute.slice(0, equals).trim().toLowerCase() !== 'domain') continue;
    const domain = attribute
      .slice(equals + 1)
      .replaceAll('"', '')
      .trim()
      .toLowerCase()
      .replace(/^\.+/, '')
      .replace(/\.+$/, '');
    if (!asciiPattern.test(domain)) return true;
    if (domain !== '' && (baseDomain === domain || baseDomain.endsWith(`.${domain}`))) return true;
  }
  return false;
}
const asciiPattern = /^[\x20-\x7e]*$/;
