// The standing of a position: two copies of one history that went apart are never taken for one.
import { seededRandom } from '@burgage/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newStamp, nextEpoch } from './epoch.ts';
import type { JournalHead, JournalPosition } from './port.ts';
import { standingOf } from './standing.ts';

const head: JournalHead = { epoch: '5.here', revision: 10, stamp: 'ten', oldest: 4 };

describe('the standing of a position', () => {
  it.each<[position: string, epoch: string, revision: number, stamp: string, stampAt: string | undefined, standing: string]>([
    ['at the head', '5.here', 10, 'ten', 'ten', 'held'],
    ['at the head, whose entry was trimmed', '5.here', 10, 'ten', undefined, 'held'],
    ['of another history at the head', '5.here', 10, 'other', 'ten', 'forked'],
    ['behind the head', '5.here', 7, 'seven', 'seven', 'held'],
    ['of another history behind the head', '5.here', 7, 'other', 'seven', 'forked'],
    ['without a stamp', '5.here', 7, '', 'seven', 'past'],
    ['right before the oldest entry', '5.here', 3, 'three', undefined, 'past'],
    ['before what was trimmed', '5.here', 2, 'two', undefined, 'past'],
    ['before everything, where something was trimmed', '5.here', 0, '', undefined, 'past'],
    ['beyond the head', '5.here', 11, 'eleven', undefined, 'ahead'],
    ['beyond the head without a stamp', '5.here', 11, '', undefined, 'ahead'],
    ['of an earlier epoch', '4.there', 99, 'any', undefined, 'past'],
    ['of a later epoch', '6.there', 1, 'any', 'one', 'ahead'],
    ['of another epoch with the same number', '5.there', 10, 'ten', 'ten', 'forked'],
    ['of no epoch', '', 0, '', undefined, 'past'],
  ])('%s', (_, epoch, revision, stamp, stampAt, standing) => {
    expect(standingOf({ epoch, revision, stamp }, head, stampAt)).toBe(standing);
  });

  it('is held at revision 0 where nothing was trimmed, whatever was appended', () => {
    expect(standingOf({ epoch: '5.here', revision: 0, stamp: '' }, { ...head, oldest: 1 }, undefined)).toBe('held');
  });
});

/** A journal as small as can be, which can be copied. */
class Copy {
  epoch = '1.first';
  entries: string[] = [];
  trimmed = 0;

  copied(): Copy {
    return Object.assign(new Copy(), { ...this, entries: [...this.entries] });
  }

  head(): JournalHead {
    return { epoch: this.epoch, revision: this.entries.length, stamp: this.entries.at(-1) ?? '', oldest: this.trimmed + 1 };
  }

  standing(position: JournalPosition): string {
    const { revision } = position;
    return standingOf(position, this.head(), revision > this.trimmed ? this.entries[revision - 1] : undefined);
  }

  /** What a reader has seen that stands here: epoch and all entries up to there. */
  past(): string {
    return `${this.epoch} ${this.entries.join()}`;
  }
}

describe('a reader of one copy who comes to another one', () => {
  const step = fc.constantFrom('append', 'append', 'append', 'trim', 'reset');
  const steps = fc.array(step, { maxLength: 8 });
  const random = seededRandom(1);

  function apply(copy: Copy, what: string): void {
    if (what === 'append') copy.entries.push(newStamp(random));
    else if (what === 'trim') copy.trimmed = copy.entries.length;
    else Object.assign(copy, { epoch: nextEpoch(random, copy.epoch), entries: [], trimmed: 0 });
  }

  it('is held only where both have one history up to the reader', () => {
    fc.assert(
      fc.property(steps, steps, steps, (common, read, restored) => {
        const original = new Copy();
        for (const what of common) apply(original, what);
        const copy = original.copied();
        for (const what of read) apply(original, what);
        for (const what of restored) apply(copy, what);

        const standing = copy.standing(original.head());
        if (standing === 'held') expect(copy.past().startsWith(original.past())).toBe(true);
        // And where the reader has seen what is not here, it is not told that it is merely behind, unless that cannot be known.
        if (original.epoch === copy.epoch && original.entries.length > copy.entries.length) expect(standing).toBe('ahead');
      }),
      { numRuns: 2_000 },
    );
  });
});
