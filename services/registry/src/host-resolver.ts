// What a host leads to: the exact name, then wildcards in the gateways' own order.
import { normalizeHost, type RouteEntry, unwrap, wildcardCandidates } from '@burgage/tenancy';
import type { RegistryDocuments } from './adapters/documents.ts';
import { hostEntry } from './domain/host.ts';
import { isPlatformRouteId, platformEntry } from './domain/platform-route.ts';
import { tenantEntry } from './domain/tenant.ts';
import { upstreamEntry } from './domain/upstream.ts';
import type { RouteCache, RouteKind } from './route-cache.ts';

/** What was found of a host; nothing where nobody has it. */
export interface ResolvedHost {
  readonly host?: RouteEntry;
  readonly tenant?: RouteEntry;
  readonly upstream?: RouteEntry;
}

/** Reads the entry of an entity as its document has it now. */
export function routeReader({ hosts, tenants, platformRoutes, upstreams }: RegistryDocuments) {
  return async (kind: RouteKind, key: string): Promise<RouteEntry | undefined> => {
    switch (kind) {
      case 'host': {
        const host = await hosts.get(key);
        return host && hostEntry(host.value, host.version);
      }
      case 'tenant': {
        if (isPlatformRouteId(key)) {
          const platform = await platformRoutes.get(key);
          return platform && platformEntry(platform.value, platform.version);
        }
        const tenant = await tenants.get(key);
        return tenant && tenantEntry(tenant.value, tenant.version);
      }
      case 'upstream': {
        const upstream = await upstreams.get(key);
        return upstream && upstreamEntry(upstream.value, upstream.version);
      }
      default:
        throw new TypeError(`unknown kind of route ${String(kind satisfies never)}`);
    }
  };
}

/** @throws BurgageError `bad_request` where `input` is no host. */
export async function resolveHost(routes: Pick<RouteCache, 'get'>, input: string): Promise<ResolvedHost> {
  const name = unwrap(normalizeHost(input));
  for (const candidate of [name, ...wildcardCandidates(name)]) {
    const host = await routes.get('host', candidate);
    if (host?.entity?.kind !== 'host') continue;
    const tenant = await routes.get('tenant', host.entity.tenantId);
    if (tenant?.entity?.kind !== 'tenant') return { host };
    const upstream = tenant.entity.upstream === '' ? undefined : await routes.get('upstream', tenant.entity.upstream);
    return upstream ? { host, tenant, upstream } : { host, tenant };
  }
  return {};
}
