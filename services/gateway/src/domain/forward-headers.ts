// Headers across the gateway: what is taken off, what is put on, in both directions (RFC 9110 sections 7.6 and 7.8, RFC 7239).

import { isShared } from './cookies.ts';
import type { Piece } from './put.ts';

/** Fields that belong to one connection and never cross it. `expect` is answered here; trailers are announced anew. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What only this gateway says. A client that sends them is not believed. */
const ownNames: ReadonlySet<string> = new Set([
  'forwarded',
  'traceparent',
  'x-request-id',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'x-forwarded',
  'x-original-url',
  'x-rewrite-url',
  'proxy',
  'host',
  'expect',
  'content-length',
]);

/** Fields that tell of the body that they follow; most others would change what was already decided (RFC 9110 section 6.5.1). */
const trailerNames: ReadonlySet<string> = new Set(['etag', 'server-timing', 'digest', 'content-digest', 'repr-digest', 'content-md5']);
/** Fields of a client's or an app's own. Those with these beginnings steer proxies and browsers. */
const ownTrailerPattern =
  /^(?:grpc-|x-(?!request-id$|real-ip$|forwarded|accel-|sendfile|original-|rewrite-|content-|frame-|xss-|http-))[a-z0-9-]+$/;

/** What the gateway knows about a request that it forwards. */
export interface ForwardFacts {
  /** The Host field as it came; kept. */
  readonly authority: string;
  readonly clientAddress: string;
  readonly scheme: 'http' | 'https';
  readonly requestId: Piece;
  /** Of the traceparent. */
  readonly traceId: Piece;
  readonly spanId: Piece;
  readonly traceFlags: number;
  /** The client's traceparent was valid: its tracestate goes with it. */
  readonly keepsTracestate: boolean;
  /** Bytes of the body, where they were announced. */
  readonly contentLength?: number | undefined;
  /** The signed tenant context; absent on a part of the platform. */
  readonly context?: string | undefined;
}

/** The names that a message's Connection fields take with them. */
function connectionNames(rawHeaders: readonly string[]): ReadonlySet<string> | undefined {
  let names: Set<string> | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length !== 10 || rawHeaders[i]?.toLowerCase() !== 'connection') continue;
    names ??= new Set();
    for (const name of rawHeaders[i + 1]?.split(',') ?? []) names.add(name.trim().toLowerCase());
  }
  // It tells where the body ends, and everybody has to know that (RFC 9110 section 7.6.1).
  names?.delete('content-length');
  return names;
}

/** Hot path. The head to send upstream, names and values in turn: what the client said, without what it may not say, and what we say. */
export function requestHeaders(rawHeaders: readonly string[], facts: ForwardFacts): string[] {
  const dropped = connectionNames(rawHeaders);
  const headers: string[] = ['host', facts.authority];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || ownNames.has(lower) || dropped?.has(lower)) continue;
    if (lower.startsWith('x-forwarded-') || lower.startsWith('burgage-')) continue;
    // A server that turns `-` into `_` could not tell `x_forwarded_for` from ours.
    if (lower.includes('_')) continue;
    if (lower === 'tracestate' && !facts.keepsTracestate) continue;
    headers.push(name, rawHeaders[i + 1] ?? '');
  }
  if (facts.contentLength !== undefined) headers.push('content-length', String(facts.contentLength));
  headers.push('x-request-id', String(facts.requestId), 'traceparent', traceparent(facts));
  headers.push('forwarded', forwarded(facts));
  headers.push('x-forwarded-for', facts.clientAddress, 'x-forwarded-proto', facts.scheme, 'x-forwarded-host', facts.authority);
  if (facts.context !== undefined) headers.push('burgage-context', facts.context);
  return headers;
}

/** As the engines write it. */
function traceparent({ traceId, spanId, traceFlags }: ForwardFacts): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;
}

function forwarded({ clientAddress, authority, scheme }: ForwardFacts): string {
  return `for=${forwardedNode(clientAddress)};host="${authority}";proto=${scheme}`;
}

/** An address as a node of Forwarded (RFC 7239 section 6). */
export function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address;
}

export interface ResponseFacts {
  readonly requestId: Piece;
  readonly status: number;
  /** Cookies for this domain or one above it are taken off; empty: none are. */
  readonly baseDomain: string;
}

/** The head to send to the client, and how many cookies were taken off. */
export function responseHeaders(rawHeaders: readonly string[], facts: ResponseFacts): { headers: string[]; cookiesDropped: number } {
  const dropped = connectionNames(rawHeaders);
  // These never have a body, and may not announce one (RFC 9110 section 8.6).
  const isBodiless = facts.status < 200 || facts.status === 204;
  const headers: string[] = [];
  let cookiesDropped = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || dropped?.has(lower)) continue;
    if (lower === 'x-request-id' || lower.startsWith('burgage-')) continue;
    if (isBodiless && lower === 'content-length') continue;
    if (lower === 'set-cookie' && facts.baseDomain !== '' && isShared(value, facts.baseDomain)) {
      cookiesDropped += 1;
      continue;
    }
    headers.push(name, value);
  }
  headers.push('X-Request-Id', String(facts.requestId));
  return { headers, cookiesDropped };
}

/** The head of a 101: as any other, with the two fields that make the upgrade. */
export function upgradeHeaders(
  rawHeaders: readonly string[],
  protocol: string,
  facts: ResponseFacts,
): { headers: string[]; cookiesDropped: number } {
  const { headers, cookiesDropped } = responseHeaders(rawHeaders, facts);
  return { headers: ['Connection', 'Upgrade', 'Upgrade', protocol, ...headers], cookiesDropped };
}

/** Of the trailers of a body those that may go on, in either direction: names and values. A proxy may drop any (RFC 9110 section 6.5). */
export function forwardedTrailers(rawTrailers: readonly string[]): [string, string][] {
  const trailers: [string, string][] = [];
  for (let i = 0; i < rawTrailers.length; i += 2) {
    const name = rawTrailers[i] ?? '';
    const lower = name.toLowerCase();
    if (trailerNames.has(lower) || ownTrailerPattern.test(lower)) trailers.push([name, rawTrailers[i + 1] ?? '']);
  }
  return trailers;
}

/** The value of the last field of that name, which is given in lower case. */
export function headerValue(rawHeaders: readonly string[], lowerName: string): string | undefined {
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    const name = rawHeaders[i];
    if (name?.length === lowerName.length && name.toLowerCase() === lowerName) return rawHeaders[i + 1];
  }
  return undefined;
}
