// The Link header of paged lists (RFC 8288).
import type { Context } from 'hono';

/** Says where the next page is: the request's own address with the next page token. */
export function linkNext(c: Context, next: string | undefined): void {
  if (next === undefined) return;
  const { pathname, searchParams } = new URL(c.req.url);
  searchParams.set('pageToken', next);
  c.header('link', `<${pathname}?${searchParams}>; rel="next"`);
}
