// Reads a batch of routes that is written the plain way: its fields in order, none of them twice, and none besides.
import { BinaryReader } from '@bufbuild/protobuf/wire';
import {
  type Branding,
  type Endpoint,
  type RouteEntity,
  type RouteEntry,
  routeKey,
  type TenantLimits,
  type TenantRoute,
} from './routes.ts';
import type { Words } from './routes-proto.ts';
import * as tags from './routes-tags.ts';

interface PlainBatch {
  readonly entries: readonly RouteEntry[];
  readonly revision: number;
  readonly stamp: string;
}

/**
 * Hot path. The batch in a WatchRoutesResponse; undefined where that says something else, has an entry that cannot be read,
 * or is not written the plain way: then the generated code says what it means. Reads line by line what `routeBatchToBytes`
 * writes, and makes no message of it.
 */
export function plainBatch(bytes: Uint8Array, words: Words): PlainBatch | undefined {
  if (bytes[0] !== tags.responseBatch) return undefined;
  try {
    const reader = new PlainReader(bytes);
    const batch = readBatch(reader, words);
    reader.finish(bytes.length);
    return batch;
  } catch {
    // Whatever it was, whether it is an error is for the generated code to say.
    return undefined;
  }
}

/** The same one each time, since taking down where an error came from costs more than reading the batch. */
const notPlain = new RangeError('not written the plain way');

/** What is absent is empty, zero or false. `end` is where the message around ends. */
class PlainReader {
  readonly #bytes: Uint8Array;
  readonly #reader: BinaryReader;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#reader = new BinaryReader(bytes);
  }

  /** Whether the field is next; goes behind its tag then. */
  has(tag: number, end: number): boolean {
    const reader = this.#reader;
    if (reader.pos >= end || this.#bytes[reader.pos] !== tag) return false;
    reader.pos += 1;
    return true;
  }

  /** Goes into the message that is next; answers with its end. */
  begin(): number {
    const length = this.#reader.uint32();
    return this.#reader.pos + length;
  }

  /** @throws RangeError where something is left of the message, or its fields went beyond its end. */
  finish(end: number): void {
    if (this.#reader.pos !== end) throw notPlain;
  }

  text(tag: number, end: number): string {
    return this.has(tag, end) ? this.#reader.string(true) : '';
  }

  texts(tag: number, end: number): string[] {
    const texts: string[] = [];
    while (this.has(tag, end)) texts.push(this.#reader.string(true));
    return texts;
  }

  truth(tag: number, end: number): boolean {
    return this.has(tag, end) && this.#reader.bool();
  }

  uint32(tag: number, end: number): number {
    return this.has(tag, end) ? this.#reader.uint32() : 0;
  }

  /** @throws RangeError beyond 2^53. */
  uint64(tag: number, end: number): number {
    if (!this.has(tag, end)) return 0;
    const reader = this.#reader;
    // Up to four bytes carry 28 bits: those need no BigInt.
    for (let at = reader.pos; at < reader.pos + 4; at++) if ((this.#bytes[at] ?? 0) < 0x80) return reader.uint32();
    const value = Number(reader.uint64());
    if (value > Number.MAX_SAFE_INTEGER) throw notPlain;
    return value;
  }
}

function readBatch(reader: PlainReader, words: Words): PlainBatch {
  const entries: RouteEntry[] = [];
  reader.has(tags.responseBatch, 1);
  const end = reader.begin();
  while (reader.has(tags.batchEntry, end)) entries.push(readEntry(reader, words));
  const revision = reader.uint64(tags.batchRevision, end);
  const stamp = reader.text(tags.batchStamp, end);
  reader.finish(end);
  return { entries, revision, stamp };
}

function readEntry(reader: PlainReader, words: Words): RouteEntry {
  const end = reader.begin();
  const version = reader.uint64(tags.entryVersion, end);
  const removed = reader.truth(tags.entryRemoved, end);
  const kind = kindOf(reader, end);
  const entityEnd = reader.begin();
  const entity = removed ? undefined : readEntity(reader, kind, entityEnd, words);
  const key = entity === undefined ? reader.text(tags.entityKey, entityEnd) : routeKey(entity);
  reader.finish(entityEnd);
  reader.finish(end);
  if (key === '') throw notPlain;
  return entity === undefined ? { version, removed, kind, key } : { version, removed, kind, key, entity };
}

function kindOf(reader: PlainReader, end: number): RouteEntity['kind'] {
  if (reader.has(tags.entryEntity.host, end)) return 'host';
  if (reader.has(tags.entryEntity.tenant, end)) return 'tenant';
  if (reader.has(tags.entryEntity.upstream, end)) return 'upstream';
  throw notPlain;
}

function readEntity(reader: PlainReader, kind: RouteEntity['kind'], end: number, words: Words): RouteEntity {
  switch (kind) {
    case 'host':
      return { kind, host: reader.text(tags.entityKey, end), tenantId: reader.text(tags.hostTenantId, end) };
    case 'tenant':
      return readTenant(reader, end, words);
    case 'upstream': {
      const name = reader.text(tags.entityKey, end);
      const endpoints: Endpoint[] = [];
      while (reader.has(tags.upstreamEndpoint, end)) endpoints.push(readEndpoint(reader));
      return { kind, name, endpoints };
    }
  }
}

function readEndpoint(reader: PlainReader): Endpoint {
  const end = reader.begin();
  const address = reader.text(tags.endpointAddress, end);
  const weight = reader.uint32(tags.endpointWeight, end) || 1;
  const zone = reader.text(tags.endpointZone, end);
  reader.finish(end);
  return { address, weight, zone };
}

function readTenant(reader: PlainReader, end: number, words: Words): TenantRoute {
  const tenantId = reader.text(tags.entityKey, end);
  const slug = reader.text(tags.tenantSlug, end);
  const plan = reader.text(tags.tenantPlan, end);
  const state = words.state(reader.text(tags.tenantState, end));
  const holds = words.holds(reader.texts(tags.tenantHold, end));
  const limits = reader.has(tags.tenantLimits, end) ? readLimits(reader) : undefined;
  const features = reader.texts(tags.tenantFeature, end);
  const upstream = reader.text(tags.tenantUpstream, end);
  const isolation = words.isolation(reader.text(tags.tenantIsolation, end));
  const entitlementVersion = reader.uint64(tags.tenantEntitlementVersion, end);
  const branding = reader.has(tags.tenantBranding, end) ? readBranding(reader) : { name: '', color: '' };
  const platform = reader.truth(tags.tenantPlatform, end);
  const moving = reader.truth(tags.tenantMoving, end);
  const route: TenantRoute = {
    kind: 'tenant',
    tenantId,
    slug,
    plan,
    state,
    holds,
    features,
    upstream,
    isolation,
    entitlementVersion,
    branding,
    platform,
    moving,
  };
  return limits === undefined ? route : { ...route, limits };
}

function readLimits(reader: PlainReader): TenantLimits {
  const end = reader.begin();
  const requestsPerSecond = reader.uint32(tags.limitsRequestsPerSecond, end);
  const concurrency = reader.uint32(tags.limitsConcurrency, end);
  const bodyBytesMax = reader.uint64(tags.limitsBodyBytesMax, end);
  reader.finish(end);
  return { requestsPerSecond, concurrency, bodyBytesMax };
}

function readBranding(reader: PlainReader): Branding {
  const end = reader.begin();
  const name = reader.text(tags.brandingName, end);
  const color = reader.text(tags.brandingColor, end);
  reader.finish(end);
  return { name, color };
}
