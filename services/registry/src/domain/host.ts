// A host: who it leads to.
import type { RouteEntry } from '@burgage/tenancy';

/**
 * What the store keeps of a host; its document's id is the host. The document stays when the host is released, so that
 * the version of its route goes on growing when somebody else claims it.
 */
export interface HostRecord {
  readonly host: string;
  /** Null: released. */
  readonly tenantId: string | null;
}

/** The route entry of a host whose document has `version`. */
export function hostEntry({ host, tenantId }: HostRecord, version: number): RouteEntry {
  const entry = { version, removed: tenantId === null, kind: 'host', key: host } as const;
  return tenantId === null ? entry : { ...entry, entity: { kind: 'host', host, tenantId } };
}
