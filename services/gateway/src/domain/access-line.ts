// One line of the access log for each request: JSON, put together byte by byte, for it is part of what every request costs.
import type { Exchange, Termination } from './exchange.ts';
import { put, putCount, putText, putThousandths } from './put.ts';

/** One line of the access log. Never a query, a cookie or a token: the path alone. */
export interface AccessRecord {
  readonly time: string;
  readonly requestId: string;
  readonly client: string;
  readonly scheme: 'http' | 'https';
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly tenant?: string;
  readonly upstream?: string;
  readonly endpoint?: string;
  readonly attempts?: number;
  readonly status: number;
  readonly code?: string;
  readonly detail?: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly firstByteMs?: number;
  readonly durationMs: number;
  readonly termination: Termination;
  readonly trace?: string;
  /** Where the log has a share of the ordinary requests only, and this is one of them: that share. */
  readonly sample?: number;
}

const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;
const tilde = 0x7e;
const question = 0x3f;
/** Of one character in JSON: an escape of six, or three in UTF-8. */
const bytesPerCharacterMax = 6;
/** Of a line without the texts that have no bound here: names of fields, numbers, time, ids, client, method, host. */
const ownBytesMax = 2_048;

const names = {
  time: ascii('{"time":"'),
  requestId: ascii('","requestId":"'),
  client: ascii('","client":"'),
  scheme: ascii('","scheme":"'),
  method: ascii('","method":'),
  host: ascii(',"host":"'),
  path: ascii('","path":'),
  tenant: ascii(',"tenant":'),
  upstream: ascii(',"upstream":'),
  endpoint: ascii(',"endpoint":'),
  attempts: ascii(',"attempts":'),
  status: ascii(',"status":'),
  code: ascii(',"code":"'),
  detail: ascii('","detail":'),
  detailAlone: ascii(',"detail":'),
  bytesIn: ascii(',"bytesIn":'),
  bytesOut: ascii(',"bytesOut":'),
  firstByteMs: ascii(',"firstByteMs":'),
  durationMs: ascii(',"durationMs":'),
  termination: ascii(',"termination":"'),
  trace: ascii('","trace":"'),
  sample: ascii('","sample":'),
} as const;

/** Where a line can be put. */
export interface LineRoom {
  readonly bytes: Buffer;
  /** Up to where they are used; whoever puts a line there moves it. */
  length: number;
}

/** The log, as requests see it. */
export interface AccessLines {
  /** Hot path. Room for one line of at most so many bytes; undefined where there is none, and that is counted. */
  room(bytesMax: number): LineRoom | undefined;
}

/** What a line of the log is about, beside the exchange. */
export interface LineFacts {
  readonly termination: Termination;
  /** ISO 8601. */
  readonly time: string;
  /** Monotonic, as the exchange's times are. */
  readonly nowMs: number;
  /** The share that the line stands for; 1 is not said. */
  readonly sample: number;
}

/** More bytes than the line of `exchange` can have. */
export function accessLineBytesMax({ read, tenant, meter, endpoint, detail }: Exchange): number {
  let characters = 0;
  if (read !== undefined) characters += read.path.length;
  if (tenant !== undefined) characters += (meter ?? tenant).tenantId.length + tenant.upstream.length;
  if (endpoint !== undefined) characters += endpoint.length;
  if (detail !== undefined) characters += detail.length;
  return ownBytesMax + bytesPerCharacterMax * characters;
}

/** Hot path. An `AccessRecord` as JSON, with a line end, put at a place with room for it; answers with the place behind. */
export function putAccessLine(to: Buffer, start: number, exchange: Exchange, { termination, time, nowMs, sample }: LineFacts): number {
  const { requestId, head, peer, read, tenant, meter, endpoint, code, detail, firstByteMs, traceId } = exchange;
  let at = putText(to, put(to, start, names.time), time);
  at = putText(to, put(to, at, names.requestId), requestId);
  at = putText(to, put(to, at, names.client), peer.address);
  at = putText(to, put(to, at, names.scheme), peer.scheme);
  at = putQuoted(to, put(to, at, names.method), head.method, head.method.length);
  at = put(to, at, names.host);
  if (read === undefined) at = putQuoted(to, put(to, at, names.path), '', 0);
  else {
    at = putText(to, at, read.host);
    at = putQuoted(to, put(to, at, names.path), read.path, pathLength(read.path));
  }
  if (tenant !== undefined) {
    // The meter has it as one text for all of its requests.
    const { tenantId } = meter ?? tenant;
    at = putQuoted(to, put(to, at, names.tenant), tenantId, tenantId.length);
    at = putQuoted(to, put(to, at, names.upstream), tenant.upstream, tenant.upstream.length);
  }
  if (endpoint !== undefined) {
    at = putQuoted(to, put(to, at, names.endpoint), endpoint, endpoint.length);
    at = putCount(to, put(to, at, names.attempts), exchange.attempts);
  }
  at = putCount(to, put(to, at, names.status), exchange.status);
  if (code !== undefined) {
    at = putText(to, put(to, at, names.code), code);
    if (detail === undefined) to[at++] = quote;
  }
  if (detail !== undefined) at = putQuoted(to, put(to, at, code === undefined ? names.detailAlone : names.detail), detail, detail.length);
  at = putCount(to, put(to, at, names.bytesIn), exchange.bytesIn);
  at = putCount(to, put(to, at, names.bytesOut), exchange.bytesOut);
  if (firstByteMs !== undefined) at = putThousandths(to, put(to, at, names.firstByteMs), firstByteMs - exchange.startedMs);
  at = putThousandths(to, put(to, at, names.durationMs), nowMs - exchange.startedMs);
  at = putText(to, put(to, at, names.termination), termination);
  if (traceId !== undefined) at = putText(to, put(to, at, names.trace), traceId);
  if (sample < 1) at = putText(to, put(to, at, names.sample), String(sample));
  else to[at++] = quote;
  return putText(to, at, '}\n');
}

/** The same as text; for what is not on the hot path. */
export function accessLine(exchange: Exchange, facts: LineFacts): string {
  const bytes = Buffer.allocUnsafe(accessLineBytesMax(exchange));
  return bytes.toString('utf8', 0, putAccessLine(bytes, 0, exchange, facts));
}

/** So many characters of `text` as a string of JSON. */
function putQuoted(to: Buffer, start: number, text: string, length: number): number {
  let at = start;
  to[at++] = quote;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < space || code > tilde || code === quote || code === backslash)
      return start + to.write(JSON.stringify(length === text.length ? text : text.slice(0, length)), start);
    to[at++] = code;
  }
  to[at++] = quote;
  return at;
}

function pathLength(path: string): number {
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) === question) return i;
  return path.length;
}

function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** Gives moments as ISO 8601 with milliseconds; hot path: what is the same as before is not made anew. */
export function createTimeText(): (now: Date) => string {
  let second = Number.NaN;
  let upToSecond = '';
  let moment = Number.NaN;
  let text = '';
  return (now) => {
    const ms = now.getTime();
    if (ms === moment) return text;
    const thisSecond = Math.floor(ms / 1_000);
    if (thisSecond !== second) {
      second = thisSecond;
      upToSecond = now.toISOString().slice(0, -4);
    }
    moment = ms;
    text = `${upToSecond}${String(ms - thisSecond * 1_000).padStart(3, '0')}Z`;
    return text;
  };
}
