// Route entries as they come from a registry that may be newer: what this version does not know of a tenant keeps it from being served.
import type { RouteEntry as RouteEntryMessage } from '@burgage/contracts';
import { isHold, isIsolation, isTenantState, type RouteEntry, routeEntryFromProto } from '@burgage/tenancy';

/**
 * The entry in a message. A hold that is not known counts as the operator's, a state that is not known as one before the
 * tenant is served, an isolation that is not known as none.
 * @throws BurgageError `invalid_argument` where the kind is not known, the key is empty or a number is beyond 2^53.
 */
export function readRouteEntry(message: RouteEntryMessage): RouteEntry {
  const { entity } = message;
  if (entity.case !== 'tenant') return routeEntryFromProto(message);
  const { state, holds, isolation } = entity.value;
  const value: typeof entity.value = {
    ...entity.value,
    state: isTenantState(state) ? state : 'requested',
    holds: [...new Set(holds.map((hold) => (isHold(hold) ? hold : 'operator')))],
    isolation: isIsolation(isolation) ? isolation : '',
  };
  return routeEntryFromProto({ ...message, entity: { case: 'tenant', value } });
}
