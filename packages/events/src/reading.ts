// Reads events by the event catalogue: what is not known here is said to be so, and never guessed.
import { BurgageError, decodeEvent, type EventMessage, type EventSubject, eventCatalogue, isEventSubject } from '@burgage/contracts';
import type { Delivery, Event, SubscribeOptions } from './port.ts';

/** An event that the catalogue knows; narrow it by its subject. */
export type KnownEvent = { [S in EventSubject]: { readonly subject: S; readonly message: EventMessage<S> } }[EventSubject];

/**
 * The message of `event`, as the catalogue says for its subject.
 *
 * @throws BurgageError `event_unknown` for a subject or a schema version that the catalogue does not have, and for bytes that
 * are no such message. A handler that lets it pass has the event made a dead letter at once.
 */
export function readEvent(event: Event): KnownEvent {
  const { subject, schema } = event;
  if (!isEventSubject(subject)) throw unknown(event, 'subject', subject, 'one of the event catalogue');
  const { typeName } = eventCatalogue[subject];
  if (schema !== undefined && schema !== typeName) throw unknown(event, 'schema', schema, typeName);
  try {
    return { subject, message: decodeEvent(subject, event.data) } as KnownEvent;
  } catch (error) {
    throw unknown(event, 'data', `${event.data.length} bytes that cannot be read`, typeName, error);
  }
}

/** Subject -> what is done with its message. */
export type EventHandlers = {
  readonly [S in EventSubject]?: (message: EventMessage<S>, event: Event, delivery: Delivery) => Promise<void>;
};

/**
 * The subjects and the handler of a subscription that reads its events with `readEvent`:
 * `subscribe({ consumer, ...handling({ 'burgage.registry.tenant.requested': async ({ tenantId }) => … }) })`.
 */
export function handling(handlers: EventHandlers): Pick<SubscribeOptions, 'subjects' | 'handler'> {
  return {
    subjects: Object.keys(handlers),
    async handler(event, delivery) {
      const { subject, message } = readEvent(event);
      const handle = handlers[subject] as ((message: unknown, event: Event, delivery: Delivery) => Promise<void>) | undefined;
      // Another version of the consumer asks for more than this one: trying again may find it.
      if (handle === undefined) throw new Error(`subject: got ${subject}, expected one of ${Object.keys(handlers).join(', ')}`);
      await handle(message, event, delivery);
    },
  };
}

function unknown({ id, subject }: Event, field: string, came: string, expected: string, cause?: unknown): BurgageError {
  return new BurgageError('event_unknown', {
    message: `${field}: got ${JSON.stringify(came)}, expected ${expected}`,
    metadata: { eventId: id, subject },
    cause,
  });
}
