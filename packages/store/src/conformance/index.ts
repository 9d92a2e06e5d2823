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

/**
 * Declares the tests of the adapter `name` in the calling test file. `module` is the URL of a module that exports what
 * `StorePlaces` says: this process imports it, and so do the processes that the suite starts and kills.
 */
export async function storeConformance(name: string, module: string): Promise<void> {
  const places = (await import(module)) as StorePlaces;
  describe(`${name} store`, () => {
    const bench = createBench(module, places);
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
export async function orderedCallTests(name: string, module: string): Promise<void> {
  const places = (await import(module)) as StorePlaces;
  describe(`${name} store`, () => burstModelTests(createBench(module, places)));
}
