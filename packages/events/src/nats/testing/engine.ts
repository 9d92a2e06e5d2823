// Opens the NATS adapter for the conformance suite, in its own process and in child processes.
import type { Events } from '../../port.ts';
import { openNatsEvents } from '../nats.ts';

/** `place` is a server's address with a namespace: `nats://host:port#namespace`. */
export function openEvents(place: string): Promise<Events> {
  const [url = '', namespace = ''] = place.split('#');
  return openNatsEvents({ url, namespace });
}
