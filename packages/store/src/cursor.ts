// The opaque cursor of a list: where the page before ended, and which list it belongs to.
import { createHash } from 'node:crypto';
import { BurgageError } from '@burgage/contracts';
import type { IndexValue, ListQuery } from './port.ts';

/** The last document of the page before. */
export interface Position {
  /** Its sort value as the adapter compares it; absent when the sort field is `id`. */
  readonly sorted?: IndexValue;
  readonly id: string;
}

/** What a cursor is bound to: another type, filter or order gets another one. */
function listFingerprint(typeName: string, query: ListQuery): string {
  const order = [query.sort?.field ?? 'id', query.sort?.descending ?? false];
  const conditions = (query.where ?? []).map(({ field, op, value }) => [field, op, value]);
  return createHash('sha256')
    .update(JSON.stringify([typeName, order, conditions]))
    .digest('base64url')
    .slice(0, 12);
}

export function encodeCursor(typeName: string, query: ListQuery, position: Position): string {
  const parts = [listFingerprint(typeName, query), position.id, ...(position.sorted === undefined ? [] : [position.sorted])];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** @throws BurgageError `invalid_page_token` where the cursor is damaged or of another list. */
export function decodeCursor(typeName: string, query: ListQuery, cursor: string): Position {
  const [fingerprint, id, sorted, ...rest] = cursorParts(cursor);
  const bySortValue = (query.sort?.field ?? 'id') !== 'id';
  const sortedFits = bySortValue ? ['string', 'number', 'boolean'].includes(typeof sorted) : sorted === undefined;
  if (fingerprint !== listFingerprint(typeName, query) || typeof id !== 'string' || !sortedFits || rest.length > 0) {
    throw new BurgageError('invalid_page_token', {
      message: 'the page token is not one that this list gave, expected the one of the page before, with the same filter and order',
    });
  }
  return bySortValue ? { id, sorted: sorted as IndexValue } : { id };
}

function cursorParts(cursor: string): readonly unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}
