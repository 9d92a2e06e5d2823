// Writers whose time stands still, so that the end of the journal which they saw last never gets old: each acknowledged append is there once.
import { describeWithLab } from '@burgage/lab';
import { type Clock, systemClock } from '@burgage/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { codeOf } from '../conformance/context.ts';
import type { Store } from '../port.ts';
import * as places from './places.ts';
import { openMongoStore } from './store.ts';

type Step =
  | { readonly kind: 'append'; readonly writer: number; readonly count: number }
  | { readonly kind: 'trim'; readonly writer: number; readonly kept: number }
  | { readonly kind: 'reset' | 'rest'; readonly writer: number };

const writer = fc.nat({ max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('append' as const), writer, count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('trim' as const), writer, kept: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const), writer }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rest' as const), writer }) },
);

/** Stands still, but for those who sleep. */
class StoppedClock implements Clock {
  #elapsedMs = 0;

  readonly now = systemClock.now;
  readonly sleep = systemClock.sleep;

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  /** So long that what was seen before is old. */
  rest(): void {
    this.#elapsedMs += 10_000;
  }
}

/** The first writer still believes in the end after its own entry, where everything has been trimmed since. */
const tooLate: Step[] = [
  { kind: 'append', writer: 0, count: 1 },
  { kind: 'append', writer: 1, count: 4 },
  { kind: 'append', writer: 1, count: 4 },
  { kind: 'trim', writer: 1, kept: 0 },
  { kind: 'append', writer: 0, count: 1 },
];

describeWithLab('late writers of a journal', [{ server: 'mongo', options: { fsync: false } }], (lab) => {
  let place: { readonly url: string; readonly database: string };
  const clocks = Array.from({ length: 4 }, () => new StoppedClock());
  let stores: readonly Store[];

  beforeAll(async () => {
    places.serveFrom(lab.server('mongo').url);
    place = (await places.newPlace()) as typeof place;
    // The last one reads only.
    stores = await Promise.all(clocks.map((clock) => openMongoStore({ ...place, clock })));
  });

  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await places.removePlace(place);
  });

  it('leave no gap, nothing twice, and nothing that was not acknowledged', { timeout: 60_000 }, async () => {
    let runs = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        runs += 1;
        const journals = stores.map((store) => store.journal(`run-${runs}`));
        const reader = journals[3];
        if (reader === undefined) throw new Error('no reader');
        let [values, trimmed, number]: [number[], number, number] = [[], 0, 0];
        for (const what of steps) {
          const journal = journals[what.writer] ?? reader;
          if (what.kind === 'append') {
            const appended = Array.from({ length: what.count }, () => (number += 1));
            const code = await codeOf(journal.append(appended).then((head) => expect(head.revision).toBe(values.length + what.count)));
            if (code === 'no error') values = [...values, ...appended];
            else expect(code).toBe('unavailable');
            if (code !== 'no error') refused += 1;
          } else if (what.kind === 'trim') {
            trimmed = Math.max(trimmed, values.length - what.kept);
            await journal.trim(Math.max(0, values.length - what.kept));
          } else if (what.kind === 'rest') {
            clocks[what.writer]?.rest();
          } else {
            await journal.reset();
            [values, trimmed] = [[], 0];
          }
          const head = await reader.head();
          expect(head).toMatchObject({ revision: values.length, oldest: trimmed + 1 });
          expect((await reader.readAfter(trimmed, 100)).map(({ value }) => value)).toEqual(values.slice(trimmed));
          for (const position of [head, await journal.head()]) expect(await reader.standing(position)).toBe('held');
        }
      }),
      { numRuns: 40, examples: [[tooLate]] },
    );
    // Or the test has not come where it should.
    expect(refused).toBeGreaterThan(0);
  });
});
