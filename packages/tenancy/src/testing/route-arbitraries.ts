// Any route entry, for property tests.
import fc from 'fast-check';
import { holds } from '../holds.ts';
import { isolations } from '../isolation.ts';
import { type RouteEntity, type RouteEntry, routeKey } from '../routes.ts';
import { tenantStates } from '../tenant-state.ts';

const name = fc.string({ minLength: 1, maxLength: 20 });
const count = fc.nat({ max: 2 ** 31 - 1 });
const version = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const limits = fc.record({ requestsPerSecond: count, concurrency: count, bodyBytesMax: version });
const entity: fc.Arbitrary<RouteEntity> = fc.oneof(
  fc.record({ kind: fc.constant('host' as const), host: name, tenantId: name }),
  fc.record({
    kind: fc.constant('upstream' as const),
    name,
    endpoints: fc.array(fc.record({ address: name, weight: fc.integer({ min: 1, max: 100 }), zone: fc.string() }), { maxLength: 5 }),
  }),
  fc
    .record({
      kind: fc.constant('tenant' as const),
      tenantId: name,
      slug: fc.string(),
      plan: fc.string(),
      state: fc.constantFrom(...tenantStates),
      holds: fc.subarray([...holds]),
      features: fc.array(fc.string(), { maxLength: 5 }),
      upstream: fc.string(),
      isolation: fc.constantFrom('' as const, ...isolations),
      entitlementVersion: version,
      branding: fc.record({ name: fc.string(), color: fc.string() }),
      platform: fc.boolean(),
      moving: fc.boolean(),
      limits: fc.option(limits, { nil: undefined }),
    })
    .map(({ limits, ...route }) => (limits ? { ...route, limits } : route)),
);
export const anyRouteEntry: fc.Arbitrary<RouteEntry> = fc.tuple(entity, version, fc.boolean()).map(([entity, version, removed]) => {
  const change = { version, removed, kind: entity.kind, key: routeKey(entity) };
  return removed ? change : { ...change, entity };
});
