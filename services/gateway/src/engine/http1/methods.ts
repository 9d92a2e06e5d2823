// The methods that are forwarded, found by their bytes.
import { isText } from './bytes.ts';

/**
 * The IANA registry of methods without `*` and PRI, which are no requests, and with QUERY, which is about to be in it.
 * TRACE and CONNECT are known here so that their refusal can name them.
 *
 * nginx and HAProxy forward any token. What is registered nowhere is refused all the same: hardly any app is written for
 * it, and it is what scanners and smuggled requests come with (a body that is read as a request line begins with some
 * token), or what steers caches and devices (PURGE, NOTIFY, M-SEARCH), which is for those behind the gateway.
 */
const names = [
  'ACL, BASELINE-CONTROL, BIND, CHECKIN, CHECKOUT, CONNECT, COPY, DELETE, GET, HEAD, LABEL, LINK, LOCK, MERGE, MKACTIVITY',
  'MKCALENDAR, MKCOL, MKREDIRECTREF, MKWORKSPACE, MOVE, OPTIONS, ORDERPATCH, PATCH, POST, PROPFIND, PROPPATCH, PUT, QUERY',
  'REBIND, REPORT, SEARCH, TRACE, UNBIND, UNCHECKOUT, UNLINK, UNLOCK, UPDATE, UPDATEREDIRECTREF, VERSION-CONTROL',
].flatMap((line) => line.split(', '));

/** Ordered so that the usual ones are found first. */
const usual = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'];
const byLength: readonly (readonly string[])[] = Array.from({ length: Math.max(...names.map((name) => name.length)) + 1 }, (_, length) =>
  [...new Set([...usual, ...names])].filter((name) => name.length === length),
);

/** Bytes of the longest method. */
export const methodBytesMax: number = byLength.length - 1;

/** Hot path. The method that those bytes are, as the one string that it always is; undefined: none that is known. */
export function methodOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  // Half of all that come.
  if (end - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) return 'GET';
  const methods = byLength[end - start];
  if (methods === undefined) return undefined;
  for (let i = 0; i < methods.length; i++) if (isText(bytes, start, end, methods[i] as string)) return methods[i];
  return undefined;
}

/** True where those bytes are the beginning of a known method, or nothing. */
export function beginsMethod(bytes: Buffer, start: number, end: number): boolean {
  const beginning = bytes.toString('latin1', start, end);
  return names.some((name) => name.startsWith(beginning));
}
