// The table of lines that every peer of HTTP/2 knows (RFC 7541 appendix A).
import { HeaderLine } from './header-line.ts';

const lines: readonly string[] = [
  ':authority:',
  ':method:GET',
  ':method:POST',
  ':path:/',
  ':path:/index.html',
  ':scheme:http',
  ':scheme:https',
  ...['200', '204', '206', '304', '400', '404', '500'].map((status) => `:status:${status}`),
  'accept-charset:',
  'accept-encoding:gzip, deflate',
  ...['accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow', 'authorization'].map(alone),
  ...['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-length', 'content-location'].map(alone),
  ...['content-range', 'content-type', 'cookie', 'date', 'etag', 'expect', 'expires', 'from', 'host', 'if-match'].map(alone),
  ...['if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'last-modified', 'link', 'location'].map(alone),
  ...['max-forwards', 'proxy-authenticate', 'proxy-authorization', 'range', 'referer', 'refresh', 'retry-after', 'server'].map(alone),
  ...['set-cookie', 'strict-transport-security', 'transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate'].map(alone),
];

function alone(name: string): string {
  return `${name}:`;
}

/** By index, from 1 on; 0 is none of them. */
export const staticLines: readonly (HeaderLine | undefined)[] = [undefined, ...lines.map(lineOf)];

function lineOf(line: string): HeaderLine {
  const bytes = Buffer.from(line, 'latin1');
  const colon = line.indexOf(':', 1);
  return new HeaderLine(bytes.subarray(0, colon), bytes, colon + 1, bytes.length);
}
