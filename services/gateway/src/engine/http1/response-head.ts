// Heads of answers from endpoints, as strict as those of requests: what is in doubt never reaches a client (RFC 9112).
import type { Limits } from '../../defaults.ts';
import { type Refusal, refuse } from '../../domain/refusal.ts';
import { isUpgradeList } from '../../domain/request-head.ts';
import { comma, cr, equals, isWord, lf, space, tab, valueBytes, zero } from './bytes.ts';
import { ConnectionOptions } from './connection-options.ts';
import { Fields, fieldIds, fieldsOpen, fieldsRefused } from './fields.ts';
import { contentLength, transferCoding } from './lengths.ts';
import type { HeadOutcome, ParsedRequest } from './request-head.ts';

export type ResponseHeadLimits = Pick<Limits, 'headBytesMax' | 'headerLinesMax'>;

/** What an answer has to be read with: HEAD has no body behind it, and only what was asked for may be changed to. */
export type AnsweredRequest = Pick<ParsedRequest, 'method' | 'upgrade'>;

type Phase = 'begin' | 'version' | 'status' | 'reason' | 'fields';

const versionStart = 'HTTP/1.';
/** Longer than any keep-alive; more digits say no more. */
const timeoutDigitsMax = 6;

/** One head of an answer after the other, each in place of the last; its `fields` stay as long as their bytes do. */
export class ParsedResponse {
  readonly fields: Fields = new Fields();
  readonly connection: ConnectionOptions = new ConnectionOptions();
  /** The place behind the head. */
  headEnd = 0;
  /** `upstream_failed`, with what was wrong. The connection is to be dropped. */
  refusal: Refusal | undefined;
  /** 100 to 999. Below 200 another head follows, but for 101, behind which the tunnel begins. */
  status = 0;
  httpVersion: '1.0' | '1.1' = '1.1';
  /** Where the reason phrase is; empty where it is not plain ASCII. */
  reasonStart = 0;
  reasonEnd = 0;
  /** `until-close`: to the end of the connection. */
  bodyKind: 'none' | 'length' | 'chunked' | 'until-close' = 'none';
  /** The bytes of a body of kind `length`; else 0. */
  bodyBytes = 0;
  /** The connection may carry another request once the body has been read. */
  keepAlive = false;
  /** How long the endpoint keeps the connection when it is idle (`Keep-Alive: timeout`), in milliseconds; undefined: it does not say. */
  keepAliveTimeoutMs: number | undefined;
  /** What a 101 changes to. */
  upgrade: string | undefined;

  // How far the head has been read. Places are those of the bytes that came last.
  phase: Phase = 'begin';
  start = 0;
  at = 0;

  /** Lets go of the bytes of a head, and forgets one that has not come to its end: the next call begins another. */
  reset(): void {
    this.phase = 'begin';
    this.fields.release();
  }
}

/**
 * Hot path. Reads the head that begins at `start`, and never a byte at or beyond `end`; to be called again as
 * `parseRequestHead` is.
 *
 * Status codes are three digits from 100 on: those above 599 mean nothing to HTTP, but leave no doubt about where the
 * answer ends, and nginx and HAProxy pass them on too. The space before an empty reason phrase may be missing, as it is
 * with many servers. A phrase with other bytes than printable ASCII is not passed on; NUL, a bare CR and a bare LF are
 * refused there as everywhere. All else is as strict as for requests: a length with a transfer coding, either of them
 * twice, any coding but chunked, any coding with HTTP/1.0, and a 101 that nobody asked for (RFC 9112 section 6.3).
 */
export function parseResponseHead(
  bytes: Buffer,
  start: number,
  end: number,
  limits: ResponseHeadLimits,
  request: AnsweredRequest,
  into: ParsedResponse,
): HeadOutcome {
  const bytesEnd = start + limits.headBytesMax;
  const stop = Math.min(end, bytesEnd);
  if (into.phase === 'begin') begin(into, start);
  else if (start !== into.start) move(into, start - into.start);

  if (into.phase === 'version') {
    const fault = readVersion(bytes, stop, into);
    if (fault !== undefined) return refused(into, fault);
  }
  if (into.phase === 'status') {
    const fault = readStatus(bytes, stop, into);
    if (fault !== undefined) return refused(into, fault);
  }
  if (into.phase === 'reason') {
    const fault = readReason(bytes, stop, into);
    if (fault !== undefined) return refused(into, fault);
  }
  if (into.phase === 'fields') {
    const at = into.fields.read(bytes, stop, limits.headerLinesMax);
    if (at === fieldsRefused) return refused(into, into.fields.fault);
    if (at !== fieldsOpen) {
      into.headEnd = at;
      into.phase = 'begin';
      return believe(into, request);
    }
  }
  if (stop === bytesEnd) return refused(into, `a head of more than ${limits.headBytesMax} bytes came`);
  return 'incomplete';
}

function begin(into: ParsedResponse, start: number): void {
  into.start = start;
  into.at = start;
  into.phase = 'version';
  into.refusal = undefined;
  into.status = 0;
  into.bodyKind = 'none';
  into.bodyBytes = 0;
  into.keepAlive = false;
  into.keepAliveTimeoutMs = undefined;
  into.upgrade = undefined;
  into.fields.begin(start);
  into.connection.reset();
}

function move(into: ParsedResponse, distance: number): void {
  into.start += distance;
  into.at += distance;
  into.reasonStart += distance;
  into.reasonEnd += distance;
  into.fields.move(distance);
}

/** `HTTP/1.1 ` or `HTTP/1.0 `, from the first byte on. */
function readVersion(bytes: Buffer, stop: number, into: ParsedResponse): string | undefined {
  const { start } = into;
  for (let i = 0; i < versionStart.length; i++) {
    if (start + i >= stop) return undefined;
    if (bytes[start + i] !== versionStart.charCodeAt(i)) return 'the answer is not HTTP/1.1 or HTTP/1.0';
  }
  const at = start + versionStart.length;
  if (at >= stop) return undefined;
  const minor = (bytes[at] as number) - zero;
  if (minor !== 0 && minor !== 1) return 'the answer is not HTTP/1.1 or HTTP/1.0';
  if (at + 1 >= stop) return undefined;
  if (bytes[at + 1] !== space) return 'the answer is not HTTP/1.1 or HTTP/1.0';
  into.httpVersion = minor === 0 ? '1.0' : '1.1';
  into.at = at + 2;
  into.phase = 'status';
  return undefined;
}

/** Three digits and what follows them: a space, or at once the end of the line. */
function readStatus(bytes: Buffer, stop: number, into: ParsedResponse): string | undefined {
  const start = into.at;
  let status = 0;
  for (let i = 0; i < 3; i++) {
    if (start + i >= stop) return undefined;
    const digit = (bytes[start + i] as number) - zero;
    if (digit < 0 || digit > 9 || (i === 0 && digit === 0)) return 'the status is not a number from 100 to 999';
    status = status * 10 + digit;
  }
  const at = start + 3;
  if (at >= stop) return undefined;
  if (bytes[at] !== space && bytes[at] !== cr) return 'the status is not a number from 100 to 999';
  into.status = status;
  into.at = bytes[at] === space ? at + 1 : at;
  into.reasonStart = into.at;
  into.phase = 'reason';
  return undefined;
}

function readReason(bytes: Buffer, stop: number, into: ParsedResponse): string | undefined {
  let { at } = into;
  while (at < stop && bytes[at] !== cr) {
    if (bytes[at] === lf) return 'a line ends with LF without CR';
    if (bytes[at] === 0) return 'a NUL came in the reason phrase';
    at++;
  }
  into.at = at;
  if (at + 1 >= stop) return undefined;
  if (bytes[at + 1] !== lf) return 'a CR came without LF';
  into.reasonEnd = isPlain(bytes, into.reasonStart, at) ? at : into.reasonStart;
  into.fields.begin(at + 2);
  into.phase = 'fields';
  return undefined;
}

/** True where all bytes may stand in any line and are ASCII. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte > 0x7f || valueBytes[byte] === 0) return false;
  }
  return true;
}

/** Hot path. What the lines say together. */
function believe(into: ParsedResponse, request: AnsweredRequest): HeadOutcome {
  const { fields, connection, status, httpVersion } = into;
  if (fields.has(fieldIds.connection)) connection.read(fields);
  if (fields.has(fieldIds.keepAlive)) into.keepAliveTimeoutMs = keepAliveTimeoutMs(fields, fields.last(fieldIds.keepAlive));
  into.keepAlive = !connection.close && (httpVersion === '1.1' || connection.keepAlive);

  const isCoded = fields.has(fieldIds.transferEncoding);
  const hasLength = fields.has(fieldIds.contentLength);
  if (fields.repeats(fieldIds.contentLength)) return refused(into, 'more than one Content-Length came');
  if (fields.repeats(fieldIds.transferEncoding)) return refused(into, 'more than one Transfer-Encoding came');
  let bytes = 0;
  if (isCoded) {
    if (httpVersion === '1.0') return refused(into, 'Transfer-Encoding came with HTTP/1.0');
    if (hasLength) return refused(into, 'Content-Length and Transfer-Encoding came together');
    if (transferCoding(fields, fields.last(fieldIds.transferEncoding)) !== 'chunked')
      return refused(into, 'a transfer coding other than chunked came');
  } else if (hasLength) {
    bytes = contentLength(fields, fields.last(fieldIds.contentLength));
    if (bytes < 0) return refused(into, 'the Content-Length is not a number');
  }
  if (status === 101) return believeUpgrade(into, request);
  if (request.method === 'HEAD' || status === 304) return 'complete';
  if (status < 200 || status === 204) {
    // What announces a body may send one, which the next answer would begin with.
    if (isCoded || bytes > 0) into.keepAlive = false;
    return 'complete';
  }
  if (isCoded) {
    into.bodyKind = 'chunked';
  } else if (!hasLength) {
    into.bodyKind = 'until-close';
    into.keepAlive = false;
  } else if (bytes > 0) {
    into.bodyKind = 'length';
    into.bodyBytes = bytes;
  }
  return 'complete';
}

/** A 101 names what it changes to, and that is among what was asked for (RFC 9110 section 7.8). */
function believeUpgrade(into: ParsedResponse, request: AnsweredRequest): HeadOutcome {
  const { fields, connection } = into;
  if (request.upgrade === undefined) return refused(into, 'the endpoint changed protocols though nobody asked for it');
  if (!fields.has(fieldIds.upgrade) || !connection.upgrade || into.httpVersion === '1.0')
    return refused(into, 'the endpoint changed protocols without naming one');
  const asked = protocolsOf(request.upgrade);
  const named = fields.list(fieldIds.upgrade).trim();
  if (!isUpgradeList(named) || !protocolsOf(named).every((protocol) => asked.includes(protocol)))
    return refused(into, 'the endpoint changed to a protocol that was not asked for');
  into.keepAlive = false;
  into.upgrade = named;
  return 'complete';
}

function protocolsOf(list: string): string[] {
  return list.split(',').map((protocol) => protocol.trim().toLowerCase());
}

/** Hot path. `timeout=5` among the parameters of a Keep-Alive field; many servers send one with every answer. */
function keepAliveTimeoutMs(fields: Fields, index: number): number | undefined {
  const { bytes } = fields;
  const end = fields.valueEnd(index);
  let at = fields.valueStart(index);
  while (at < end) {
    while (at < end && (bytes[at] === space || bytes[at] === tab || bytes[at] === comma)) at++;
    const nameStart = at;
    while (at < end && bytes[at] !== equals && bytes[at] !== comma) at++;
    if (bytes[at] === equals && at < end && isWord(bytes, nameStart, at, 'timeout')) {
      const digitsStart = ++at;
      let seconds = 0;
      while (at < end && (bytes[at] as number) >= zero && (bytes[at] as number) <= zero + 9)
        seconds = seconds * 10 + (bytes[at++] as number) - zero;
      const digits = at - digitsStart;
      const isWhole = at === end || bytes[at] === comma || bytes[at] === space || bytes[at] === tab;
      return digits > 0 && digits <= timeoutDigitsMax && isWhole ? seconds * 1_000 : undefined;
    }
    while (at < end && bytes[at] !== comma) at++;
  }
  return undefined;
}

function refused(into: ParsedResponse, detail: string): HeadOutcome {
  into.refusal = refuse('upstream_failed', { detail });
  into.phase = 'begin';
  return 'refused';
}
