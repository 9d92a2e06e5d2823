// Tenants, states and gateways to and from their protobuf messages.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type GatewayStatusSchema,
  invalidField,
  TenantState as StateMessage,
  type TenantSchema,
  type UpstreamRouteSchema,
} from '@burgage/contracts';
import type { Stored } from '@burgage/store';
import { err, got, type Isolation, isIsolation, isolations, ok, type Result, type TenantState } from '@burgage/tenancy';
import type { Due } from '../domain/entitlement.ts';
import { lastingTwin } from '../domain/gateway.ts';
import type { TenantRecord } from '../domain/tenant.ts';
import type { UpstreamRecord } from '../domain/upstream.ts';
import type { ConnectedGateway } from '../gateways.ts';

const stateMessages: Readonly<Record<TenantState, StateMessage>> = {
  requested: StateMessage.REQUESTED,
  provisioning: StateMessage.PROVISIONING,
  active: StateMessage.ACTIVE,
  failed: StateMessage.FAILED,
  terminating: StateMessage.TERMINATING,
  terminated: StateMessage.TERMINATED,
};
const states = new Map(Object.entries(stateMessages).map(([state, message]) => [message, state as TenantState]));

/** Undefined for UNSPECIFIED; `invalid_argument` for a number that is none. */
export function stateFromProto(message: StateMessage): Result<TenantState | undefined> {
  const state = states.get(message);
  if (state !== undefined || message === StateMessage.UNSPECIFIED) return ok(state);
  return err(invalidField('state', `got ${message}, expected one of ${[...states.values()].join(', ')}`));
}

/** `invalid_argument` unless it is one of the isolations. */
export function isolationFromProto(text: string): Result<Isolation> {
  if (isIsolation(text)) return ok(text);
  return err(invalidField('isolation', `${got(text)}, expected one of ${isolations.join(', ')}`));
}

/** `due`: what is due to the tenant by its plan. */
export function tenantToProto({ value, version }: Stored<TenantRecord>, due: Due): MessageInitShape<typeof TenantSchema> {
  const { trialEndTimeMs, slugQuarantineEndTimeMs, limits } = value;
  return {
    id: value.id,
    slug: value.slug,
    company: value.company,
    plan: value.plan,
    isolation: value.isolation,
    state: stateMessages[value.state],
    holds: [...value.holds],
    ownerEmail: value.ownerEmail,
    createTime: timestampFromMs(value.createTimeMs),
    version: BigInt(version),
    catalog: value.catalog,
    hosts: [...value.hosts],
    upstream: value.upstream,
    limits: { ...limits, bodyBytesMax: BigInt(limits.bodyBytesMax) },
    features: [...value.features],
    failure: value.failure,
    operationId: value.operationId,
    ...(trialEndTimeMs === undefined ? {} : { trialEndTime: timestampFromMs(trialEndTimeMs) }),
    formerSlug: value.formerSlug,
    branding: value.branding,
    moving: value.moving ?? false,
    ...due,
    ...(slugQuarantineEndTimeMs === undefined ? {} : { slugQuarantineEndTime: timestampFromMs(slugQuarantineEndTimeMs) }),
  };
}

export function upstreamToProto({ value: { name, endpoints } }: Stored<UpstreamRecord>): MessageInitShape<typeof UpstreamRouteSchema> {
  return { name, endpoints: endpoints.map((endpoint) => ({ ...endpoint })) };
}

export function gatewayToProto(gateway: ConnectedGateway): MessageInitShape<typeof GatewayStatusSchema> {
  const { gatewayId, bootId, adminAddress, epoch, revision, lastSeenMs, snapshotHeld } = gateway;
  const twin = lastingTwin(gateway);
  return {
    gatewayId,
    bootId,
    adminAddress,
    epoch,
    appliedRevision: BigInt(revision),
    lastSeenTime: timestampFromMs(lastSeenMs),
    snapshotHeld,
    ...(twin !== undefined && { twin: { bootId: twin.bootId, adminAddress: twin.adminAddress } }),
  };
}
