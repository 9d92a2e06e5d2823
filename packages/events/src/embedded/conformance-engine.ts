// Opens the embedded adapter for the conformance suite, in its own process and in child processes.
import type { Events } from '../port.ts';
import { openEmbeddedEvents } from './embedded.ts';

/** `place` is a file. */
export function openEvents(place: string): Promise<Events> {
  return openEmbeddedEvents({ file: place });
}
