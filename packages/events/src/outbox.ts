// The form that an event has in a document's outbox: JSON, with its bytes as base64.
import { BurgageError, type EventSubject, encodeEvent, eventCatalogue } from '@burgage/contracts';
import { type Clock, currentContext, type Random, systemClock, systemRandom } from '@burgage/runtime';
import type { Event } from './port.ts';

/** An outbox item of the store whose target is `event`. */
export interface EventOutboxItem {
  /** The event's id. */
  readonly id: string;
  readonly target: 'event';
  readonly payload: Readonly<Record<string, string>>;
}

export interface OutboxEventOptions {
  /** W3C trace context; default that of the current context, where there is one. */
  readonly traceparent?: string;
  /** Default the system's. */
  readonly clock?: Clock;
  /** Makes the event's id; default the system's. */
  readonly random?: Random;
}

/**
 * The outbox item that publishes `message` under `subject` about `entity` (such as a tenant's id) once a relay gets to it.
 *
 * The id is made here and travels with the item, so that relaying it twice publishes one event. The source is the service
 * that the subject names.
 */
export function outboxEvent<S extends EventSubject>(
  subject: S,
  entity: string,
  message: Parameters<typeof encodeEvent<S>>[1],
  { traceparent = currentContext().traceparent, clock = systemClock, random = systemRandom }: OutboxEventOptions = {},
): EventOutboxItem {
  const id = `evt_${Buffer.from(random.bytes(16)).toString('hex')}`;
  return {
    id,
    target: 'event',
    payload: {
      id,
      subject,
      source: subject.split('.', 2).join('.'),
      entity,
      time: clock.now().toISOString(),
      ...(traceparent === undefined ? {} : { traceparent }),
      schema: eventCatalogue[subject].typeName,
      data: Buffer.from(encodeEvent(subject, message)).toString('base64'),
    },
  };
}

const fields = ['id', 'subject', 'source', 'entity', 'time', 'data'] as const;

/** The event in the payload of an outbox item. @throws BurgageError `data_corrupt` naming the field, where it is not one. */
export function eventFromOutbox(payload: unknown): Event {
  if (typeof payload !== 'object' || payload === null) throw corrupt('payload', payload, 'an object');
  const record: Readonly<Record<string, unknown>> = { ...payload };
  const [id, subject, source, entity, time, data] = fields.map((field) => textField(record, field)) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const bytes = Buffer.from(data, 'base64');
  if (bytes.toString('base64') !== data) throw corrupt('payload.data', data, 'base64');
  return {
    id,
    subject,
    source,
    entity,
    time,
    ...(record.traceparent === undefined ? {} : { traceparent: textField(record, 'traceparent') }),
    // Items from before there was one have none.
    ...(record.schema === undefined ? {} : { schema: textField(record, 'schema') }),
    data: new Uint8Array(bytes),
  };
}

function textField(record: Readonly<Record<string, unknown>>, field: string): string {
  const value = record[field];
  if (typeof value !== 'string') throw corrupt(`payload.${field}`, value, 'a string');
  return value;
}

function corrupt(field: string, came: unknown, expected: string): BurgageError {
  return new BurgageError('data_corrupt', {
    message: `The outbox item is not an event: ${field} is ${JSON.stringify(came) ?? 'missing'}, expected ${expected}.`,
    metadata: { field },
  });
}
