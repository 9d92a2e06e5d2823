// The slug of a terminated tenant: kept from others for a while, so that no old link leads to a stranger.
import type { TenantRecord } from './tenant.ts';

/** Long enough for bookmarks, mails and search engines to have forgotten the name. */
const quarantineMs = 90 * 24 * 60 * 60 * 1000;

/** The tenant without its slug, which goes into quarantine. One that has given its slug up before has none to keep from others. */
export function inQuarantine(record: TenantRecord, nowMs: number): TenantRecord {
  if (record.slug === '') return record;
  return { ...record, slug: '', formerSlug: record.slug, slugQuarantineEndTimeMs: nowMs + quarantineMs };
}

/** The slug that nobody else gets because of this tenant: its own, or the one in quarantine; undefined where there is none. */
export function slugKept({ slug, formerSlug, slugQuarantineEndTimeMs }: TenantRecord): string | undefined {
  if (slug !== '') return slug;
  return slugQuarantineEndTimeMs === undefined ? undefined : formerSlug;
}

/** Without its quarantine where that is over; the same object otherwise. */
export function afterQuarantine(record: TenantRecord, nowMs: number): TenantRecord {
  const { slugQuarantineEndTimeMs: endMs, ...free } = record;
  return endMs === undefined || nowMs < endMs ? record : free;
}
