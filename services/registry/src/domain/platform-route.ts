// A part of the platform that has a host of its own, such as the API.
import { invalidField } from '@burgage/contracts';
import { err, got, ok, type Result, type RouteEntry, reservedNames } from '@burgage/tenancy';

/** What the store keeps of it; its document's id is `platformRouteId(label)`. */
export interface PlatformRouteRecord {
  readonly label: string;
  readonly upstream: string;
}

/** Stands where a tenant's id does: no tenant's id begins with it. */
export function platformRouteId(label: string): string {
  return `platform_${label}`;
}

export function isPlatformRouteId(id: string): boolean {
  return id.startsWith('platform_');
}

/** `invalid_argument` unless `label` is one of the reserved names: any other could be a tenant's slug. */
export function parsePlatformLabel(label: string): Result<string> {
  if (reservedNames.has(label)) return ok(label);
  return err(invalidField('label', `${got(label)}, expected one of the reserved names, such as api`));
}

/** The route entry of a part of the platform whose document has `version`: served always, without limits or context. */
export function platformEntry({ label, upstream }: PlatformRouteRecord, version: number): RouteEntry {
  const tenantId = platformRouteId(label);
  return {
    version,
    removed: false,
    kind: 'tenant',
    key: tenantId,
    entity: {
      kind: 'tenant',
      tenantId,
      slug: label,
      plan: '',
      state: 'active',
      holds: [],
      features: [],
      upstream,
      isolation: '',
      entitlementVersion: 0,
      branding: { name: label, color: '#475569' },
      platform: true,
      moving: false,
    },
  };
}
