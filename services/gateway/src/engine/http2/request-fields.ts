// The head of an HTTP/2 request, written as HTTP/1.1 would write it, so that one parser is strict about both.
import { type Refusal, refuse } from '../../domain/refusal.ts';
import { beginRequestHead, type ParsedRequest, parseRequestHead, type RequestHeadLimits } from '../http1/request-head.ts';

/** What is done with a field, by its name. */
const fates: ReadonlyMap<string, 'method' | 'scheme' | 'authority' | 'path' | 'host' | 'cookie' | 'te' | 'length' | 'refused'> = new Map([
  [':method', 'method'],
  [':scheme', 'scheme'],
  [':authority', 'authority'],
  [':path', 'path'],
  ['host', 'host'],
  ['cookie', 'cookie'],
  ['te', 'te'],
  ['content-length', 'length'],
  // Not for any message of HTTP/2 (RFC 9113 section 8.2.2).
  ['connection', 'refused'],
  ['keep-alive', 'refused'],
  ['proxy-connection', 'refused'],
  ['transfer-encoding', 'refused'],
  ['upgrade', 'refused'],
]);
const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** A path is nothing else: not even a whole address. */
const slash = '/';

/**
 * Hot path. Reads names and values in turn; `isWhole`: no body follows. Answers with why the head is refused, if it is; `into`
 * then holds what was read of it. Text stays text: a value never becomes another line, as the parser has to find as many lines
 * as were written, and the end of the head where the bytes end.
 */
export function readRequestFields(
  rawHeaders: readonly string[],
  isWhole: boolean,
  limits: RequestHeadLimits,
  into: ParsedRequest,
): Refusal | undefined {
  let method: string | undefined;
  let scheme: string | undefined;
  let authority: string | undefined;
  let path: string | undefined;
  let host: string | undefined;
  let cookies: string | undefined;
  let hasLength = false;
  let lines = '';
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    const fate = fates.get(name);
    switch (fate) {
      case 'method':
        if (method !== undefined) return bad(into, 'a pseudo-header came twice');
        method = value;
        continue;
      case 'scheme':
        if (scheme !== undefined) return bad(into, 'a pseudo-header came twice');
        scheme = value;
        continue;
      case 'authority':
        if (authority !== undefined) return bad(into, 'a pseudo-header came twice');
        authority = value;
        continue;
      case 'path':
        if (path !== undefined) return bad(into, 'a pseudo-header came twice');
        path = value;
        continue;
      case 'host':
        if (host !== undefined) return bad(into, 'more than one Host came');
        host = value;
        continue;
      case 'cookie':
        // One line again (section 8.2.3).
        cookies = cookies === undefined ? value : `${cookies}; ${value}`;
        continue;
      case 'te':
        if (value !== 'trailers') return bad(into, 'TE says more than trailers');
        break;
      case 'length':
        hasLength = true;
        break;
      case 'refused':
        return bad(into, 'a field came that is only for a connection');
      default:
        if (!namePattern.test(name)) return bad(into, 'a pseudo-header came that is not known, or a name has characters that no name has');
    }
    lines += `${name}: ${value}\r\n`;
    count++;
  }
  if (method === undefined || scheme === undefined || path === undefined) return bad(into, 'a pseudo-header is missing');
  if (scheme !== 'https') return bad(into, 'the scheme is not that of the connection');
  if (!path.startsWith(slash)) return bad(into, 'the path does not begin with a slash');
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase())
    return bad(into, 'the Host field names another host than the authority');
  const named = authority ?? host;
  if (named !== undefined) {
    lines = `host: ${named}\r\n${lines}`;
    count++;
  }
  if (cookies !== undefined) {
    lines += `cookie: ${cookies}\r\n`;
    count++;
  }
  if (!isWhole && !hasLength) {
    lines += 'transfer-encoding: chunked\r\n';
    count++;
  }
  const bytes = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
  if (parseRequestHead(bytes, 0, bytes.length, limits, into) !== 'complete') return into.refusal ?? refuse('bad_request');
  if (into.fields.count !== count || into.headEnd !== bytes.length)
    return refuse('bad_request', { detail: 'a field has a line break in it' });
  return undefined;
}

/** Of a head that is not given to the parser. */
function bad(into: ParsedRequest, detail: string): Refusal {
  // Nothing of the head before it is to be taken for its own.
  beginRequestHead(into, 0);
  return refuse('bad_request', { detail });
}
