// What callers hand to a journal, checked for every adapter alike.
import { invalidField } from '@burgage/contracts';

const journalName = /^[a-z][a-z0-9_.-]{0,127}$/;

/** @throws BurgageError `invalid_argument`. */
export function checkJournalName(name: string): void {
  if (!journalName.test(name)) throw invalidField('name', `got "${name}", expected lower-case letters, digits and . _ -, 128 at most`);
}

/** @throws BurgageError `invalid_argument`. */
export function checkRevision(field: string, revision: number): void {
  if (!Number.isSafeInteger(revision) || revision < 0) throw invalidField(field, `got ${revision}, expected a whole number from 0`);
}

/** @throws BurgageError `invalid_argument`. */
export function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1) throw invalidField('limit', `got ${limit}, expected a whole number from 1`);
}
