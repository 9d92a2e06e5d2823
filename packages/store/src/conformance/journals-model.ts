// Conformance: a journal does what a list in memory does, whatever is done to it in whatever order.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Journal, JournalHead, Json } from '../port.ts';
import { type Bench, codeOf } from './context.ts';

type Step =
  | { readonly kind: 'append'; readonly values: readonly Json[] }
  | { readonly kind: 'trim'; readonly revision: number }
  | { readonly kind: 'read'; readonly revision: number; readonly limit: number }
  | { readonly kind: 'reset' };

const revision = fc.nat({ max: 25 });
const value = fc.jsonValue({ maxDepth: 2, noUnicodeString: false }).map((json) => JSON.parse(JSON.stringify(json)) as Json);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), values: fc.array(value, { maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('trim' as const), revision }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), revision, limit: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
);

class Model {
  values: Json[] = [];
  trimmed = 0;
  readonly #epochs = new Set<string>();

  async apply(journal: Journal, what: Step): Promise<void> {
    switch (what.kind) {
      case 'append':
        this.values.push(...what.values);
        this.#check(await journal.append(what.values));
        break;
      case 'trim':
        await journal.trim(what.revision);
        this.trimmed = Math.max(this.trimmed, Math.min(what.revision, this.values.length));
        break;
      case 'read':
        await this.#read(journal, what.revision, what.limit);
        break;
      case 'reset': {
        const head = await journal.reset();
        expect(this.#epochs).not.toContain(head.epoch);
        this.values = [];
        this.trimmed = 0;
        this.#epochs.add(head.epoch);
        break;
      }
      default:
        what satisfies never;
    }
    this.#check(await journal.head());
  }

  #check({ epoch, revision, oldest }: JournalHead): void {
    if (this.#epochs.size === 0) this.#epochs.add(epoch);
    expect({ epoch, revision, oldest }).toEqual({
      epoch: [...this.#epochs].at(-1),
      revision: this.values.length,
      oldest: this.trimmed + 1,
    });
  }

  async #read(journal: Journal, after: number, limit: number): Promise<void> {
    if (after < this.trimmed) {
      expect(await codeOf(journal.readAfter(after, limit))).toBe('not_found');
      return;
    }
    const expected = this.values.slice(after, after + limit).map((entry, index) => ({ revision: after + index + 1, value: entry }));
    expect(await journal.readAfter(after, limit)).toEqual(expected);
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
          const model = new Model();
          for (const what of steps) await model.apply(journal, what);
        }),
        { numRuns: 150 },
      );
    });
  });
}
