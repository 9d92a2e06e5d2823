// Keeps other sites from acting in a signed-in person's name, neighbouring tenants included: they are "same site" to a browser.
import { ProblemError } from '@burgage/app-kit';

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Where a request came to, as the browser sees it: the gateway says so in X-Forwarded-Proto and X-Forwarded-Host. */
export function publicOrigin(headers: Headers): { origin: string; secure: boolean } {
  const secure = headers.get('x-forwarded-proto') === 'https';
  const host = (headers.get('x-forwarded-host') ?? headers.get('host') ?? '').toLowerCase();
  return { origin: `${secure ? 'https' : 'http'}://${host}`, secure };
}

/**
 * Throws `permission_denied` for a changing request that did not come from a page of this very origin. Browsers say where a request
 * comes from in Origin and Sec-Fetch-Site (Fetch, sections 3.2 and 3.5); what says neither is no browser, and then it must not carry a cookie.
 */
export function requireOwnOrigin(request: Request): void {
  if (safeMethods.has(request.method)) return;
  const { headers } = request;
  const origin = headers.get('origin');
  const site = headers.get('sec-fetch-site');
  const refused = new ProblemError('permission_denied', { message: 'The request comes from another site.' });
  if (origin !== null && origin.toLowerCase() !== publicOrigin(headers).origin) throw refused;
  if (site !== null && site !== 'same-origin') throw refused;
  if (origin === null && site === null && headers.has('cookie')) throw refused;
}
