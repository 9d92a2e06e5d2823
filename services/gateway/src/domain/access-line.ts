// One line of the access log for each request: JSON, put together byte by byte, for it is part of what every request costs.
import type { Clock } from '@burgage/runtime';
import type { EndpointState } from './endpoint-set.ts';
import type { Exchange, Termination } from './exchange.ts';
import { Piece, plainInJson, putCount, putPiece, putText, putThousandths, viewOf } from './put.ts';
import type { ServedTenant } from './route-table.ts';

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
const question = 0x3f;
const zero = 0x30;
// A constant of this module, for `putQuoted`: it would look an imported one up for each character.
const isPlain = plainInJson;
/** Of one character in JSON: an escape of six, or three in UTF-8. */
const bytesPerCharacterMax = 6;
/** Of a line without the texts that have no bound here: names of fields, numbers, time, ids, client, method, host. */
const ownBytesMax = 2_048;

const names = {
  client: Piece.of('","client":"'),
  http: Piece.of('","scheme":"http","method":'),
  https: Piece.of('","scheme":"https","method":'),
  host: Piece.of(',"host":"'),
  path: Piece.of('","path":'),
  tenant: Piece.of(',"tenant":'),
  upstream: Piece.of(',"upstream":'),
  status: Piece.of(',"status":'),
  code: Piece.of(',"code":"'),
  detail: Piece.of('","detail":'),
  detailAlone: Piece.of(',"detail":'),
  bytesIn: Piece.of(',"bytesIn":'),
  bytesOut: Piece.of(',"bytesOut":'),
  firstByteMs: Piece.of(',"firstByteMs":'),
  durationMs: Piece.of(',"durationMs":'),
  trace: Piece.of(',"trace":"'),
  sample: Piece.of(',"sample":'),
  end: Piece.of('}\n'),
} as const;

const terminations: Readonly<Record<Termination, Piece>> = {
  completed: terminated('completed'),
  refused: terminated('refused'),
  client_gone: terminated('client_gone'),
  client_timeout: terminated('client_timeout'),
  upstream_failed: terminated('upstream_failed'),
  upstream_timeout: terminated('upstream_timeout'),
  tunnel_closed: terminated('tunnel_closed'),
  tunnel_idle: terminated('tunnel_idle'),
  cut: terminated('cut'),
};

function terminated(termination: Termination): Piece {
  return Piece.of(`,"termination":"${termination}"`);
}

/** Where a line can be put. */
export interface LineRoom {
  readonly bytes: Buffer;
  /** The same memory. */
  readonly view: DataView;
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
  /** The beginning of the line, up to the request id. */
  readonly time: Piece;
  /** Monotonic, as the exchange's times are. */
  readonly nowMs: number;
  /** The share that the line stands for; 1 is not said. */
  readonly sample: number;
}

/** More bytes than the line of `exchange` can have. */
export function accessLineBytesMax({ read, tenant, endpoint, detail }: Exchange): number {
  let characters = 0;
  if (read !== undefined) characters += read.path.length;
  if (tenant !== undefined) characters += tenant.tenantIdLength + tenant.upstream.length;
  if (endpoint !== undefined) characters += endpoint.address.length;
  if (detail !== undefined) characters += detail.length;
  return ownBytesMax + bytesPerCharacterMax * characters;
}

/** Hot path. Puts an `AccessRecord` there as JSON, with a line end. */
export function putAccessLine(room: LineRoom, exchange: Exchange, { termination, time, nowMs, sample }: LineFacts): void {
  const { bytes: to, view } = room;
  const { id, head, peer, read, tenant, endpoint, code, detail, firstByteMs, traceId } = exchange;
  let at = putPiece(view, putPiece(view, room.length, time), id);
  at = putText(to, putPiece(view, at, names.client), peer.address);
  at = putPiece(view, at, peer.scheme === 'http' ? names.http : names.https);
  at = putQuoted(to, at, head.method, head.method.length);
  at = putPiece(view, at, names.host);
  if (read === undefined) at = putQuoted(to, putPiece(view, at, names.path), '', 0);
  else {
    at = putText(to, at, read.host);
    at = putQuoted(to, putPiece(view, at, names.path), read.path, pathLength(read.path));
  }
  if (tenant !== undefined) {
    at = putTenantId(to, putPiece(view, at, names.tenant), tenant);
    if (endpoint === undefined) at = putQuoted(to, putPiece(view, at, names.upstream), tenant.upstream, tenant.upstream.length);
    else {
      endpoint.logged ??= endpointPiece(tenant.upstream, endpoint);
      at = putCount(to, putPiece(view, at, endpoint.logged), exchange.attempts);
    }
  }
  at = putCount(to, putPiece(view, at, names.status), exchange.status);
  if (code !== undefined) {
    at = putText(to, putPiece(view, at, names.code), code);
    if (detail === undefined) to[at++] = quote;
  }
  if (detail !== undefined)
    at = putQuoted(to, putPiece(view, at, code === undefined ? names.detailAlone : names.detail), detail, detail.length);
  at = putCount(to, putPiece(view, at, names.bytesIn), exchange.bytesIn);
  at = putCount(to, putPiece(view, at, names.bytesOut), exchange.bytesOut);
  if (firstByteMs !== undefined) at = putThousandths(to, putPiece(view, at, names.firstByteMs), firstByteMs - exchange.startedMs);
  at = putThousandths(to, putPiece(view, at, names.durationMs), nowMs - exchange.startedMs);
  at = putPiece(view, at, terminations[termination]);
  if (traceId !== undefined) {
    at = putPiece(view, putPiece(view, at, names.trace), traceId);
    to[at++] = quote;
  }
  if (sample < 1) at = putText(to, putPiece(view, at, names.sample), String(sample));
  room.length = putPiece(view, at, names.end);
}

/** An endpoint belongs to one upstream for as long as it lives. */
function endpointPiece(upstream: string, { address }: EndpointState): Piece {
  const line = `,"upstream":${JSON.stringify(upstream)},"endpoint":${JSON.stringify(address)},"attempts":`;
  const escaped = line.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return Piece.of(escaped, true);
}

/** The same as text; for what is not on the hot path. */
export function accessLine(exchange: Exchange, facts: LineFacts): string {
  const bytes = Buffer.allocUnsafe(accessLineBytesMax(exchange));
  const room = { bytes, view: viewOf(bytes), length: 0 };
  putAccessLine(room, exchange, facts);
  return bytes.toString('utf8', 0, room.length);
}

function putTenantId(to: Buffer, at: number, tenant: ServedTenant): number {
  to[at] = quote;
  const end = tenant.putTenantId(to, at + 1);
  if (end < 0) return putQuoted(to, at, tenant.tenantId, tenant.tenantId.length);
  to[end] = quote;
  return end + 1;
}

/** So many characters of `text` as a string of JSON. */
function putQuoted(to: Buffer, start: number, text: string, length: number): number {
  let at = start;
  to[at++] = quote;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (isPlain[code] !== 1) return start + to.write(JSON.stringify(length === text.length ? text : text.slice(0, length)), start);
    to[at++] = code;
  }
  to[at++] = quote;
  return at;
}

function pathLength(path: string): number {
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) === question) return i;
  return path.length;
}

/** A time is this exact, in milliseconds: nobody needs more, and asking for it costs. */
const timeStepMs = 0.5;

/** The beginnings of lines, with the time as ISO 8601; hot path: what is the same as before is not made anew. */
export class LineTimes {
  readonly #clock: Pick<Clock, 'now'>;
  #second = Number.NaN;
  #ms = Number.NaN;
  #askedMs = Number.NEGATIVE_INFINITY;
  #beginning: Piece = lineBeginning('');
  /** Where the milliseconds are within it. */
  #msAt = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Now, which is `nowMs` by the monotonic clock. What it gives is the same piece again and again, with other bytes. */
  at(nowMs: number): Piece {
    if (nowMs - this.#askedMs < timeStepMs) return this.#beginning;
    this.#askedMs = nowMs;
    const now = this.#clock.now();
    const time = now.getTime();
    const second = Math.floor(time / 1_000);
    const ms = time - second * 1_000;
    if (second !== this.#second) this.#begin(now, second);
    else if (ms !== this.#ms) this.#putMs(ms);
    this.#ms = ms;
    return this.#beginning;
  }

  #begin(now: Date, second: number): void {
    const text = now.toISOString();
    this.#second = second;
    this.#beginning = lineBeginning(text);
    this.#msAt = beforeTime.length + text.length - '000Z'.length;
  }

  #putMs(ms: number): void {
    const { view, at } = this.#beginning;
    const place = at + this.#msAt;
    view.setUint8(place, zero + Math.floor(ms / 100));
    view.setUint8(place + 1, zero + (Math.floor(ms / 10) % 10));
    view.setUint8(place + 2, zero + (ms % 10));
  }
}

const beforeTime = '{"time":"';

/** Of a line of that time. */
export function lineBeginning(time: string): Piece {
  return Piece.of(`${beforeTime}${time}","requestId":"`);
}
