// The head of an HTTP/2 request, written as HTTP/1.1 would write it, so that one parser is strict about both.
import { putRange } from '../../domain/put.ts';
import { type Refusal, refuse } from '../../domain/refusal.ts';
import { isText } from '../http1/bytes.ts';
import { beginRequestHead, type ParsedRequest, parseRequestHead, type RequestHeadLimits } from '../http1/request-head.ts';
import { type HeaderLine, roles } from './header-line.ts';

const space = asciiBytes(' ');
const versionLine = asciiBytes(' HTTP/1.1\r\n');
const hostName = asciiBytes('host: ');
const lineEnd = asciiBytes('\r\n');
const chunkedLine = asciiBytes('transfer-encoding: chunked\r\n');
const betweenCookies = asciiBytes('; ');
/** More than all of these, and what may stand between two cookies. */
const ownBytesMax = 64;
const lineEndBytes = 2;

/**
 * Hot path. Reads the lines as they came; `isWhole`: no body follows. Answers with `malformed` where they are no head of HTTP/2
 * (RFC 9113 section 8.1.1), else with why the head is refused, if it is; `into` then holds what was read of it. A value never
 * becomes another line: no line of a table has a line break in it, and the parser has to find as many lines as were written,
 * and the end of the head where the bytes end.
 */
export function readRequestFields(
  lines: readonly HeaderLine[],
  isWhole: boolean,
  limits: RequestHeadLimits,
  into: ParsedRequest,
): Refusal | 'malformed' | undefined {
  let method: HeaderLine | undefined;
  let scheme: HeaderLine | undefined;
  let authority: HeaderLine | undefined;
  let path: HeaderLine | undefined;
  let host: HeaderLine | undefined;
  let hosts = 0;
  let cookies = 0;
  let hasLength = false;
  let count = 0;
  let bytesMax = ownBytesMax;
  for (const line of lines) {
    bytesMax += line.bytes.length;
    const { role } = line;
    if (role >= roles.method && role <= roles.path) {
      // These come first (section 8.3), and once.
      const isFirst = count === 0 && hosts === 0 && cookies === 0;
      if (!isFirst) return 'malformed';
      if (role === roles.method && method === undefined) method = line;
      else if (role === roles.scheme && scheme === undefined) scheme = line;
      else if (role === roles.authority && authority === undefined) authority = line;
      else if (role === roles.path && path === undefined) path = line;
      else return 'malformed';
    } else if (role === roles.malformed) return 'malformed';
    else if (role === roles.host) {
      host = line;
      hosts++;
    } else if (role === roles.cookie) cookies++;
    else {
      if (role === roles.length) hasLength = true;
      count++;
    }
  }
  if (method === undefined) return 'malformed';
  if (scheme === undefined || path === undefined) {
    const isConnect = isText(method.bytes, method.valueStart, method.valueEnd, 'CONNECT');
    return isConnect ? bad(into, 'CONNECT is not served') : 'malformed';
  }
  if (hosts > 1) return bad(into, 'more than one Host came');
  if (!isText(scheme.bytes, scheme.valueStart, scheme.valueEnd, 'https')) return bad(into, 'the scheme is not that of the connection');
  if (authority !== undefined && host !== undefined && authority.value().toLowerCase() !== host.value().toLowerCase())
    return bad(into, 'the Host field names another host than the authority');

  const bytes = Buffer.allocUnsafe(bytesMax);
  let at = putRange(bytes, 0, method.bytes, method.valueStart, method.valueEnd);
  at = put(bytes, at, space);
  at = putRange(bytes, at, path.bytes, path.valueStart, path.valueEnd);
  at = put(bytes, at, versionLine);
  const named = authority ?? host;
  if (named !== undefined) {
    at = put(bytes, at, hostName);
    at = putRange(bytes, at, named.bytes, named.valueStart, named.bytes.length);
    count++;
  }
  for (const line of lines) {
    const { role } = line;
    if (role === roles.plain || role === roles.length || role === roles.te) at = put(bytes, at, line.bytes);
  }
  if (cookies > 0) {
    at = putCookies(bytes, at, lines);
    count++;
  }
  if (!isWhole && !hasLength) {
    at = put(bytes, at, chunkedLine);
    count++;
  }
  at = put(bytes, at, lineEnd);
  if (parseRequestHead(bytes, 0, at, limits, into) !== 'complete') return into.refusal ?? refuse('bad_request');
  if (into.fields.count !== count || into.headEnd !== at) return refuse('bad_request', { detail: 'a field has a line break in it' });
  // Less or more than was announced (section 8.1.1).
  return isWhole && into.bodyKind === 'length' ? 'malformed' : undefined;
}

/** In one line again (section 8.2.3). */
function putCookies(bytes: Buffer, start: number, lines: readonly HeaderLine[]): number {
  let at = start;
  for (const line of lines) {
    if (line.role !== roles.cookie) continue;
    if (at === start) at = putRange(bytes, at, line.bytes, 0, line.bytes.length - lineEndBytes);
    else at = putRange(bytes, put(bytes, at, betweenCookies), line.bytes, line.valueStart, line.valueEnd);
  }
  return put(bytes, at, lineEnd);
}

/** The same for a head of more than it may have. */
export function refuseTooLarge(into: ParsedRequest): Refusal {
  beginRequestHead(into, 0);
  return refuse('head_too_large', { detail: 'a head came that is larger than the client was told' });
}

/** Of a head that is not given to the parser. */
function bad(into: ParsedRequest, detail: string): Refusal {
  // Nothing of the head before it is to be taken for its own.
  beginRequestHead(into, 0);
  return refuse('bad_request', { detail });
}

function asciiBytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function put(to: Buffer, at: number, from: Buffer): number {
  return putRange(to, at, from, 0, from.length);
}
