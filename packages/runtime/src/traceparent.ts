// The W3C trace context header (https://www.w3.org/TR/trace-context/): made, read and passed on.
import type { Random } from './random.ts';

export interface TraceParent {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  /** Bit 0: sampled. */
  readonly flags: number;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The parts of a `traceparent` header; undefined where it is not valid and so must be ignored. */
export function parseTraceparent(header: string): TraceParent | undefined {
  const match = pattern.exec(header);
  if (match === null) return undefined;
  const [, version = '', traceId = '', spanId = '', flags = '', rest] = match;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (isZero(traceId) || isZero(spanId)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

export function formatTraceparent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${(flags & 0xff).toString(16).padStart(2, '0')}`;
}

/** The header of a new trace, sampled. */
export function newTraceparent(random: Random): string {
  // One draw: this is part of what every request costs.
  const both = hex(random, 24);
  return `00-${notZero(both.slice(0, 32))}-${notZero(both.slice(32))}-01`;
}

/** `count` random bytes in hex. */
function hex(random: Random, count: number): string {
  const bytes = random.bytes(count);
  return (bytes instanceof Buffer ? bytes : Buffer.from(bytes)).toString('hex');
}

function notZero(digits: string): string {
  return isZero(digits) ? `${digits.slice(1)}1` : digits;
}

/** All of it 0, which means "none". */
function isZero(digits: string): boolean {
  for (let i = 0; i < digits.length; i++) if (digits.charCodeAt(i) !== 0x30) return false;
  return true;
}
