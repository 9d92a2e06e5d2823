// Heads written anew as bytes: what domain/forward-headers.ts says in strings, from the places of a head that was read.
import { STATUS_CODES } from 'node:http';
import { isShared } from '../../domain/cookies.ts';
import type { Peer } from '../../domain/exchange.ts';
import { type ForwardFacts, forwardedNode } from '../../domain/forward-headers.ts';
import { Piece, putPiece, putRange, putText } from '../../domain/put.ts';
import { cr, hyphen, isWord, space } from './bytes.ts';
import { type FieldId, type Fields, fieldIds } from './fields.ts';
import type { HeadBuffer } from './head-buffer.ts';
import type { ParsedRequest } from './request-head.ts';
import type { ParsedResponse } from './response-head.ts';

/** So many clients are remembered of either scheme: those who come again, or by way of the same balancer, cost nothing new. */
const clientsMax = 1024;
const clients: Record<Peer['scheme'], Map<string, ClientLines>> = { http: new Map(), https: new Map() };
/** Most open several connections at once: to compare with the last one costs less than to look for it. */
const latest: Record<Peer['scheme'], ClientLines | undefined> = { http: undefined, https: undefined };

/** What is said of a client with each of its requests, as bytes. */
export class ClientLines {
  readonly address: string;
  /** From the end of the traceparent to the authority in Forwarded. */
  readonly beforeAuthority: Piece;
  /** From there to the authority in X-Forwarded-Host. */
  readonly betweenAuthorities: Piece;

  static of(peer: Pick<Peer, 'address' | 'scheme'>): ClientLines {
    const { address, scheme } = peer;
    const last = latest[scheme];
    if (last?.address === address) return last;
    const known = clients[scheme];
    let lines = known.get(address);
    if (lines === undefined) {
      lines = new ClientLines(peer);
      if (known.size === clientsMax) known.clear();
      known.set(address, lines);
    }
    latest[scheme] = lines;
    return lines;
  }

  private constructor({ address, scheme }: Pick<Peer, 'address' | 'scheme'>) {
    const before = `\r\nforwarded: for=${forwardedNode(address)};host="`;
    const between = `";proto=${scheme}\r\nx-forwarded-for: ${address}\r\nx-forwarded-proto: ${scheme}\r\nx-forwarded-host: `;
    const both = Piece.of(before + between, true);
    this.address = address;
    this.beforeAuthority = both.part(0, before.length);
    this.betweenAuthorities = both.part(before.length, both.length);
  }
}

/** What the gateway decides about one answer. */
export interface ResponseLines {
  readonly requestId: Piece;
  /** Cookies for this domain or one above it are taken off; empty: none are. */
  readonly baseDomain: string;
  readonly clientVersion: '1.0' | '1.1';
  /** The client's connection stays open behind the answer. */
  readonly keepAlive: boolean;
  /** The body goes out chunked; else as its Content-Length says, or up to the end of the connection. */
  readonly isChunked: boolean;
  /** The time as HTTP writes it, for an answer that has none (RFC 9110 section 6.6.1). */
  readonly date: () => string;
}

/** What becomes of a line, by the id of its name. */
const copied = 0;
const dropped = 1;
const droppedIfShared = 2;
const ofConnection = [
  fieldIds.connection,
  fieldIds.keepAlive,
  fieldIds.proxyConnection,
  fieldIds.proxyAuthenticate,
  fieldIds.proxyAuthorization,
  fieldIds.te,
  fieldIds.trailer,
  fieldIds.transferEncoding,
  fieldIds.upgrade,
];
const ofGateway = [
  fieldIds.forwarded,
  fieldIds.traceparent,
  fieldIds.xRequestId,
  fieldIds.xRealIp,
  fieldIds.xClientIp,
  fieldIds.trueClientIp,
  fieldIds.xForwarded,
  fieldIds.xOriginalUrl,
  fieldIds.xRewriteUrl,
  fieldIds.proxy,
  fieldIds.host,
  fieldIds.expect,
  fieldIds.contentLength,
  fieldIds.xForwardedAny,
  fieldIds.burgageAny,
  fieldIds.underscored,
];
const tracedRequest = fates([...ofConnection, ...ofGateway]);
const untracedRequest = fates([...ofConnection, ...ofGateway, fieldIds.tracestate]);
const response = fates([...ofConnection, fieldIds.xRequestId, fieldIds.burgageAny]);
const responseWithoutLength = fates([...ofConnection, fieldIds.xRequestId, fieldIds.burgageAny, fieldIds.contentLength]);

function fates(drops: readonly FieldId[]): Uint8Array {
  const table = new Uint8Array(Object.keys(fieldIds).length).fill(copied);
  table[fieldIds.setCookie] = droppedIfShared;
  for (const id of drops) table[id] = dropped;
  return table;
}

const lineEnd = Piece.of('\r\n');
const headEnd = Piece.of('\r\n\r\n');
const separator = Piece.of(': ');
const versionAndHost = Piece.of(' HTTP/1.1\r\nhost: ');
const contentLengthName = Piece.of('content-length: ');
const chunkedLine = Piece.of('transfer-encoding: chunked\r\n');
const upgradeLines = Piece.of('connection: upgrade\r\nupgrade: ');
const requestIdName = Piece.of('x-request-id: ');
const traceparentName = Piece.of('\r\ntraceparent: 00-');
const traceparentBytes = 55;
const contextName = Piece.of('\r\nburgage-context: ');
const version = Piece.of('HTTP/1.1 ');
const closeLine = Piece.of('Connection: close\r\n');
const keepAliveLine = Piece.of('Connection: keep-alive\r\n');
const switchingLines = Piece.of('Connection: Upgrade\r\nUpgrade: ');
const answerChunkedLine = Piece.of('Transfer-Encoding: chunked\r\n');
const answerRequestIdName = Piece.of('X-Request-Id: ');
const dateName = Piece.of('Date: ');
const domainWord = 'domain';
/** Of a connection too, but in HTTP/1.1 it does no harm. */
const http2SettingsName = 'http2-settings';

/** The flags of a traceparent as it writes them. */
const flagDigits = Array.from({ length: 256 }, (_, flags) => flags.toString(16).padStart(2, '0'));
/** More than all that is written of constant names and numbers. */
const ownBytesMax = 512;

/**
 * Hot path. The head of a request for its endpoint: `requestHeaders` of domain/forward-headers.ts, how its body is
 * framed, and the upgrade where it may have one. Lines whose form is beyond doubt (a colon, one space, no blank at the
 * end) are copied as they stand, many at once; the others are put together anew.
 */
export function writeRequestHead(out: HeadBuffer, head: ParsedRequest, facts: ForwardFacts, client: ClientLines): void {
  const { fields, upgrade } = head;
  const { authority, context, requestId } = facts;
  out.reserve(
    linesBytesMax(fields, head.headEnd - head.lineStart) +
      3 * authority.length +
      client.beforeAuthority.length +
      client.betweenAuthorities.length +
      requestId.length +
      traceparentBytes +
      (upgrade === undefined ? 0 : upgrade.length) +
      (context === undefined ? 0 : context.length),
  );
  const { bytes: to, view } = out;
  let at = out.length;
  if (head.path === head.target) at = putRange(to, at, fields.bytes, head.lineStart, head.targetEnd);
  else at = putText(to, at, `${head.method} ${head.path}`);
  at = putPiece(view, at, versionAndHost);
  const authorityStart = at;
  at = putText(to, at, authority);
  const authorityEnd = at;
  at = putPiece(view, at, lineEnd);
  out.length = at;
  copyLines(out, fields, facts.keepsTracestate ? tracedRequest : untracedRequest, head.connection.names, '');
  at = out.length;
  if (head.bodyKind === 'chunked') {
    at = putPiece(view, at, chunkedLine);
  } else if (head.hasContentLength) {
    at = putPiece(view, at, contentLengthName);
    at = putText(to, at, String(head.bodyBytes));
    at = putPiece(view, at, lineEnd);
  }
  if (upgrade !== undefined) {
    at = putPiece(view, at, upgradeLines);
    at = putText(to, at, upgrade);
    at = putPiece(view, at, lineEnd);
  }
  at = putPiece(view, at, requestIdName);
  at = putPiece(view, at, requestId);
  at = putPiece(view, at, traceparentName);
  at = putPiece(view, at, facts.traceId);
  to[at++] = hyphen;
  at = putPiece(view, at, facts.spanId);
  to[at++] = hyphen;
  at = putText(to, at, flagDigits[facts.traceFlags & 0xff] as string);
  at = putPiece(view, at, client.beforeAuthority);
  at = putRange(to, at, to, authorityStart, authorityEnd);
  at = putPiece(view, at, client.betweenAuthorities);
  at = putRange(to, at, to, authorityStart, authorityEnd);
  if (context !== undefined) {
    at = putPiece(view, at, contextName);
    at = putText(to, at, context);
  }
  out.length = putPiece(view, at, headEnd);
}

/**
 * Hot path. The head of an answer for its client: `responseHeaders` (for a 101 `upgradeHeaders`) of
 * domain/forward-headers.ts, behind what the client's connection needs to hear. Always HTTP/1.1, as our own version is
 * (RFC 9112 section 2.3). Answers with the number of cookies that were taken off.
 */
export function writeResponseHead(out: HeadBuffer, head: ParsedResponse, lines: ResponseLines): number {
  const { fields, status, upgrade } = head;
  out.reserve(linesBytesMax(fields, head.headEnd - head.start) + (upgrade === undefined ? 0 : upgrade.length) + lines.requestId.length);
  const { bytes: to, view } = out;
  let at = putPiece(view, out.length, version);
  if (head.reasonEnd > head.reasonStart) at = putRange(to, at, fields.bytes, head.reasonStart - 4, head.reasonEnd);
  else at = putText(to, at, `${status} ${STATUS_CODES[status] ?? ''}`);
  at = putPiece(view, at, lineEnd);
  if (upgrade !== undefined) {
    at = putPiece(view, at, switchingLines);
    at = putText(to, at, upgrade);
    at = putPiece(view, at, lineEnd);
  } else if (status >= 200) {
    if (!lines.keepAlive) at = putPiece(view, at, closeLine);
    else if (lines.clientVersion === '1.0') at = putPiece(view, at, keepAliveLine);
    if (lines.isChunked) at = putPiece(view, at, answerChunkedLine);
  }
  const keepsLength = status >= 200 && status !== 204 && !lines.isChunked;
  out.length = at;
  const cookiesDropped = copyLines(out, fields, keepsLength ? response : responseWithoutLength, head.connection.names, lines.baseDomain);
  at = out.length;
  if (status >= 200 && !fields.has(fieldIds.date)) {
    at = putPiece(view, at, dateName);
    at = putText(to, at, lines.date());
    at = putPiece(view, at, lineEnd);
  }
  at = putPiece(view, at, answerRequestIdName);
  at = putPiece(view, at, lines.requestId);
  out.length = putPiece(view, at, headEnd);
  return cookiesDropped;
}

/** Takes the lines of a head one by one. */
export interface LineSink {
  field(fields: Fields, index: number): void;
  /** Characters up to 255. */
  text(name: string, value: string | Piece): void;
}

/** Hot path. The lines of an answer for a client of a version that writes heads otherwise. Answers as `writeResponseHead` does. */
export function takeResponseLines(head: ParsedResponse, { baseDomain, date, requestId }: ResponseLines, into: LineSink): number {
  const { fields, status, connection } = head;
  const { bytes } = fields;
  const fateOf = status >= 200 && status !== 204 ? response : responseWithoutLength;
  let cookiesDropped = 0;
  for (let i = 0; i < fields.count; i++) {
    const fate = fateOf[fields.id(i)];
    if (fate === dropped || connection.names?.has(fields.nameAt(i).toLowerCase())) continue;
    if (isWord(bytes, fields.nameStart(i), fields.nameEnd(i), http2SettingsName)) continue;
    if (fate === droppedIfShared && baseDomain !== '' && namesDomain(fields, i) && isShared(fields.valueAt(i), baseDomain)) {
      cookiesDropped += 1;
      continue;
    }
    into.field(fields, i);
  }
  if (status >= 200 && !fields.has(fieldIds.date)) into.text('date', date());
  into.text('x-request-id', requestId);
  return cookiesDropped;
}

/** What a head can become without what the gateway adds: each line may gain a space behind its colon. */
function linesBytesMax(fields: Fields, headBytes: number): number {
  return headBytes + fields.count + ownBytesMax;
}

/**
 * Hot path. The lines that go on, without those that Connection names and without cookies for `baseDomain` or above, if it
 * is not empty. Answers with how many of these there were. There has to be room.
 */
function copyLines(out: HeadBuffer, fields: Fields, fateOf: Uint8Array, names: Set<string> | undefined, baseDomain: string): number {
  const { bytes, count } = fields;
  const { bytes: to, view } = out;
  let at = out.length;
  let cookiesDropped = 0;
  // Lines that follow each other are copied in one piece.
  let pieceStart = 0;
  let pieceEnd = 0;
  for (let i = 0; i < count; i++) {
    const fate = fateOf[fields.id(i)];
    if (fate === dropped || names?.has(fields.nameAt(i).toLowerCase())) continue;
    if (fate === droppedIfShared && baseDomain !== '' && namesDomain(fields, i) && isShared(fields.valueAt(i), baseDomain)) {
      cookiesDropped += 1;
      continue;
    }
    const start = fields.nameStart(i);
    if (start !== pieceEnd) {
      at = putRange(to, at, bytes, pieceStart, pieceEnd);
      pieceStart = start;
    }
    if (isCopiable(fields, i)) {
      pieceEnd = fields.valueEnd(i) + 2;
      continue;
    }
    at = putRange(to, at, bytes, pieceStart, fields.nameEnd(i));
    at = putPiece(view, at, separator);
    at = putRange(to, at, bytes, fields.valueStart(i), fields.valueEnd(i));
    at = putPiece(view, at, lineEnd);
    pieceStart = 0;
    pieceEnd = 0;
  }
  out.length = putRange(to, at, bytes, pieceStart, pieceEnd);
  return cookiesDropped;
}

/** True where the line stands as it would be written: one space behind the colon, no blank behind the value. */
function isCopiable(fields: Fields, index: number): boolean {
  const { bytes } = fields;
  const nameEnd = fields.nameEnd(index);
  return fields.valueStart(index) === nameEnd + 2 && bytes[nameEnd + 1] === space && bytes[fields.valueEnd(index)] === cr;
}

/** Hot path. False where a cookie cannot have a Domain attribute: the word is nowhere in it. */
function namesDomain(fields: Fields, index: number): boolean {
  const { bytes } = fields;
  const last = fields.valueEnd(index) - domainWord.length;
  for (let start = fields.valueStart(index); start <= last; start++) {
    let i = 0;
    while (i < domainWord.length && ((bytes[start + i] as number) | 0x20) === domainWord.charCodeAt(i)) i++;
    if (i === domainWord.length) return true;
  }
  return false;
}
