// Route entries to and from their protobuf messages.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  invalidField,
  type RouteEntry as RouteEntryMessage,
  RouteEntrySchema,
  type TenantRoute as TenantRouteMessage,
} from '@burgage/contracts';
import { got } from './got.ts';
import { type Hold, holds, isHold } from './holds.ts';
import { type Isolation, isIsolation, isolations } from './isolation.ts';
import { type RouteEntity, type RouteEntry, routeKey, type TenantRoute } from './routes.ts';
import { isTenantState, type TenantState, tenantStates } from './tenant-state.ts';

/**
 * What becomes of the words in a tenant that may be those of a newer version. @throws BurgageError `invalid_argument`
 * where one is to be refused.
 */
export interface Words {
  state(text: string): TenantState;
  holds(texts: readonly string[]): readonly Hold[];
  isolation(text: string): Isolation | '';
}

/** Refuses every state, hold or isolation that this version does not know. */
export const knownWords: Words = {
  state(text) {
    if (isTenantState(text)) return text;
    throw unknownValue('tenant.state', text, tenantStates);
  },
  holds: (texts) =>
    texts.map((text) => {
      if (isHold(text)) return text;
      throw unknownValue('tenant.holds', text, holds);
    }),
  isolation(text) {
    if (text === '' || isIsolation(text)) return text;
    throw unknownValue('tenant.isolation', text, isolations);
  },
};

type EntityMessage = Exclude<RouteEntryMessage['entity'], { case: undefined }>;
type EntityInit = NonNullable<MessageInitShape<typeof RouteEntrySchema>['entity']>;

/**
 * The entry in a message. Versions and byte counts are 64 bits wide on the wire and numbers here.
 * @throws BurgageError `invalid_argument` where the message names no entity, a state, hold or isolation that `words`
 * refuses, or a number beyond 2^53.
 */
export function routeEntryFromProto(message: RouteEntryMessage, words: Words = knownWords): RouteEntry {
  const { entity, removed } = message;
  if (entity.case === undefined) throw invalidField('entity', 'is missing, expected a host, a tenant or an upstream');
  const key = keyFromProto(entity);
  if (key === '') throw invalidField(entity.case, 'got an empty key, expected the name of the entity');
  const entry = { version: toNumber('version', message.version), removed, kind: entity.case, key };
  return removed ? entry : { ...entry, entity: entityFromProto(entity, words) };
}

/**
 * The message of an entry.
 * @throws TypeError where an entry that is not removed does not carry the entity of its kind and key.
 */
export function routeEntryToProto(entry: RouteEntry): RouteEntryMessage {
  const { version, removed, kind, key, entity } = entry;
  checkCarried(entry);
  return create(RouteEntrySchema, {
    version: BigInt(version),
    removed,
    entity: removed || !entity ? keyToProto(kind, key) : entityToProto(entity),
  });
}

/** @throws TypeError where an entry that is not removed does not carry the entity of its kind and key. */
export function checkCarried({ removed, kind, key, entity }: RouteEntry): void {
  if (removed || (entity?.kind === kind && routeKey(entity) === key)) return;
  throw new TypeError(`the route entry of ${kind} ${key} carries ${JSON.stringify(entity)}`);
}

function keyFromProto(entity: EntityMessage): string {
  switch (entity.case) {
    case 'host':
      return entity.value.host;
    case 'tenant':
      return entity.value.tenantId;
    case 'upstream':
      return entity.value.name;
  }
}

function keyToProto(kind: RouteEntity['kind'], key: string): EntityInit {
  switch (kind) {
    case 'host':
      return { case: 'host', value: { host: key } };
    case 'tenant':
      return { case: 'tenant', value: { tenantId: key } };
    case 'upstream':
      return { case: 'upstream', value: { name: key } };
  }
}

function entityToProto(entity: RouteEntity): EntityInit {
  switch (entity.kind) {
    case 'host':
      return { case: 'host', value: { host: entity.host, tenantId: entity.tenantId } };
    case 'tenant': {
      const { kind: _, limits, ...route } = entity;
      return {
        case: 'tenant',
        value: {
          ...route,
          holds: [...route.holds],
          features: [...route.features],
          entitlementVersion: BigInt(route.entitlementVersion),
          branding: { ...route.branding },
          ...(limits && { limits: { ...limits, bodyBytesMax: BigInt(limits.bodyBytesMax) } }),
        },
      };
    }
    case 'upstream':
      return { case: 'upstream', value: { name: entity.name, endpoints: entity.endpoints.map((endpoint) => ({ ...endpoint })) } };
  }
}

function entityFromProto(entity: EntityMessage, words: Words): RouteEntity {
  switch (entity.case) {
    case 'host':
      return { kind: 'host', host: entity.value.host, tenantId: entity.value.tenantId };
    case 'tenant':
      return tenantFromProto(entity.value, words);
    case 'upstream': {
      const { name, endpoints } = entity.value;
      return { kind: 'upstream', name, endpoints: endpoints.map(({ address, weight, zone }) => ({ address, weight: weight || 1, zone })) };
    }
  }
}

function tenantFromProto(message: TenantRouteMessage, words: Words): TenantRoute {
  const { tenantId, slug, plan, state, features, upstream, isolation, limits, branding, platform, moving } = message;
  return {
    kind: 'tenant',
    tenantId,
    slug,
    plan,
    state: words.state(state),
    holds: words.holds(message.holds),
    features: [...features],
    upstream,
    isolation: words.isolation(isolation),
    entitlementVersion: toNumber('tenant.entitlement_version', message.entitlementVersion),
    branding: { name: branding?.name ?? '', color: branding?.color ?? '' },
    platform,
    moving,
    ...(limits && {
      limits: {
        requestsPerSecond: limits.requestsPerSecond,
        concurrency: limits.concurrency,
        bodyBytesMax: toNumber('tenant.limits.body_bytes_max', limits.bodyBytesMax),
      },
    }),
  };
}

function toNumber(field: string, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw invalidField(field, `got ${value}, expected at most ${Number.MAX_SAFE_INTEGER}`);
}

function unknownValue(field: string, came: string, expected: readonly string[]) {
  return invalidField(field, `${got(came)}, expected one of ${expected.join(', ')}`);
}
