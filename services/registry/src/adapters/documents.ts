// The registry's documents: their types, and the one way to change one.
import { BurgageError, isBurgageError } from '@burgage/contracts';
import type { Documents, DocumentType, Journal, OutboxItem, Store, Stored } from '@burgage/store';
import { type Result, unwrap } from '@burgage/tenancy';
import type { GatewayRecord } from '../domain/gateway.ts';
import type { HostRecord } from '../domain/host.ts';
import type { LimitLedger } from '../domain/limit-ledger.ts';
import type { PlatformRouteRecord } from '../domain/platform-route.ts';
import { slugKept } from '../domain/slug-quarantine.ts';
import type { TenantRecord } from '../domain/tenant.ts';
import type { UpstreamRecord } from '../domain/upstream.ts';

export const tenantType: DocumentType<TenantRecord> = {
  name: 'tenants',
  schemaVersion: 1,
  unique: { slug: slugKept },
  indexes: {
    create_time: ({ createTimeMs }) => createTimeMs,
    state: ({ state }) => state,
    plan: ({ plan }) => plan,
    upstream: ({ upstream }) => upstream || undefined,
  },
};

export const hostType: DocumentType<HostRecord> = {
  name: 'hosts',
  schemaVersion: 1,
  indexes: { tenant: ({ tenantId }) => tenantId ?? undefined },
};

export const upstreamType: DocumentType<UpstreamRecord> = { name: 'upstreams', schemaVersion: 1 };

export const platformRouteType: DocumentType<PlatformRouteRecord> = { name: 'platform_routes', schemaVersion: 1 };

export const gatewayType: DocumentType<GatewayRecord> = { name: 'gateways', schemaVersion: 1 };

export const limitLedgerType: DocumentType<LimitLedger> = { name: 'limit_ledgers', schemaVersion: 1 };

/** Every type of document that the registry stores. */
export const documentTypes = [tenantType, hostType, upstreamType, platformRouteType, gatewayType, limitLedgerType] as const;

/** Everything that the registry keeps. */
export interface RegistryDocuments {
  readonly tenants: Documents<TenantRecord>;
  readonly hosts: Documents<HostRecord>;
  readonly upstreams: Documents<UpstreamRecord>;
  readonly platformRoutes: Documents<PlatformRouteRecord>;
  /** Those that are connected to any replica. */
  readonly gateways: Documents<GatewayRecord>;
  /** One: which part of tenants' limits is whose. */
  readonly limitLedgers: Documents<LimitLedger>;
  /** Every change of a route, for the gateways. */
  readonly routes: Journal;
}

export function openDocuments(store: Store): RegistryDocuments {
  return {
    tenants: store.documents(tenantType),
    hosts: store.documents(hostType),
    upstreams: store.documents(upstreamType),
    platformRoutes: store.documents(platformRouteType),
    gateways: store.documents(gatewayType),
    limitLedgers: store.documents(limitLedgerType),
    routes: store.journal('routes'),
  };
}

/** A losing writer reads again and decides anew; whoever loses this often gives up rather than turn for ever. */
const attemptsMax = 50;

/** What a decision makes of a document. The same value as before: nothing is written. */
export interface Decision<T> {
  readonly decide: (stored: Stored<T>) => Result<T>;
  /** What follows from the change; the new value's version will be `stored.version + 1`. */
  readonly outbox: (stored: Stored<T>, value: T) => readonly OutboxItem[];
  /** Thrown where there is no such document. */
  readonly missing: () => BurgageError;
}

/**
 * Reads, decides and writes back by compare-and-set, again from the start as often as somebody else was faster.
 * @throws BurgageError what `decide` or `missing` answers with; `version_conflict` after 50 attempts.
 */
export async function change<T>(documents: Documents<T>, id: string, { decide, outbox, missing }: Decision<T>): Promise<Stored<T>> {
  for (let attempt = 1; ; attempt++) {
    const stored = await documents.get(id);
    if (!stored) throw missing();
    const value = unwrap(decide(stored));
    if (value === stored.value) return stored;
    try {
      return await documents.replace(id, stored.version, value, outbox(stored, value));
    } catch (error) {
      if (!isBurgageError(error, 'version_conflict') || attempt === attemptsMax) throw error;
    }
  }
}

/** As `change`, but begins the document with `first` where there is none. */
export async function put<T>(
  documents: Documents<T>,
  id: string,
  first: T,
  how: Omit<Decision<T>, 'missing'> & { begin: (value: T) => readonly OutboxItem[] },
): Promise<Stored<T>> {
  const missing = (): BurgageError => new BurgageError('document_not_found');
  for (let attempt = 1; ; attempt++) {
    try {
      return await change(documents, id, { ...how, missing });
    } catch (error) {
      if (!isBurgageError(error, 'document_not_found') || attempt === attemptsMax) throw error;
    }
    try {
      return await documents.insert(id, first, how.begin(first));
    } catch (error) {
      if (!isBurgageError(error, 'already_exists') || attempt === attemptsMax) throw error;
    }
  }
}
