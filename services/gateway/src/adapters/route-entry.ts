// Route entries as they come from a registry that may be newer: what this version does not know of a tenant keeps it from being served.
import type { RouteEntry as RouteEntryMessage } from '@burgage/contracts';
import {
  isHold,
  isIsolation,
  isTenantState,
  type RouteEntry,
  type RoutesHeard,
  routeEntryFromProto,
  routesHeardFromBytes,
  type Words,
} from '@burgage/tenancy';

/**
 * A hold that is not known counts as the operator's, a state that is not known as one before the tenant is served, an
 * isolation that is not known as none.
 */
const safeWords: Words = {
  state: (text) => (isTenantState(text) ? text : 'requested'),
  holds: (texts) => [...new Set(texts.map((text) => (isHold(text) ? text : 'operator')))],
  isolation: (text) => (isIsolation(text) ? text : ''),
};

/**
 * The entry in a message.
 * @throws BurgageError `invalid_argument` where the kind is not known, the key is empty or a number is beyond 2^53.
 */
export function readRouteEntry(message: RouteEntryMessage): RouteEntry {
  return routeEntryFromProto(message, safeWords);
}

/** Hot path. What a message of WatchRoutes says, its entries read as `readRouteEntry` does. @throws Error where the bytes are no message. */
export function readRoutesHeard(bytes: Uint8Array): RoutesHeard {
  return routesHeardFromBytes(bytes, safeWords);
}
