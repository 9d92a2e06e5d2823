// The conformance suite of the store: what every adapter must do alike.
import { describe } from 'vitest';
import { createBench } from './context.ts';
import { documentTests } from './documents.ts';
import { burstModelTests, documentModelTests } from './documents-model.ts';
import { journalTests } from './journals.ts';
import { journalModelTests } from './journals-model.ts';
import { listTests } from './lists.ts';
import type { StorePlaces } from './places.ts';
import { processTests } from './processes.ts';
import { relayTests } from './relays.ts';
import { schemaTests } from './schemas.ts';

export type { StorePlaces } from './places.ts';

/** What the suite has to know of an adapter. */
export interface ConformingAdapter {
  readonly name: string;
  readonly places: StorePlaces;
  /** URL of the module that exports `places`: the processes that the suite starts and kills import it. */
  readonly module: string;
  /** How much of what is done very often is done, for engines that are slow; default 1. */
  readonly effort?: number;
}

/** Declares the tests of an adapter in the calling test file. */
export function storeConformance(adapter: ConformingAdapter): void {
  describe(`${adapter.name} store`, () => {
    const bench = createBench(adapter);
    documentTests(bench);
    documentModelTests(bench);
    listTests(bench);
    schemaTests(bench);
    journalTests(bench);
    journalModelTests(bench);
    processTests(bench);
    relayTests(bench);
  });
}

/** For adapters that also carry out calls that nobody waits for in the order in which they were made. */
export function orderedCallTests(adapter: ConformingAdapter): void {
  describe(`${adapter.name} store`, () => burstModelTests(createBench(adapter)));
}
