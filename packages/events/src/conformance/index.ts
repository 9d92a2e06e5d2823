// The conformance suite of the events: what every adapter promises, whatever engine is behind it.
import { describe } from 'vitest';
import { deliveryConformance } from './delivery.ts';
import type { EventsEngine } from './engine.ts';
import { failureConformance } from './failure.ts';
import { processConformance } from './processes.ts';

export type { EventsEngine } from './engine.ts';

/** Registers the whole suite with vitest, under `name`. Nothing in it is timed; a handful of tests start child processes. */
export function eventsConformance(name: string, engine: EventsEngine): void {
  describe(`events conformance: ${name}`, () => {
    describe('delivery', () => deliveryConformance(engine));
    describe('failure', () => failureConformance(engine));
    describe('processes', () => processConformance(engine));
  });
}
