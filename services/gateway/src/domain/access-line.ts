// One line of the access log for each request: JSON, put together by hand, for it is part of what every request costs.
import type { Exchange, Termination } from './exchange.ts';

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

const unsafePattern = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;

/**
 * Hot path. An `AccessRecord` as JSON, with a line end. `time` is ISO 8601; `nowMs` monotonic, as the exchange's times are;
 * `sample` the share that the line stands for.
 */
export function accessLine(exchange: Exchange, termination: Termination, time: string, nowMs: number, sample = 1): string {
  const { requestId, head, peer, read, tenant, endpoint, code, detail, firstByteMs, traceparent } = exchange;
  let line = `{"time":"${time}","requestId":"${requestId}","client":"${peer.address}","scheme":"${peer.scheme}","method":${quoted(head.method)},"host":"${read?.host ?? ''}","path":${quoted(withoutQuery(read?.path ?? ''))}`;
  if (tenant !== undefined) line += `,"tenant":${quoted(tenant.tenantId)},"upstream":${quoted(tenant.upstream)}`;
  if (endpoint !== undefined) line += `,"endpoint":${quoted(endpoint)},"attempts":${exchange.attempts}`;
  line += `,"status":${exchange.status}`;
  if (code !== undefined) line += `,"code":"${code}"`;
  if (detail !== undefined) line += `,"detail":${quoted(detail)}`;
  line += `,"bytesIn":${exchange.bytesIn},"bytesOut":${exchange.bytesOut}`;
  if (firstByteMs !== undefined) line += `,"firstByteMs":${rounded(firstByteMs - exchange.startedMs)}`;
  line += `,"durationMs":${rounded(nowMs - exchange.startedMs)},"termination":"${termination}"`;
  if (traceparent !== undefined) line += `,"trace":"${traceparent.slice(3, 35)}"`;
  if (sample < 1) line += `,"sample":${sample}`;
  return `${line}}\n`;
}

function quoted(text: string): string {
  return unsafePattern.test(text) ? JSON.stringify(text) : `"${text}"`;
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

/** Microseconds are as exact as anybody needs. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Gives moments as ISO 8601 with milliseconds; hot path: the text of one second is made once. */
export function createTimeText(): (now: Date) => string {
  let second = Number.NaN;
  let upToSecond = '';
  return (now) => {
    const ms = now.getTime();
    const thisSecond = Math.floor(ms / 1_000);
    if (thisSecond !== second) {
      second = thisSecond;
      upToSecond = now.toISOString().slice(0, -4);
    }
    return `${upToSecond}${String(ms - thisSecond * 1_000).padStart(3, '0')}Z`;
  };
}
