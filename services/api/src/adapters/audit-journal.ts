// Keeps the audit trail in a journal of the store: appended in order, read from the newest back.
import { BurgageError } from '@burgage/contracts';
import type { Journal, Json } from '@burgage/store';
import type { AuditEntry } from '../schemas/audit.ts';

export interface AuditTrail {
  /** Durable when resolved. */
  append(entry: Omit<AuditEntry, 'revision'>): Promise<void>;
  /** Newest first. @throws BurgageError `invalid_page_token`. */
  list(pageSize: number, pageToken?: string): Promise<{ items: AuditEntry[]; next?: string }>;
}

/** The trail in `journal`. A page token names the epoch and the revision that the next page begins at. */
export function createAuditTrail(journal: Journal): AuditTrail {
  return {
    async append(entry) {
      const value: Record<string, Json> = {};
      for (const [name, content] of Object.entries(entry)) if (content !== undefined) value[name] = content;
      await journal.append([value]);
    },

    async list(pageSize, pageToken) {
      const head = await journal.head();
      const newest = pageToken === undefined ? head.revision : revisionFrom(pageToken, head.epoch, head.revision);
      const after = Math.max(newest - pageSize, head.oldest - 1);
      if (newest <= after) return { items: [] };
      const entries = await journal.readAfter(after, newest - after);
      const items = entries.map(({ revision, value }) => ({ ...(value as Omit<AuditEntry, 'revision'>), revision })).reverse();
      return after >= head.oldest ? { items, next: Buffer.from(`${head.epoch} ${after}`).toString('base64url') } : { items };
    },
  };
}

function revisionFrom(pageToken: string, epoch: string, head: number): number {
  const [ofEpoch, text = ''] = Buffer.from(pageToken, 'base64url').toString().split(' ');
  const revision = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (ofEpoch !== epoch || revision < 1 || revision > head) {
    throw new BurgageError('invalid_page_token');
  }
  return revision;
}
