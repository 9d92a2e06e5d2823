// Translates what gateways last said of themselves into what the API shows.
import type { GatewayStatus, ListGatewaysResponse } from '@burgage/contracts';
import type { Gateway, GatewayList } from '../schemas/gateways.ts';
import { isoTime } from './time.ts';

function gatewayView(gateway: GatewayStatus, head: ListGatewaysResponse): Gateway {
  const { twin } = gateway;
  const lastSeenAt = isoTime(gateway.lastSeenTime);
  return {
    id: gateway.gatewayId,
    ...processView(gateway),
    epoch: gateway.epoch,
    appliedRevision: Number(gateway.appliedRevision),
    inSync: gateway.epoch === head.epoch && gateway.appliedRevision >= head.revision && !gateway.snapshotHeld,
    ...(lastSeenAt === undefined ? {} : { lastSeenAt }),
    snapshotHeld: gateway.snapshotHeld,
    ...(twin === undefined ? {} : { twin: processView(twin) }),
  };
}

function processView({ bootId, adminAddress }: Pick<GatewayStatus, 'bootId' | 'adminAddress'>): Pick<Gateway, 'bootId' | 'adminAddress'> {
  return { bootId, ...(adminAddress === '' ? {} : { adminAddress }) };
}

/** The connected gateways and how far each is. */
export function gatewayListView(answer: ListGatewaysResponse): GatewayList {
  return {
    items: answer.gateways.map((gateway) => gatewayView(gateway, answer)),
    epoch: answer.epoch,
    revision: Number(answer.revision),
  };
}
