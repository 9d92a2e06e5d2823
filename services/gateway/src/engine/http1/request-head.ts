// Request heads from bytes: the rules of domain/request-head.ts and those that node:http's parser keeps to itself (RFC 9112).
import type { Limits } from '../../defaults.ts';
import { type Refusal, refuse } from '../../domain/refusal.ts';
import {
  addressOf,
  type Head,
  hostOf,
  isTunnelProtocol,
  isUpgradeList,
  type ReadHead,
  type RequestHead,
} from '../../domain/request-head.ts';
import { cr, isText, isWord, lf, slash, space, targetBytes, tokenBytes, zero } from './bytes.ts';
import { ConnectionOptions } from './connection-options.ts';
import { Fields, fieldIds, fieldsOpen, fieldsRefused } from './fields.ts';
import { contentLength, transferCoding } from './lengths.ts';
import { beginsMethod, methodBytesMax, methodOf } from './methods.ts';
import { isPlainHost } from './plain-host.ts';

export type RequestHeadLimits = Pick<Limits, 'headBytesMax' | 'headerLinesMax' | 'targetBytesMax'>;

/** `complete`: `headEnd` and all else is set · `incomplete`: call again with more · `refused`: `refusal` is set. */
export type HeadOutcome = 'complete' | 'incomplete' | 'refused';

/** Where the reader stopped: `begin` before a head. */
type Phase = 'begin' | 'method' | 'target' | 'version' | 'fields';

const versionStart = 'HTTP/1.';
/** A constant of this module: it would look an imported one up for each byte. */
const inTarget = targetBytes;
const noBody = { kind: 'none' } as const;
const chunkedBody = { kind: 'chunked' } as const;
const methodFault = 'the method is not one that is known';

/** What nearly all heads are shorter than; memory for longer ones is for these alone. */
const usualBytes = 1024;
const noBytes: Buffer = Buffer.alloc(0);

/**
 * One request head after the other, each in place of the last. Until the next is begun its strings stay; its `fields`
 * stay as long as their bytes do, or after `keep`, too.
 */
export class ParsedRequest implements Head {
  readonly fields: Fields = new Fields();
  readonly connection: ConnectionOptions = new ConnectionOptions();
  /** The place behind the head: of the body, or of the next head. */
  headEnd = 0;
  refusal: Refusal | undefined;
  /** Of a refused head: what was read of it before it was refused. */
  method = '';
  target = '';
  httpVersion: '1.0' | '1.1' = '1.1';
  /** The client takes further answers on its connection. */
  keepAlive = false;
  /** The Host field as it came. */
  authority = '';
  /** The same, normalised. */
  host = '';
  /** Path and query, beginning with `/`. */
  path = '';
  bodyKind: 'none' | 'length' | 'chunked' = 'none';
  /** The bytes of a body of kind `length`; else 0. */
  bodyBytes = 0;
  /** A Content-Length came; it may be 0. */
  hasContentLength = false;
  /** The protocols that the client wants to change to. */
  upgrade: string | undefined;
  expectsContinue = false;

  /** The last Host field that was valid, and what it named; empty: there was none. */
  lastAuthority = '';
  lastHost = '';

  // How far the head has been read. Places are those of the bytes that came last.
  phase: Phase = 'begin';
  start = 0;
  at = 0;
  /** Where the request line begins: behind an empty line, if one came. */
  lineStart = 0;
  targetStart = 0;
  targetEnd = 0;
  /** What `keep` copies to. */
  #memory: Buffer = noBytes;

  /** Lets go of the bytes of a head, and forgets one that has not come to its end: the next call begins another. */
  reset(): void {
    this.phase = 'begin';
    this.fields.release();
    if (this.#memory.length > usualBytes) this.#memory = noBytes;
  }

  /**
   * Hot path. Copies a head that is complete, whose bytes may be another's afterwards. The memory is its own: that which small
   * buffers share would be kept by a request that waits.
   */
  keep(): void {
    const { start, headEnd, fields } = this;
    const length = headEnd - start;
    if (length > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(Math.max(length, usualBytes));
    fields.bytes.copy(this.#memory, 0, start, headEnd);
    fields.bytes = this.#memory;
    this.headEnd = length;
    if (start > 0) move(this, -start);
  }

  /** The value of the last field of that name, which is given in lower case. */
  field(lowerName: string): string | undefined {
    return this.fields.named(lowerName);
  }

  /** Hot path. What the rest of the gateway goes by; for a head that is complete. */
  readHead(): ReadHead {
    const { authority, host, path, bodyKind, bodyBytes, upgrade, expectsContinue } = this;
    const body = bodyKind === 'length' ? { kind: bodyKind, bytes: bodyBytes } : bodyKind === 'none' ? noBody : chunkedBody;
    return { authority, host, path, body, upgrade, expectsContinue };
  }

  /** The head in strings, as far as it was read; for what is not on the hot path. */
  requestHead(): RequestHead {
    const { method, target, httpVersion, fields } = this;
    return { method, target, httpVersion, rawHeaders: fields.rawHeaders() };
  }
}

/**
 * Hot path. Reads the head that begins at `start`, and never a byte at or beyond `end`. After `incomplete` it is called
 * again for the same head, with all of its bytes so far and more, in this buffer or another; it goes on where it
 * stopped. After `complete` and `refused` the next call begins a new head.
 *
 * What it refuses it refuses with the first byte that shows it, limits too: the head is never longer than
 * `headBytesMax` (431), nor its target than `targetBytesMax` (414), nor its lines more than `headerLinesMax` (431).
 * Everything else is 400, or 501 for a transfer coding that is not known, and closes the connection. One empty line
 * before the request line is skipped (RFC 9112 section 2.2).
 */
export function parseRequestHead(bytes: Buffer, start: number, end: number, limits: RequestHeadLimits, into: ParsedRequest): HeadOutcome {
  const bytesEnd = start + limits.headBytesMax;
  const stop = Math.min(end, bytesEnd);
  if (into.phase === 'begin') beginRequestHead(into, start);
  else if (start !== into.start) move(into, start - into.start);

  if (into.phase === 'method') {
    const fault = readMethod(bytes, stop, into);
    if (fault !== undefined) return bad(into, fault);
  }
  if (into.phase === 'target') {
    const targetMax = into.targetStart + limits.targetBytesMax;
    const targetStop = targetMax < stop ? targetMax + 1 : stop;
    let at = into.at;
    while (at < targetStop && inTarget[bytes[at] as number] !== 0) at++;
    into.at = at;
    if (at > targetMax) return refused(into, closing('target_too_long', `a target of more than ${limits.targetBytesMax} bytes came`));
    if (at < stop) {
      if (bytes[at] !== space) return bad(into, targetFault(bytes[at] as number));
      if (at === into.targetStart) return bad(into, 'a request line has not one space between its parts');
      into.targetEnd = at;
      into.target = bytes.toString('latin1', into.targetStart, at);
      into.at = at + 1;
      into.phase = 'version';
    }
  }
  if (into.phase === 'version') {
    const fault = readVersion(bytes, stop, into);
    if (fault !== undefined) return bad(into, fault);
  }
  if (into.phase === 'fields') {
    const at = into.fields.read(bytes, stop, limits.headerLinesMax);
    if (at === fieldsRefused) return refused(into, closing(into.fields.hasTooMany ? 'head_too_large' : 'bad_request', into.fields.fault));
    if (at !== fieldsOpen) {
      into.headEnd = at;
      into.phase = 'begin';
      return believe(into);
    }
  }
  if (stop === bytesEnd) return refused(into, closing('head_too_large', `a head of more than ${limits.headBytesMax} bytes came`));
  return 'incomplete';
}

/** Makes it empty, for the head that begins at that place. */
export function beginRequestHead(into: ParsedRequest, start: number): void {
  into.start = start;
  into.at = start;
  into.lineStart = start;
  into.phase = 'method';
  into.refusal = undefined;
  into.method = '';
  into.target = '';
  into.httpVersion = '1.1';
  into.keepAlive = false;
  into.authority = '';
  into.host = '';
  into.path = '';
  into.bodyKind = 'none';
  into.bodyBytes = 0;
  into.hasContentLength = false;
  into.upgrade = undefined;
  into.expectsContinue = false;
  into.fields.begin(start);
  into.connection.reset();
}

function move(into: ParsedRequest, distance: number): void {
  into.start += distance;
  into.at += distance;
  into.lineStart += distance;
  into.targetStart += distance;
  into.targetEnd += distance;
  into.fields.move(distance);
}

/** The method and the space behind it, from their first byte on: they are few. */
function readMethod(bytes: Buffer, stop: number, into: ParsedRequest): string | undefined {
  let start = into.lineStart;
  if (start < stop && start === into.start && bytes[start] === cr) {
    if (start + 1 === stop) return undefined;
    if (bytes[start + 1] !== lf) return 'a CR came without LF';
    start += 2;
    into.lineStart = start;
  }
  let at = start;
  while (at < stop && tokenBytes[bytes[at] as number] !== 0 && at <= start + methodBytesMax) at++;
  if (at === stop) return beginsMethod(bytes, start, at) ? undefined : methodFault;
  const method = bytes[at] === space ? methodOf(bytes, start, at) : undefined;
  if (method === undefined) return methodFault;
  into.method = method;
  if (method === 'TRACE' || method === 'CONNECT') return `${method} is not served`;
  into.targetStart = at + 1;
  into.at = at + 1;
  into.phase = 'target';
  return undefined;
}

/** `HTTP/1.1` or `HTTP/1.0` and CRLF, from their first byte on. */
function readVersion(bytes: Buffer, stop: number, into: ParsedRequest): string | undefined {
  const start = into.at;
  for (let i = 0; i < versionStart.length; i++) {
    if (start + i === stop) return undefined;
    if (bytes[start + i] !== versionStart.charCodeAt(i)) {
      return bytes[start + i] === space ? 'a request line has not one space between its parts' : 'the version is not HTTP/1.1 or HTTP/1.0';
    }
  }
  const at = start + versionStart.length;
  if (at >= stop) return undefined;
  const minor = (bytes[at] as number) - zero;
  if (minor !== 0 && minor !== 1) return 'the version is not HTTP/1.1 or HTTP/1.0';
  if (at + 1 >= stop) return undefined;
  if (bytes[at + 1] !== cr) {
    if (bytes[at + 1] === lf) return 'a line ends with LF without CR';
    return bytes[at + 1] === space ? 'a blank came behind the version' : 'the version is not HTTP/1.1 or HTTP/1.0';
  }
  if (at + 2 >= stop) return undefined;
  if (bytes[at + 2] !== lf) return 'a CR came without LF';
  into.httpVersion = minor === 0 ? '1.0' : '1.1';
  into.at = at + 3;
  into.fields.begin(at + 3);
  into.phase = 'fields';
  return undefined;
}

/** Hot path. What the lines say together. */
function believe(into: ParsedRequest): HeadOutcome {
  const { fields, connection, httpVersion } = into;
  if (fields.has(fieldIds.connection)) connection.read(fields);
  into.keepAlive = !connection.close && (httpVersion === '1.1' || connection.keepAlive);
  if (fields.repeats(fieldIds.host)) return bad(into, 'more than one Host came');
  if (fields.has(fieldIds.transferEncoding) || fields.has(fieldIds.contentLength)) {
    const refusal = believeFraming(into);
    if (refusal !== undefined) return refused(into, refusal);
  }
  if (fields.has(fieldIds.expect)) {
    const expect = fields.last(fieldIds.expect);
    if (fields.repeats(fieldIds.expect) || !isWord(fields.bytes, fields.valueStart(expect), fields.valueEnd(expect), '100-continue'))
      return bad(into, 'an expectation other than 100-continue came');
    into.expectsContinue = httpVersion === '1.1';
  }
  if (!fields.has(fieldIds.host)) return bad(into, 'no Host came');
  const refusal = into.target.charCodeAt(0) === slash ? believeHost(into) : believeAddress(into);
  if (refusal !== undefined) return refused(into, refusal);
  return connection.upgrade && fields.has(fieldIds.upgrade) ? believeUpgrade(into) : 'complete';
}

function believeFraming(into: ParsedRequest): Refusal | undefined {
  const { fields } = into;
  const hasLength = fields.has(fieldIds.contentLength);
  if (fields.repeats(fieldIds.contentLength)) return closing('bad_request', 'more than one Content-Length came');
  if (fields.has(fieldIds.transferEncoding)) {
    if (fields.repeats(fieldIds.transferEncoding)) return closing('bad_request', 'more than one Transfer-Encoding came');
    if (into.httpVersion === '1.0') return closing('bad_request', 'Transfer-Encoding came with HTTP/1.0');
    if (hasLength) return closing('bad_request', 'Content-Length and Transfer-Encoding came together');
    const kind = transferCoding(fields, fields.last(fieldIds.transferEncoding));
    if (kind === 'malformed') return closing('bad_request', 'chunked is not the last transfer coding, or came twice');
    if (kind === 'unknown') return closing('transfer_coding_unknown', 'a transfer coding other than chunked came');
    into.bodyKind = 'chunked';
    return undefined;
  }
  const bytes = contentLength(fields, fields.last(fieldIds.contentLength));
  if (bytes < 0) return closing('bad_request', 'the Content-Length is not a number');
  into.hasContentLength = true;
  into.bodyBytes = bytes;
  if (bytes > 0) into.bodyKind = 'length';
  return undefined;
}

/** Hot path. The Host field where the target is a path. Most clients say the same one again. */
function believeHost(into: ParsedRequest): Refusal | undefined {
  const { bytes } = into.fields;
  const index = into.fields.last(fieldIds.host);
  const start = into.fields.valueStart(index);
  const end = into.fields.valueEnd(index);
  if (into.lastAuthority === '' || !isText(bytes, start, end, into.lastAuthority)) {
    const authority = bytes.toString('latin1', start, end);
    if (isPlainHost(bytes, start, end)) {
      into.lastHost = authority;
    } else {
      const host = hostOf(authority);
      if (!host.ok) return host.error;
      into.lastHost = host.value;
    }
    into.lastAuthority = authority;
  }
  into.authority = into.lastAuthority;
  into.host = into.lastHost;
  into.path = into.target;
  return undefined;
}

function believeAddress(into: ParsedRequest): Refusal | undefined {
  const authority = into.fields.valueAt(into.fields.last(fieldIds.host));
  const address = addressOf(into.target, authority);
  if (!address.ok) return address.error;
  into.authority = authority;
  into.host = address.value.host;
  into.path = address.value.path;
  return undefined;
}

function believeUpgrade(into: ParsedRequest): HeadOutcome {
  const protocols = into.fields.list(fieldIds.upgrade).trim();
  if (!isUpgradeList(protocols)) return bad(into, 'the Upgrade field is not a list of protocols');
  if (isTunnelProtocol(protocols) && into.method === 'GET' && into.bodyKind === 'none' && into.httpVersion === '1.1')
    into.upgrade = protocols;
  return 'complete';
}

function targetFault(byte: number): string {
  return byte === cr || byte === lf ? 'the request line has no version' : 'the target has a character that an address never has';
}

function bad(into: ParsedRequest, detail: string): HeadOutcome {
  return refused(into, closing('bad_request', detail));
}

function closing(code: Refusal['code'], detail: string): Refusal {
  return refuse(code, { detail, close: true });
}

function refused(into: ParsedRequest, refusal: Refusal): HeadOutcome {
  into.refusal = refusal;
  into.phase = 'begin';
  return 'refused';
}
