// A line of a head as HPACK has it in its tables: looked at once, and then as often sent on as somebody names it.
import { putRange } from '../../domain/put.ts';
import { blankBytes, colon, cr, isText, lf, slash, space, tokenBytes, valueBytes } from '../http1/bytes.ts';

/** What is done with a line. */
export const roles = {
  /** Goes on as it is. */
  plain: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  host: 5,
  cookie: 6,
  length: 7,
  te: 8,
  /** For no message of HTTP/2, nor anything in its place: the name, or the value, is not what it may be. */
  malformed: 9,
} as const;

export type Role = (typeof roles)[keyof typeof roles];

const rolesByName: ReadonlyMap<string, Role> = new Map([
  [':method', roles.method],
  [':scheme', roles.scheme],
  [':authority', roles.authority],
  [':path', roles.path],
  ['host', roles.host],
  ['cookie', roles.cookie],
  ['content-length', roles.length],
  ['te', roles.te],
  // Of a connection, which has frames for all of that (RFC 9113 section 8.2.2).
  ['connection', roles.malformed],
  ['keep-alive', roles.malformed],
  ['proxy-connection', roles.malformed],
  ['transfer-encoding', roles.malformed],
  ['upgrade', roles.malformed],
]);
const namesMax = Math.max(...[...rolesByName.keys()].map((name) => name.length));
/** What each line counts besides its bytes (RFC 7541 section 4.1). */
export const lineBytes = 32;
const separatorBytes = 2;
const lineEndBytes = 2;
const asterisk = 0x2a;
const del = 0x7f;

/** So many of the lines that tables were given last are shared, of at most so many bytes. */
const sharedPlaces = 1024;
const sharedBytesMax = 512;
/** What many say alike, and what proves nobody's identity: that of others does not outlive their connections. */
const sharedNames: ReadonlySet<string> = new Set([
  ...[':authority', 'user-agent', 'accept', 'accept-encoding', 'accept-language', 'content-type', 'cache-control', 'pragma', 'priority'],
  ...['sec-ch-ua', 'sec-ch-ua-mobile', 'sec-ch-ua-platform', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-fetch-user'],
  ...['upgrade-insecure-requests', 'origin', 'te', 'dnt'],
  // Of answers.
  ...['server', 'date', 'content-length', 'content-encoding', 'vary', 'strict-transport-security', 'x-content-type-options'],
  ...['x-frame-options', 'referrer-policy', 'accept-ranges', 'alt-svc', 'via', 'age', 'expires', 'content-language', 'x-powered-by'],
]);
const shared: (HeaderLine | undefined)[] = new Array(sharedPlaces).fill(undefined);
const hashFactor = 0x01000193;

/** Lower case alone (RFC 9113 section 8.2.1). */
const nameBytes: Uint8Array = Uint8Array.from(tokenBytes, (isToken, byte) => (byte >= 0x41 && byte <= 0x5a ? 0 : isToken));

/** Whether a line with this name, in lower case, may be one for all connections. */
export function isShared(name: string): boolean {
  return sharedNames.has(name);
}

/**
 * A line for a table, from the same as the constructor: most clients say much the same, and what many connections share is near
 * when it is needed.
 */
export function lineToKeep(named: HeaderLine | Buffer, from: Buffer, valueStart: number, valueEnd: number): HeaderLine {
  const nameEnd = named instanceof HeaderLine ? named.nameEnd : named.length;
  if (nameEnd + valueEnd - valueStart > sharedBytesMax) return new HeaderLine(named, from, valueStart, valueEnd, true);
  let hash = nameEnd;
  for (let i = valueStart; i < valueEnd; i++) hash = Math.imul(hash ^ (from[i] as number), hashFactor);
  const place = (hash ^ (hash >>> 16)) & (sharedPlaces - 1);
  const known = shared[place];
  if (known?.is(named, from, valueStart, valueEnd)) return known;
  const line = new HeaderLine(named, from, valueStart, valueEnd, true);
  if (line.role !== roles.malformed && isShared(line.name())) shared[place] = line;
  return line;
}

export class HeaderLine {
  /** As HTTP/1.1 writes it: name, colon, space, value, CRLF. */
  readonly bytes: Buffer;
  readonly nameEnd: number;
  readonly role: Role;

  /** The name is those bytes, or that of the line. The value is at those places. `isKept`: for long. */
  constructor(named: HeaderLine | Buffer, from: Buffer, valueStart: number, valueEnd: number, isKept = false) {
    const isLine = named instanceof HeaderLine;
    const length = isLine ? named.nameEnd : named.length;
    const end = length + separatorBytes + valueEnd - valueStart;
    // What stays in a table would keep all of the memory that small buffers share.
    const bytes = isKept ? Buffer.allocUnsafeSlow(end + lineEndBytes) : Buffer.allocUnsafe(end + lineEndBytes);
    putRange(bytes, 0, isLine ? named.bytes : named, 0, length);
    bytes[length] = colon;
    bytes[length + 1] = space;
    putRange(bytes, length + separatorBytes, from, valueStart, valueEnd);
    bytes[end] = cr;
    bytes[end + 1] = lf;
    this.bytes = bytes;
    this.nameEnd = length;
    const role = isLine && named.role !== roles.malformed ? named.role : roleOf(bytes, length);
    this.role = isValueFine(role, bytes, length + separatorBytes, end) ? role : roles.malformed;
  }

  /** Whether the constructor would make the same of that. */
  is(named: HeaderLine | Buffer, from: Buffer, valueStart: number, valueEnd: number): boolean {
    const isLine = named instanceof HeaderLine;
    const { bytes, nameEnd } = this;
    const name = isLine ? named.bytes : named;
    if ((isLine ? named.nameEnd : named.length) !== nameEnd || this.valueEnd - this.valueStart !== valueEnd - valueStart) return false;
    for (let i = 0; i < nameEnd; i++) if (bytes[i] !== name[i]) return false;
    const distance = this.valueStart - valueStart;
    for (let i = valueStart; i < valueEnd; i++) if (bytes[distance + i] !== from[i]) return false;
    return true;
  }

  get valueStart(): number {
    return this.nameEnd + separatorBytes;
  }

  get valueEnd(): number {
    return this.bytes.length - lineEndBytes;
  }

  /** What it takes of a table, and of a list. */
  get size(): number {
    return this.bytes.length - separatorBytes - lineEndBytes + lineBytes;
  }

  name(): string {
    return this.bytes.toString('latin1', 0, this.nameEnd);
  }

  /** Bytes beyond ASCII as Latin-1 characters. */
  value(): string {
    return this.bytes.toString('latin1', this.valueStart, this.valueEnd);
  }
}

function roleOf(bytes: Buffer, end: number): Role {
  const named = end > namesMax ? undefined : rolesByName.get(bytes.toString('latin1', 0, end));
  if (named !== undefined) return named;
  for (let i = 0; i < end; i++) if (nameBytes[bytes[i] as number] === 0) return roles.malformed;
  return end === 0 ? roles.malformed : roles.plain;
}

function isValueFine(role: Role, bytes: Buffer, start: number, end: number): boolean {
  switch (role) {
    case roles.method:
      for (let i = start; i < end; i++) if (tokenBytes[bytes[i] as number] === 0) return false;
      return end > start;
    case roles.path:
      for (let i = start; i < end; i++) if ((bytes[i] as number) <= space || bytes[i] === del) return false;
      return bytes[start] === slash || (bytes[start] === asterisk && end === start + 1);
    case roles.te:
      return isText(bytes, start, end, 'trailers');
    default:
      for (let i = start; i < end; i++) if (valueBytes[bytes[i] as number] === 0) return false;
      return end === start || (blankBytes[bytes[start] as number] === 0 && blankBytes[bytes[end - 1] as number] === 0);
  }
}
