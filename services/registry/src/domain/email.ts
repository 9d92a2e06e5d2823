// Which e-mail addresses can own a tenant.
import { normalizeHost } from '@burgage/tenancy';

const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const localPart = new RegExp(`^${atom}(?:\\.${atom})*$`);

/**
 * The address with its domain as DNS knows it (lower case, A-labels), or undefined where mail could not reach it: a
 * dot-atom of RFC 5322 section 3.4.1 up to 64 characters, `@`, and a domain of two labels or more; 254 characters in all
 * (RFC 5321 section 4.5.3.1). Quoted local parts, comments, address literals and local parts beyond ASCII are refused.
 */
export function parseEmail(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  const domain = text.slice(at + 1);
  if (local.length > 64 || !localPart.test(local)) return undefined;
  if (domain.includes(':') || domain.endsWith('.') || !domain.includes('.')) return undefined;
  const host = normalizeHost(domain);
  if (!host.ok) return undefined;
  const top = host.value.slice(host.value.lastIndexOf('.') + 1);
  if (/^\d+$/.test(top)) return undefined;
  const address = `${local}@${host.value}`;
  return address.length <= 254 ? address : undefined;
}
