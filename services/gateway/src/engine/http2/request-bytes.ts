// The head of an HTTP/2 request as HTTP/1.1 would write it, so that one parser is strict about both.

/** Not for any message of HTTP/2 (RFC 9113 section 8.2.2). */
const ofConnection: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
/** What would end a line, or hide what follows it. */
const lineBreakPattern = /[\0\r\n]/;
const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** A path is nothing else: not even a whole address. */
const slash = '/';

/**
 * The bytes for `parseRequestHead`, from names and values in turn; `isWhole`: no body follows. Answers with what is wrong where
 * only HTTP/2 can tell. Text in it stays text: a value never becomes another line.
 */
export function requestBytes(rawHeaders: readonly string[], isWhole: boolean): Buffer | string {
  let method: string | undefined;
  let scheme: string | undefined;
  let authority: string | undefined;
  let path: string | undefined;
  let host: string | undefined;
  let cookies: string | undefined;
  let hasLength = false;
  let lines = '';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    if (lineBreakPattern.test(value)) return 'a field has a line break in its value';
    if (name.startsWith(':')) {
      if (name === ':method' && method === undefined) method = value;
      else if (name === ':scheme' && scheme === undefined) scheme = value;
      else if (name === ':authority' && authority === undefined) authority = value;
      else if (name === ':path' && path === undefined) path = value;
      else return 'a pseudo-header came that is not known, or twice';
      continue;
    }
    if (!namePattern.test(name)) return 'a name has characters that no name has';
    if (ofConnection.has(name)) return 'a field came that is only for a connection';
    if (name === 'te' && value !== 'trailers') return 'TE says more than trailers';
    if (name === 'host') {
      if (host !== undefined) return 'more than one Host came';
      host = value;
    } else if (name === 'cookie') {
      // One line again (section 8.2.3).
      cookies = cookies === undefined ? value : `${cookies}; ${value}`;
    } else {
      if (name === 'content-length') hasLength = true;
      lines += `${name}: ${value}\r\n`;
    }
  }
  if (method === undefined || scheme === undefined || path === undefined) return 'a pseudo-header is missing';
  if (scheme !== 'https') return 'the scheme is not that of the connection';
  if (!path.startsWith(slash)) return 'the path does not begin with a slash';
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase())
    return 'the Host field names another host than the authority';
  const named = authority ?? host;
  if (named !== undefined) lines = `host: ${named}\r\n${lines}`;
  if (cookies !== undefined) lines += `cookie: ${cookies}\r\n`;
  if (!isWhole && !hasLength) lines += 'transfer-encoding: chunked\r\n';
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
}
