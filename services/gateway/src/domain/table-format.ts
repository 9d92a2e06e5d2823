// The route table as lines of a file: a heading, one entry a line, and an end that proves that nothing is missing.
import { BurgageError } from '@burgage/contracts';
import { err, isHold, isIsolation, isTenantState, ok, type Result, type RouteEntry } from '@burgage/tenancy';
import type { Position, Seen, TablePosition } from './route-follower.ts';
import { type RouteNames, RouteTable } from './route-table.ts';

const lineBreak = 0x0a;
/** Of lines that are read at once. */
const blockBytes = 64 * 1024;

export const formatName = 'burgage-routes';
/** Since 2 the end says what is seen. */
export const formatVersion = 2;

export interface Heading extends Position {
  readonly savedAt: string;
}

/** A checksum that grows with the bytes it is given: CRC-32 as in zlib. */
export type Checksum = (bytes: Uint8Array, before: number) => number;

export function headingLine({ epoch, revision, savedAt }: Heading): string {
  return `${JSON.stringify({ format: formatName, version: formatVersion, epoch, revision, savedAt })}\n`;
}

/** One entry as a short array: kind, version, key, and the rest of the entity where it is not removed. */
export function entryLine({ kind, version, key, entity }: RouteEntry): string {
  if (entity === undefined) return `${JSON.stringify([kind, version, key])}\n`;
  switch (entity.kind) {
    case 'host':
      return `${JSON.stringify([kind, version, key, entity.tenantId])}\n`;
    case 'tenant': {
      const { slug, plan, state, holds, limits, features, upstream, isolation, entitlementVersion, branding, platform, moving } = entity;
      const limit = limits === undefined ? null : [limits.requestsPerSecond, limits.concurrency, limits.bodyBytesMax];
      const rest = [
        slug,
        plan,
        state,
        holds,
        limit,
        features,
        upstream,
        isolation,
        entitlementVersion,
        branding.name,
        branding.color,
        platform,
        // Last, and only where it is so: it was not there from the beginning.
        ...(moving ? [moving] : []),
      ];
      return `${JSON.stringify([kind, version, key, ...rest])}\n`;
    }
    case 'upstream':
      return `${JSON.stringify([kind, version, key, entity.endpoints.map(({ address, weight, zone }) => [address, weight, zone])])}\n`;
    default:
      throw new TypeError(`unknown route entity ${String(entity satisfies never)}`);
  }
}

/** `before`: the checksum of all that stands before. */
export function endLine(entries: number, seen: Seen, before: number, checksum: Checksum): string {
  return `${JSON.stringify({ end: entries, seen, crc32: checksum(bytesOf(seen), before) })}\n`;
}

/** In the end line, where the checksum could not see it otherwise. */
function bytesOf({ revision, stamp }: Seen): Uint8Array {
  return Buffer.from(JSON.stringify([revision, stamp]));
}

export interface LoadedTable {
  readonly table: RouteTable;
  readonly position: TablePosition;
  readonly savedAt: string;
}

/**
 * The table in `bytes`. Anything but a whole file of this format is `data_corrupt` with what is wrong; a file of a later
 * version is `document_too_new`. `names` take up those in it.
 */
export function readTable(bytes: Uint8Array, checksum: Checksum, names: RouteNames): Result<LoadedTable> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headingEnd = file.indexOf(lineBreak) + 1;
  const heading = parsed(file.toString('utf8', 0, headingEnd));
  if (!isRecord(heading) || heading.format !== formatName || typeof heading.version !== 'number')
    return corrupt('it does not begin as a route table');
  if (heading.version > formatVersion) {
    return err(
      new BurgageError('document_too_new', {
        message: `The route table has version ${heading.version}, this gateway reads up to ${formatVersion}.`,
      }),
    );
  }
  const { version, epoch, revision, savedAt } = heading;
  if (typeof epoch !== 'string' || typeof revision !== 'number' || !Number.isSafeInteger(revision) || typeof savedAt !== 'string')
    return corrupt('its heading is not complete');
  // What is not whole is known before anything is made of it.
  const endStart = file.lastIndexOf(lineBreak, -2) + 1;
  const end = file.at(-1) === lineBreak && endStart >= headingEnd ? parsed(file.toString('utf8', endStart)) : undefined;
  if (!isRecord(end)) return corrupt('it has no end');
  const seen = version === 1 ? { revision, stamp: '' } : seenOf(end.seen);
  if (seen === undefined) return corrupt('its end does not say what is seen');
  const before = checksum(file.subarray(0, endStart), 0);
  if (end.crc32 !== (version === 1 ? before : checksum(bytesOf(seen), before))) return corrupt('its checksum is another');
  const table = new RouteTable(names);
  let entries = 0;
  for (const line of linesOf(file, headingEnd, endStart)) {
    const entry = Array.isArray(line) ? entryOf(line) : undefined;
    entries += 1;
    if (entry === undefined) return corrupt(`entry ${entries} cannot be read`);
    table.apply(entry);
  }
  if (end.end !== entries) return corrupt(`its end speaks of ${String(end.end)} entries, ${entries} came`);
  return ok({ table, position: { epoch, revision, seen }, savedAt });
}

/** What is in the lines from `start` to `end`, each a value of JSON; one undefined in the place of those that cannot be read. */
function* linesOf(file: Buffer, start: number, end: number): Generator<unknown> {
  for (let at = start; at < end; ) {
    // Many lines at once: a third of the time of one by one.
    const lastBreak = file.lastIndexOf(lineBreak, Math.min(at + blockBytes, end) - 1);
    const next = (lastBreak >= at ? lastBreak : file.indexOf(lineBreak, at)) + 1;
    const lines = parsed(`[${file.toString('utf8', at, next - 1).replaceAll('\n', ',')}]`);
    if (Array.isArray(lines)) yield* lines;
    else yield undefined;
    at = next;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function entryOf(line: readonly unknown[]): RouteEntry | undefined {
  const [kind, version, key, ...rest] = line;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || typeof key !== 'string') return undefined;
  if (kind !== 'host' && kind !== 'tenant' && kind !== 'upstream') return undefined;
  if (rest.length === 0) return { kind, version, key, removed: true };
  const entity = kind === 'host' ? hostOf(key, rest) : kind === 'tenant' ? tenantOf(key, rest) : upstreamOf(key, rest);
  return entity && { kind, version, key, removed: false, entity };
}

function hostOf(host: string, [tenantId]: readonly unknown[]): RouteEntry['entity'] {
  return typeof tenantId === 'string' ? { kind: 'host', host, tenantId } : undefined;
}

function tenantOf(tenantId: string, rest: readonly unknown[]): RouteEntry['entity'] {
  const [slug, plan, state, holds, limit, features, upstream, isolation, entitlementVersion, name, color, platform, moving = false] = rest;
  if (typeof slug !== 'string' || typeof plan !== 'string' || typeof upstream !== 'string' || typeof isolation !== 'string')
    return undefined;
  if (typeof state !== 'string' || !isTenantState(state) || typeof name !== 'string' || typeof color !== 'string') return undefined;
  if (
    typeof entitlementVersion !== 'number' ||
    typeof platform !== 'boolean' ||
    typeof moving !== 'boolean' ||
    !isTexts(holds) ||
    !isTexts(features)
  )
    return undefined;
  if (!holds.every(isHold) || !(isolation === '' || isIsolation(isolation))) return undefined;
  let limits: { requestsPerSecond: number; concurrency: number; bodyBytesMax: number } | undefined;
  if (limit !== null) {
    if (!Array.isArray(limit) || !limit.every((value) => typeof value === 'number')) return undefined;
    const [requestsPerSecond = 0, concurrency = 0, bodyBytesMax = 0] = limit;
    limits = { requestsPerSecond, concurrency, bodyBytesMax };
  }
  return {
    kind: 'tenant',
    tenantId,
    slug,
    plan,
    state,
    holds,
    ...(limits && { limits }),
    features,
    upstream,
    isolation,
    entitlementVersion,
    branding: { name, color },
    platform,
    moving,
  };
}

function upstreamOf(name: string, [list]: readonly unknown[]): RouteEntry['entity'] {
  if (!Array.isArray(list)) return undefined;
  const endpoints = [];
  for (const item of list) {
    if (!Array.isArray(item)) return undefined;
    const [address, weight, zone] = item;
    if (typeof address !== 'string' || typeof weight !== 'number' || typeof zone !== 'string') return undefined;
    endpoints.push({ address, weight, zone });
  }
  return { kind: 'upstream', name, endpoints };
}

function seenOf(value: unknown): Seen | undefined {
  if (!isRecord(value)) return undefined;
  const { revision, stamp } = value;
  return typeof revision === 'number' && Number.isSafeInteger(revision) && typeof stamp === 'string' ? { revision, stamp } : undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function corrupt(reason: string): Result<never> {
  return err(new BurgageError('data_corrupt', { message: `The route table is not whole: ${reason}.` }));
}
