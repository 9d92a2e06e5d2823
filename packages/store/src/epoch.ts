// New epochs and stamps of journals.
import { epochNumber } from '@burgage/contracts';
import type { Random } from '@burgage/runtime';

const randomBytes = 12;

/** A new epoch, later than each of `before`. */
export function nextEpoch(random: Random, ...before: readonly string[]): string {
  return `${Math.max(0, ...before.map(epochNumber)) + 1}.${randomText(random, randomBytes)}`;
}

/** A new stamp for what one append writes. */
export function newStamp(random: Random): string {
  return randomText(random, 9);
}

function randomText(random: Random, byteCount: number): string {
  return Buffer.from(random.bytes(byteCount)).toString('base64url');
}
