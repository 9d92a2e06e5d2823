// The gRPC handlers: translate, call, translate back.
import { invalidField, RegistryService } from '@burgage/contracts';
import { implement, type RpcImplementation } from '@burgage/rpc';
import type { Logger } from '@burgage/runtime';
import type { Journal, Stored } from '@burgage/store';
import { routeBatchToBytes, routeEntryToProto, unwrap } from '@burgage/tenancy';
import { gatewayToProto, isolationFromProto, stateFromProto, tenantToProto, upstreamToProto } from './adapters/proto.ts';
import { parseHold } from './domain/entitlement.ts';
import { parseFence } from './domain/fence.ts';
import type { TenantRecord } from './domain/tenant.ts';
import type { Gateways } from './gateways.ts';
import { resolveHost } from './host-resolver.ts';
import type { LimitShares } from './limit-shares.ts';
import type { RegistryMetrics } from './metrics.ts';
import type { Placement } from './placement.ts';
import type { RouteCache } from './route-cache.ts';
import type { RouteFeed } from './route-feed.ts';
import type { ShownTenant, Tenants } from './tenants.ts';
import { watchRoutes } from './watch.ts';

export interface HandlerParts {
  readonly tenants: Tenants;
  readonly placement: Placement;
  readonly feed: RouteFeed;
  readonly gateways: Gateways;
  readonly shares: LimitShares;
  readonly routes: Journal;
  readonly cache: RouteCache;
  readonly metrics: RegistryMetrics;
  readonly logger: Logger;
}

const pageSizeDefault = 50;
const pageSizeMax = 500;

function pageSizeOf(asked: number): number {
  if (asked <= pageSizeMax) return asked || pageSizeDefault;
  throw invalidField('page_size', `got ${asked}, expected 1 to ${pageSizeMax}, or 0 for ${pageSizeDefault}`);
}

export function registryHandlers({
  tenants,
  placement,
  feed,
  gateways,
  shares,
  routes,
  cache,
  metrics,
  logger,
}: HandlerParts): RpcImplementation {
  const tenantOf = (tenant: Stored<TenantRecord>) => tenantToProto(tenant, tenants.dueTo(tenant.value));
  const answer = ({ tenant, revision }: ShownTenant) => ({ tenant: tenantOf(tenant), revision: BigInt(revision) });

  return implement(RegistryService, {
    async createTenant(request) {
      const { tenant, created } = await tenants.create(request);
      if (created) {
        metrics.tenantsCreated.inc();
        logger.info({ tenant: tenant.id, slug: tenant.value.slug, plan: tenant.value.plan }, 'tenant requested');
      }
      return { tenant: tenantOf(tenant), created };
    },

    async getTenant({ tenant }) {
      return { tenant: tenantOf(await tenants.get(tenant)) };
    },

    async listTenants({ pageSize, pageToken, state, plan, oldestFirst }) {
      const wanted = unwrap(stateFromProto(state));
      const page = await tenants.list({
        pageSize: pageSizeOf(pageSize),
        pageToken,
        plan,
        oldestFirst,
        ...(wanted && { state: wanted }),
      });
      return { tenants: page.items.map(tenantOf), nextPageToken: page.nextCursor ?? '' };
    },

    async transitionTenant({ tenantId, state, fence, reason }) {
      const wanted = unwrap(stateFromProto(state));
      if (wanted === undefined) throw invalidField('state', 'is missing, expected the state that the tenant should be in');
      const { tenant, revision } = await tenants.move(tenantId, wanted, unwrap(parseFence(fence)), reason);
      metrics.transitions.inc({ state: wanted });
      logger.info({ tenant: tenantId, state: wanted, revision }, 'tenant moved');
      return answer({ tenant, revision });
    },

    async putTenantRoute({ tenantId, upstream, isolation, fence }) {
      const place = { upstream, isolation: unwrap(isolationFromProto(isolation)) };
      const { written, revision } = await placement.putTenantRoute(tenantId, place, unwrap(parseFence(fence)));
      return { tenant: tenantOf(written), revision: BigInt(revision) };
    },

    async removeTenantRoute({ tenantId, fence }) {
      const { written, revision } = await placement.removeTenantRoute(tenantId, unwrap(parseFence(fence)));
      return { tenant: tenantOf(written), revision: BigInt(revision) };
    },

    async addTenantHold({ tenantId, hold, fence }) {
      const shown = await tenants.addHold(tenantId, unwrap(parseHold(hold)), unwrap(parseFence(fence)));
      logger.info({ tenant: tenantId, hold, revision: shown.revision }, 'tenant held');
      return answer(shown);
    },

    async liftTenantHold({ tenantId, hold, fence }) {
      const shown = await tenants.liftHold(tenantId, unwrap(parseHold(hold)), unwrap(parseFence(fence)));
      logger.info({ tenant: tenantId, hold, revision: shown.revision }, 'hold of tenant lifted');
      return answer(shown);
    },

    async setTenantPlan({ tenantId, plan, fence, validateOnly }) {
      if (validateOnly) return { tenant: tenantOf(await tenants.checkPlan(tenantId, plan)) };
      const shown = await tenants.changePlan(tenantId, plan, unwrap(parseFence(fence)));
      logger.info({ tenant: tenantId, plan, revision: shown.revision }, 'plan of tenant changed');
      return answer(shown);
    },

    async setTenantMoving({ tenantId, moving, fence }) {
      return answer(await tenants.setMoving(tenantId, moving, unwrap(parseFence(fence))));
    },

    async removeUpstream({ name, fence }) {
      return { revision: BigInt(await placement.removeUpstream(name, fence && unwrap(parseFence(fence)))) };
    },

    async listUpstreams({ pageSize, pageToken }) {
      const page = await placement.listUpstreams(pageSizeOf(pageSize), pageToken);
      return { upstreams: page.items.map(upstreamToProto), nextPageToken: page.nextCursor ?? '' };
    },

    async putUpstream({ name, endpoints, fence }) {
      const { written, revision } = await placement.putUpstream(name, endpoints, fence && unwrap(parseFence(fence)));
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
      for await (const { message } of watchRoutes({ feed, gateways, routes, shares }, requests, call)) {
        yield message.case === 'batch' ? routeBatchToBytes(message.value) : { message };
      }
    },

    async listGateways() {
      const { epoch, revision } = await routes.head();
      return { gateways: (await gateways.list()).map(gatewayToProto), epoch, revision: BigInt(revision) };
    },
  });
}
