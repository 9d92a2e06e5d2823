// Random routes for the property tests of the table and of what follows it.
import type { RouteEntity, RouteEntry } from '@burgage/tenancy';
import fc from 'fast-check';

export const hostNames = ['a.test', 'b.test', 'x.a.test', 'y.x.a.test', '*.a.test', '**.a.test', '**.test', '*.x.a.test'];
export const lookUps = [...hostNames.filter((host) => !host.startsWith('*')), 'z.a.test', 'q.z.a.test', 'other.test', 'none.example'];
const tenantIds = ['ten_1', 'ten_2', 'ten_3'];
const upstreamNames = ['shared', 'silo'];

function entityOf(kind: RouteEntity['kind'], name: number, detail: number): RouteEntity {
  const pick = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;
  switch (kind) {
    case 'host':
      return { kind, host: pick(hostNames, name), tenantId: pick(tenantIds, detail) };
    case 'tenant':
      return {
        kind,
        tenantId: pick(tenantIds, name),
        slug: `slug-${detail}`,
        plan: pick(['trial', 'starter'], detail),
        state: pick(['active', 'provisioning', 'terminated'] as const, detail),
        holds: detail % 4 === 0 ? ['unpaid'] : [],
        ...(detail % 3 !== 0 && { limits: { requestsPerSecond: detail, concurrency: 5, bodyBytesMax: 0 } }),
        features: detail % 2 === 0 ? ['export'] : [],
        upstream: pick(upstreamNames, detail),
        isolation: pick(['pool', 'silo', ''] as const, detail),
        entitlementVersion: detail,
        branding: { name: `Größe ${detail}`, color: '#336699' },
        platform: detail % 5 === 0,
        moving: detail % 7 === 0,
      };
    case 'upstream':
      return {
        kind,
        name: pick(upstreamNames, name),
        endpoints: Array.from({ length: detail % 3 }, (_, i) => ({ address: `10.0.0.${i}:80`, weight: 1, zone: '' })),
      };
    default:
      throw new TypeError(String(kind satisfies never));
  }
}

/** One change of one of a few entities. */
export const entries: fc.Arbitrary<RouteEntry> = fc
  .record({
    kind: fc.constantFrom('host', 'tenant', 'upstream'),
    name: fc.nat({ max: 7 }),
    detail: fc.nat({ max: 30 }),
    version: fc.integer({ min: 1, max: 12 }),
    removed: fc.boolean(),
  })
  .map(({ kind, name, detail, version, removed }): RouteEntry => {
    const entity = entityOf(kind, name, detail);
    const key = entity.kind === 'host' ? entity.host : entity.kind === 'tenant' ? entity.tenantId : entity.name;
    return removed ? { kind, key, version, removed } : { kind, key, version, removed, entity };
  });

/** What a table should hold after some entries: the newest of each entity, the first of those that are equally new. */
export function newest(all: readonly RouteEntry[]): Map<string, RouteEntry> {
  const held = new Map<string, RouteEntry>();
  for (const entry of all) {
    const known = held.get(`${entry.kind} ${entry.key}`);
    if (known === undefined || known.version < entry.version) held.set(`${entry.kind} ${entry.key}`, entry);
  }
  return held;
}
