// Why a write or a read is refused, in the same words by every adapter.
import { BurgageError } from '@burgage/contracts';
import type { AnyDocumentType, UniqueKey } from './declared.ts';

export function alreadyExists(type: AnyDocumentType, id: string): BurgageError {
  return new BurgageError('already_exists', { message: `${type.name} "${id}" exists already`, metadata: { id } });
}

export function documentNotFound(type: AnyDocumentType, id: string): BurgageError {
  return new BurgageError('document_not_found', { message: `${type.name} has no "${id}"`, metadata: { id } });
}

export function versionConflict(type: AnyDocumentType, id: string, expected: number, actual: number): BurgageError {
  return new BurgageError('version_conflict', {
    message: `${type.name} "${id}" has version ${actual}, expected ${expected}`,
    metadata: { id, expected: String(expected), actual: String(actual) },
  });
}

/** `holder`: the id of the document that has the key. */
export function uniqueKeyTaken(type: AnyDocumentType, { key, value }: UniqueKey, holder: string): BurgageError {
  return new BurgageError('unique_key_taken', {
    message: `${type.name}: ${key} "${value}" is held by "${holder}"`,
    metadata: { key, value, holder },
  });
}

export function outboxPending(type: AnyDocumentType, id: string, itemCount: number): BurgageError {
  return new BurgageError('outbox_pending', {
    message: `${type.name} "${id}" cannot be removed before its outbox is relayed; ${itemCount} items wait`,
    metadata: { id },
  });
}

/** The entry after `revision` is gone. */
export function trimmedAway(journal: string, revision: number, oldest: number): BurgageError {
  return new BurgageError('not_found', {
    message: `journal ${journal}: revision ${revision + 1} was trimmed; the oldest is ${oldest}`,
    metadata: { journal, oldest: String(oldest) },
  });
}
