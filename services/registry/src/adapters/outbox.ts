// What follows from a change: the items that a document carries until the relay has put them into the journal or told the others.
import { isDeepStrictEqual } from 'node:util';
import { type Events, eventFromOutbox, outboxEvent } from '@burgage/events';
import type { Clock, Random } from '@burgage/runtime';
import type { Journal, Json, OutboxItem, Stored } from '@burgage/store';
import type { RouteEntry } from '@burgage/tenancy';
import { type TenantRecord, tenantEntry, tenantRoute } from '../domain/tenant.ts';

export const routesTarget = 'journal:routes';

/** The item that puts `entry` into the journal of the routes. */
export function routeItem(entry: RouteEntry): OutboxItem {
  return { id: `route-${entry.version}`, target: routesTarget, payload: routeToJson(entry) };
}

/** A route entry holds nothing but JSON: it goes into the journal as it is. */
function routeToJson(entry: RouteEntry): Json {
  return entry as unknown as Json;
}

/** A value of the journal that is no entry: it only takes a revision. */
export const mark: Json = null;

/** The entry in a value of the journal, which only `routeItem` and `mark` fill; undefined for a mark. */
export function routeFromJson(value: Json): RouteEntry | undefined {
  return value === mark ? undefined : (value as unknown as RouteEntry);
}

export interface OutboxSources {
  readonly clock: Clock;
  readonly random: Random;
}

/** What follows from a tenant's creation: gateways see that it is being made, and whoever provisions is told. */
export function tenantCreated(record: TenantRecord, sources: OutboxSources): OutboxItem[] {
  const { id, plan } = record;
  return [
    routeItem(tenantEntry(record, 1)),
    outboxEvent('burgage.registry.tenant.requested', id, { tenantId: id, version: 1n, plan }, sources),
  ];
}

/** What follows from a tenant's change: gateways hear of what they can see, the others of a new state. Routes go first. */
export function tenantChanged(before: Stored<TenantRecord>, after: TenantRecord, sources: OutboxSources): OutboxItem[] {
  const version = before.version + 1;
  const items: OutboxItem[] = [];
  if (!isDeepStrictEqual(tenantRoute(before.value), tenantRoute(after))) items.push(routeItem(tenantEntry(after, version)));
  if (before.value.state !== after.state) {
    const message = {
      tenantId: after.id,
      version: BigInt(version),
      fromState: before.value.state,
      toState: after.state,
      operationId: after.operationId,
    };
    items.push(outboxEvent('burgage.registry.tenant.transitioned', after.id, message, sources));
  }
  return items;
}

/** How the relay carries each target out; `onAppended` hears of what is in the journal now. Doing so twice is harmless: entries apply by version, events by their id. */
export function outboxHandlers(
  routes: Journal,
  events: Events,
  onAppended: (entries: readonly RouteEntry[]) => void,
): Record<string, (items: readonly OutboxItem[]) => Promise<void>> {
  return {
    [routesTarget]: async (items) => {
      await routes.append(items.map(({ payload }) => payload));
      onAppended(items.flatMap(({ payload }) => routeFromJson(payload) ?? []));
    },
    event: async (items) => {
      for (const { payload } of items) await events.publish(eventFromOutbox(payload));
    },
  };
}
