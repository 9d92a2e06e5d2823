// What a registry says in WatchRoutes to and from its bytes, with batches of entries as values: a snapshot has millions of them.
import { fromBinary } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  type BurgageError,
  invalidField,
  type RouteBatch as RouteBatchMessage,
  type WatchRoutesResponse,
  WatchRoutesResponseSchema,
} from '@burgage/contracts';
import type { RouteEntity, RouteEntry, TenantRoute } from './routes.ts';
import { plainBatch } from './routes-plain.ts';
import { checkCarried, knownWords, routeEntryFromProto, type Words } from './routes-proto.ts';
import * as tags from './routes-tags.ts';

/** Entries in order, as one message of WatchRoutes carries them. */
export interface RouteBatch {
  readonly entries: readonly RouteEntry[];
  /** The revision up to which the journal has been sent with this batch; 0 within a snapshot. */
  readonly revision: number;
  /** The journal's stamp at that revision; empty within a snapshot. */
  readonly stamp: string;
}

/** A batch as it came. */
export interface ReceivedBatch extends RouteBatch {
  /** For each entry that cannot be read, what `routeEntryFromProto` throws. */
  readonly unreadable: readonly unknown[];
}

/** What a message of WatchRoutes says: a batch as values, the rest as the contract has it. */
export type RoutesHeard =
  | { readonly case: 'batch'; readonly value: ReceivedBatch }
  | Exclude<WatchRoutesResponse['message'], { case: 'batch' }>;

/**
 * Hot path. What the bytes of a WatchRoutesResponse say. Bytes that `routeBatchToBytes` may have written are read without
 * messages in between; all others by the generated code, so that what is refused and what comes out is the same either way.
 * A batch of a newer version that has more fields is one of those others: read at half the speed.
 * @throws Error where the bytes are no message.
 */
export function routesHeardFromBytes(bytes: Uint8Array, words: Words = knownWords): RoutesHeard {
  const plain = plainBatch(bytes, words);
  if (plain !== undefined) return { case: 'batch', value: { ...plain, unreadable: [] } };
  const { message } = fromBinary(WatchRoutesResponseSchema, bytes);
  return message.case === 'batch' ? { case: 'batch', value: receivedBatch(message.value, words) } : message;
}

function receivedBatch(message: RouteBatchMessage, words: Words): ReceivedBatch {
  const entries: RouteEntry[] = [];
  const unreadable: unknown[] = [];
  for (const entry of message.entries) {
    try {
      entries.push(routeEntryFromProto(entry, words));
    } catch (error) {
      // One entry of a kind that this version does not know must not keep the others away.
      unreadable.push(error);
    }
  }
  return { entries, revision: Number(message.revision), stamp: message.stamp, unreadable };
}

/**
 * Hot path. The bytes of a WatchRoutesResponse with this batch; the same as of the message that `routeEntryToProto` makes
 * of each entry.
 * @throws TypeError where an entry that is not removed does not carry the entity of its kind and key.
 * @throws BurgageError `invalid_argument` for a number that does not fit its field.
 */
export function routeBatchToBytes({ entries, revision, stamp }: RouteBatch): Uint8Array {
  const writer = new BinaryWriter();
  writer.uint32(tags.responseBatch).fork();
  for (const entry of entries) {
    writer.uint32(tags.batchEntry).fork();
    writeEntry(writer, entry);
    writer.join();
  }
  writeUint64(writer, tags.batchRevision, 'revision', revision);
  writeText(writer, tags.batchStamp, stamp);
  return writer.join().finish();
}

function writeEntry(writer: BinaryWriter, entry: RouteEntry): void {
  const { version, removed, kind, key, entity } = entry;
  checkCarried(entry);
  writeUint64(writer, tags.entryVersion, 'version', version);
  writeTrue(writer, tags.entryRemoved, removed);
  writer.uint32(tags.entryEntity[kind]).fork();
  if (removed || entity === undefined) writeText(writer, tags.entityKey, key);
  else writeEntity(writer, entity);
  writer.join();
}

function writeEntity(writer: BinaryWriter, entity: RouteEntity): void {
  switch (entity.kind) {
    case 'host':
      writeText(writer, tags.entityKey, entity.host);
      writeText(writer, tags.hostTenantId, entity.tenantId);
      break;
    case 'tenant':
      writeTenant(writer, entity);
      break;
    case 'upstream':
      writeText(writer, tags.entityKey, entity.name);
      for (const { address, weight, zone } of entity.endpoints) {
        writer.uint32(tags.upstreamEndpoint).fork();
        writeText(writer, tags.endpointAddress, address);
        writeUint32(writer, tags.endpointWeight, 'upstream.endpoints.weight', weight);
        writeText(writer, tags.endpointZone, zone);
        writer.join();
      }
      break;
    default:
      throw new TypeError(`unknown kind of route ${String(entity satisfies never)}`);
  }
}

function writeTenant(writer: BinaryWriter, route: TenantRoute): void {
  const { limits, branding } = route;
  writeText(writer, tags.entityKey, route.tenantId);
  writeText(writer, tags.tenantSlug, route.slug);
  writeText(writer, tags.tenantPlan, route.plan);
  writeText(writer, tags.tenantState, route.state);
  for (const hold of route.holds) writer.uint32(tags.tenantHold).string(hold);
  if (limits !== undefined) {
    writer.uint32(tags.tenantLimits).fork();
    writeUint32(writer, tags.limitsRequestsPerSecond, 'tenant.limits.requests_per_second', limits.requestsPerSecond);
    writeUint32(writer, tags.limitsConcurrency, 'tenant.limits.concurrency', limits.concurrency);
    writeUint64(writer, tags.limitsBodyBytesMax, 'tenant.limits.body_bytes_max', limits.bodyBytesMax);
    writer.join();
  }
  for (const feature of route.features) writer.uint32(tags.tenantFeature).string(feature);
  writeText(writer, tags.tenantUpstream, route.upstream);
  writeText(writer, tags.tenantIsolation, route.isolation);
  writeUint64(writer, tags.tenantEntitlementVersion, 'tenant.entitlement_version', route.entitlementVersion);
  writer.uint32(tags.tenantBranding).fork();
  writeText(writer, tags.brandingName, branding.name);
  writeText(writer, tags.brandingColor, branding.color);
  writer.join();
  writeTrue(writer, tags.tenantPlatform, route.platform);
  writeTrue(writer, tags.tenantMoving, route.moving);
}

// What is empty, zero or false is not sent.

function writeText(writer: BinaryWriter, tag: number, value: string): void {
  if (value) writer.uint32(tag).string(value);
}

function writeTrue(writer: BinaryWriter, tag: number, value: boolean): void {
  if (value) writer.uint32(tag).bool(true);
}

function writeUint32(writer: BinaryWriter, tag: number, field: string, value: number): void {
  if (value === 0) return;
  if (!fits(value, 32)) throw doesNotFit(field, value, 32);
  writer.uint32(tag).uint32(value);
}

function writeUint64(writer: BinaryWriter, tag: number, field: string, value: number): void {
  if (value === 0) return;
  // Those of 32 bits are written the same either way, and sooner.
  if (fits(value, 32)) writer.uint32(tag).uint32(value);
  else if (fits(value, 64)) writer.uint32(tag).uint64(BigInt(value));
  else throw doesNotFit(field, value, 64);
}

function fits(value: number, bits: 32 | 64): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** bits;
}

function doesNotFit(field: string, value: number, bits: 32 | 64): BurgageError {
  return invalidField(field, `got ${value}, expected a whole number of at most ${bits} bits`);
}
