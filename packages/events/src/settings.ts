// Which engine carries the events: NATS JetStream where an address is given, a file in the data folder otherwise.
import { dirname } from 'node:path';
import { defineSettings, type Logger, privateFolder } from '@burgage/runtime';
import { z } from 'zod';
import type { Events } from './port.ts';

/** For every service that publishes or subscribes. */
export const eventsSettings = defineSettings({
  events: {
    flag: 'events',
    env: 'BURGAGE_EVENTS',
    schema: z
      .string()
      .regex(/^(nats|tls):\/\/[^/]/, { error: 'expected an address such as nats://host:4222' })
      .optional(),
    secret: 'url',
    description: 'NATS with JetStream that carries the events, such as nats://host:4222; several with commas between',
  },
});

export interface EventsPlace {
  /** The setting `events`. */
  readonly url: string | undefined;
  /** The file of the embedded engine. */
  readonly file: string;
  readonly logger: Logger;
}

/** @throws BurgageError as `openNatsEvents` and `openEmbeddedEvents`; `config_invalid` where the file's folder cannot be made. */
export async function openEvents({ url, file, logger }: EventsPlace): Promise<Events> {
  // Loaded when needed: whoever uses one engine pays nothing for the other.
  if (url !== undefined) return await (await import('./nats/nats.ts')).openNatsEvents({ url, logger });
  await privateFolder('data', dirname(file));
  return await (await import('./embedded/embedded.ts')).openEmbeddedEvents({ file, logger });
}
