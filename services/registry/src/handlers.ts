// The gRPC handlers: translate, call, translate back.
import { invalidField, RegistryService } from '@burgage/contracts';
import { implement, type RpcImplementation } from '@burgage/rpc';
import type { Logger } from '@burgage/runtime';
import type { Journal } from '@burgage/store';
import { routeBatchToBytes, routeEntryToProto, unwrap } from '@burgage/tenancy';
import { gatewayToProto, isolationFromProto, stateFromProto, tenantToProto, upstreamToProto } from './adapters/proto.ts';
import { parseFence } from './domain/fence.ts';
import type { Gateways } from './gateways.ts';
import { resolveHost } from './host-resolver.ts';
import type { RegistryMetrics } from './metrics.ts';
import type { Placement } from './placement.ts';
import type { RouteCache } from './route-cache.ts';
import type { RouteFeed } from './route-feed.ts';
import type { Tenants } from './tenants.ts';
import { watchRoutes } from './watch.ts';

export interface HandlerParts {
  readonly tenants: Tenants;
  readonly placement: Placement;
  readonly feed: RouteFeed;
  readonly gateways: Gateways;
  readonly routes: Journal;
  readonly cache: RouteCache;
  readonly metrics: RegistryMetrics;
  readonly logger: Logger;
}

const pageSizeDefault = 50;
const pageSizeMax = 500;

export function registryHandlers({ tenants, placement, feed, gateways, routes, cache, metrics, logger }: HandlerParts): RpcImplementation {
  return implement(RegistryService, {
    async createTenant(request) {
      const { tenant, created } = await tenants.create(request);
      if (created) {
        metrics.tenantsCreated.inc();
        logger.info({ tenant: tenant.id, slug: tenant.value.slug, plan: tenant.value.plan }, 'tenant requested');
      }
      return { tenant: tenantToProto(tenant), created };
    },

    async getTenant({ tenant }) {
      return { tenant: tenantToProto(await tenants.get(tenant)) };
    },

    async listTenants({ pageSize, pageToken, state, plan, oldestFirst }) {
      if (pageSize > pageSizeMax)
        throw invalidField('page_size', `got ${pageSize}, expected 1 to ${pageSizeMax}, or 0 for ${pageSizeDefault}`);
      const wanted = unwrap(stateFromProto(state));
      const page = await tenants.list({
        pageSize: pageSize || pageSizeDefault,
        pageToken,
        plan,
        oldestFirst,
        ...(wanted && { state: wanted }),
      });
      return { tenants: page.items.map(tenantToProto), nextPageToken: page.nextCursor ?? '' };
    },

    async transitionTenant({ tenantId, state, fence, reason }) {
      const wanted = unwrap(stateFromProto(state));
      if (wanted === undefined) throw invalidField('state', 'is missing, expected the state that the tenant should be in');
      const { tenant, revision } = await tenants.move(tenantId, wanted, unwrap(parseFence(fence)), reason);
      metrics.transitions.inc({ state: wanted });
      logger.info({ tenant: tenantId, state: wanted, revision }, 'tenant moved');
      return { tenant: tenantToProto(tenant), revision: BigInt(revision) };
    },

    async putTenantRoute({ tenantId, upstream, isolation, fence }) {
      const place = { upstream, isolation: unwrap(isolationFromProto(isolation)) };
      const { written, revision } = await placement.putTenantRoute(tenantId, place, unwrap(parseFence(fence)));
      return { tenant: tenantToProto(written), revision: BigInt(revision) };
    },

    async removeTenantRoute({ tenantId, fence }) {
      const { written, revision } = await placement.removeTenantRoute(tenantId, unwrap(parseFence(fence)));
      return { tenant: tenantToProto(written), revision: BigInt(revision) };
    },

    async putUpstream({ name, endpoints }) {
      const { written, revision } = await placement.putUpstream(name, endpoints);
      return { upstream: upstreamToProto(written), revision: BigInt(revision) };
    },

    async getUpstream({ name }) {
      return { upstream: upstreamToProto(await placement.getUpstream(name)) };
    },

    async putPlatformRoute({ label, upstream }) {
      const { host, revision } = await placement.putPlatformRoute(label, upstream);
      return { host, revision: BigInt(revision) };
    },

    async resolveHost({ host }) {
      // The position first: what is read afterwards shows at least that much.
      const { epoch, revision } = await cache.position();
      const found = await resolveHost(cache, host);
      return {
        ...(found.host && { host: routeEntryToProto(found.host) }),
        ...(found.tenant && { tenant: routeEntryToProto(found.tenant) }),
        ...(found.upstream && { upstream: routeEntryToProto(found.upstream) }),
        epoch,
        revision: BigInt(revision),
      };
    },

    async *watchRoutes(requests, call) {
      for await (const { message } of watchRoutes({ feed, gateways, routes }, requests, call)) {
        yield message.case === 'batch' ? routeBatchToBytes(message.value) : { message };
      }
    },

    async listGateways() {
      const { epoch, revision } = await routes.head();
      return { gateways: (await gateways.list()).map(gatewayToProto), epoch, revision: BigInt(revision) };
    },
  });
}
