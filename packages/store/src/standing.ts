// How a position in a journal lies to what the journal holds: decided here, for every adapter alike.
import { epochNumber } from '@burgage/contracts';
import type { JournalHead, JournalPosition, Standing } from './port.ts';

/**
 * The standing of `position` in a journal with this `head`, both of one moment. `stampAt` is the stamp of the entry at
 * the position's revision, undefined where there is no such entry. In this order:
 * - Epochs are ordered by number. Two of one number are two histories that were each reset.
 * - What is beyond the head is still to come.
 * - What follows cannot be read where its beginning was trimmed.
 * - Where nothing was appended yet, there is nothing to differ in.
 * - A stamp decides. One that is not known, here or there, proves nothing, so all has to be read anew.
 */
export function standingOf(position: JournalPosition, head: JournalHead, stampAt: string | undefined): Standing {
  if (position.epoch !== head.epoch) {
    const distance = epochNumber(position.epoch) - epochNumber(head.epoch);
    return distance === 0 ? 'forked' : distance < 0 ? 'past' : 'ahead';
  }
  if (position.revision > head.revision) return 'ahead';
  if (position.revision + 1 < head.oldest) return 'past';
  if (position.revision === 0) return 'held';
  // The head keeps its stamp when its entry is trimmed.
  const known = position.revision === head.revision ? head.stamp : stampAt;
  if (known === undefined || position.stamp === '') return 'past';
  return position.stamp === known ? 'held' : 'forked';
}
