// Conformance: a journal does what a list in memory does, whatever is done to it in whatever order.
import { epochNumber } from '@burgage/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Journal, JournalHead, JournalPosition, Json, Standing } from '../port.ts';
import { type Bench, codeOf } from './context.ts';

type Step =
  | { readonly kind: 'append'; readonly values: readonly Json[] }
  | { readonly kind: 'trim'; readonly revision: number }
  | { readonly kind: 'read'; readonly revision: number; readonly limit: number }
  | { readonly kind: 'stand'; readonly back: number; readonly otherStamp: boolean }
  | { readonly kind: 'reset' };

const revision = fc.nat({ max: 25 });
const value = fc.jsonValue({ maxDepth: 2, noUnicodeString: false }).map((json) => JSON.parse(JSON.stringify(json)) as Json);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), values: fc.array(value, { maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('trim' as const), revision }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), revision, limit: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('stand' as const), back: fc.nat({ max: 12 }), otherStamp: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
);

class Model {
  /** Of this epoch, the first at revision 1. */
  #entries: { value: Json; stamp: string }[] = [];
  #trimmed = 0;
  readonly #epochs: string[];
  /** Every head that there was. */
  readonly #positions: JournalPosition[] = [];

  constructor(head: JournalHead) {
    this.#epochs = [head.epoch];
    this.#check(head);
  }

  async apply(journal: Journal, what: Step): Promise<void> {
    switch (what.kind) {
      case 'append': {
        const head = await journal.append(what.values);
        this.#entries.push(...what.values.map((value) => ({ value, stamp: head.stamp })));
        this.#check(head);
        break;
      }
      case 'trim':
        await journal.trim(what.revision);
        this.#trimmed = Math.max(this.#trimmed, Math.min(what.revision, this.#entries.length));
        break;
      case 'read':
        await this.#read(journal, what.revision, what.limit);
        break;
      case 'stand':
        await this.#stand(journal, what.back, what.otherStamp);
        break;
      case 'reset': {
        const head = await journal.reset();
        expect(epochNumber(head.epoch)).toBe(epochNumber(this.#epochs.at(-1) ?? '') + 1);
        this.#entries = [];
        this.#trimmed = 0;
        this.#epochs.push(head.epoch);
        break;
      }
      default:
        what satisfies never;
    }
    this.#check(await journal.head());
  }

  #check(head: JournalHead): void {
    const position = { epoch: this.#epochs.at(-1) ?? '', revision: this.#entries.length, stamp: this.#entries.at(-1)?.stamp ?? '' };
    expect(head).toEqual({ ...position, oldest: this.#trimmed + 1 });
    this.#positions.push(position);
  }

  async #read(journal: Journal, after: number, limit: number): Promise<void> {
    if (after < this.#trimmed) {
      expect(await codeOf(journal.readAfter(after, limit))).toBe('not_found');
      return;
    }
    const expected = this.#entries.slice(after, after + limit).map((entry, index) => ({ revision: after + index + 1, ...entry }));
    expect(await journal.readAfter(after, limit)).toEqual(expected);
  }

  async #stand(journal: Journal, back: number, otherStamp: boolean): Promise<void> {
    const position = this.#positions.at(-1 - back);
    if (position === undefined) return;
    const { epoch, revision } = position;
    const isKnown = revision > this.#trimmed || revision === this.#entries.length;
    let expected: Standing = otherStamp && revision > 0 ? 'forked' : 'held';
    if (epoch !== this.#epochs.at(-1) || revision < this.#trimmed || (revision > 0 && !isKnown)) expected = 'past';
    expect(await journal.standing({ ...position, ...(otherStamp ? { stamp: 'another' } : {}) })).toBe(expected);
  }
}

export function journalModelTests(bench: Bench): void {
  describe('journals against a model', () => {
    it('append, trim, reset and read as a list in memory does', async () => {
      const store = await bench.open();
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          run += 1;
          const journal = store.journal(`model-${run}`);
          const model = new Model(await journal.head());
          for (const what of steps) await model.apply(journal, what);
        }),
        { numRuns: bench.times(150) },
      );
    });
  });
}
