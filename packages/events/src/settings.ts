// Which engine carries the events: NATS JetStream where an address is given, a file in the data folder otherwise.
import { dirname } from 'node:path';
import { defineSettings, inNameOf, type Logger, privateFolder, wholeNumber } from '@burgage/runtime';
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
  eventsReplicas: {
    flag: 'events-replicas',
    env: 'BURGAGE_EVENTS_REPLICAS',
    schema: wholeNumber('expected a whole number from 1 to 5', 1, 5).optional(),
    description: 'Copies of each stream in NATS, at most as many as its cluster has servers; without it 1 where the streams are made here',
  },
});

export interface EventsPlace {
  /** The setting `events`. */
  readonly url: string | undefined;
  /** The setting `eventsReplicas`; the embedded engine has one copy. */
  readonly replicas?: number | undefined;
  /** The file of the embedded engine. */
  readonly file: string;
  readonly logger: Logger;
}

/** @throws BurgageError as `openNatsEvents` and `openEmbeddedEvents`, naming the setting; `config_invalid` where the file's folder cannot be made. */
export async function openEvents({ url, replicas, file, logger }: EventsPlace): Promise<Events> {
  logger.info({ engine: url === undefined ? 'embedded' : 'nats' }, 'opening the events');
  // Loaded when needed: whoever uses one engine pays nothing for the other.
  if (url !== undefined) {
    const { openNatsEvents } = await import('./nats/nats.ts');
    // None given is not 1: what somebody has changed by hand stays.
    const given = replicas === undefined ? {} : { replicas };
    const names = { url: eventsSettings.events, replicas: eventsSettings.eventsReplicas };
    return await inNameOf(names, () => openNatsEvents({ url, logger, ...given }));
  }
  await privateFolder('data', dirname(file));
  return await (await import('./embedded/embedded.ts')).openEmbeddedEvents({ file, logger });
}
