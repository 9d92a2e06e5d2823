// Tests of reading by the catalogue.
import { type EventSubject, eventCatalogue } from '@burgage/contracts';
import { expect, test } from 'vitest';
import { eventFromOutbox, outboxEvent } from './outbox.ts';
import type { Event } from './port.ts';
import { handling, readEvent } from './reading.ts';

const subject = 'burgage.provisioner.operation.ended';
const event = eventFromOutbox(outboxEvent(subject, 'ten_1', { operationId: 'op_1', sequence: 7n }).payload);
const delivery = { attempt: 1, signal: new AbortController().signal };

test('every event of the catalogue is read back with the schema that its outbox item names', () => {
  for (const each of Object.keys(eventCatalogue) as EventSubject[]) {
    const read = eventFromOutbox(outboxEvent(each, 'ten_1', {}).payload);
    expect(read.schema).toBe(`burgage.events.v1.${eventCatalogue[each].name}`);
    expect(readEvent(read)).toMatchObject({ subject: each, message: { $typeName: read.schema } });
  }
});

test('a message is read by its subject, with or without a schema', () => {
  const { schema: _, ...old } = event;
  for (const each of [event, old]) expect(readEvent(each)).toMatchObject({ subject, message: { operationId: 'op_1', sequence: 7n } });
});

test.each<[string, Partial<Event>, string]>([
  ['an unknown subject', { subject: 'burgage.provisioner.operation.exploded' }, 'subject: got "burgage.provisioner.operation.exploded"'],
  ['an inherited name', { subject: 'constructor' }, 'subject: got "constructor"'],
  ['a later version', { schema: 'burgage.events.v2.OperationEnded' }, 'schema: got "burgage.events.v2.OperationEnded", expected'],
  ['bytes that break off', { data: event.data.subarray(0, 3) }, 'data: got "3 bytes that cannot be read", expected burgage.events.v1'],
])('%s is said to be unknown', (_, overrides, message) => {
  expect(() => readEvent({ ...event, ...overrides })).toThrow(
    expect.objectContaining({
      code: 'event_unknown',
      message: expect.stringContaining(message),
      metadata: { eventId: event.id, subject: overrides.subject ?? subject },
    }),
  );
});

test('a handler gets the message of its subject; the subjects follow from the handlers', async () => {
  const got: unknown[] = [];
  const { subjects, handler } = handling({
    [subject]: async ({ operationId }, { id }, { attempt }) => void got.push([operationId, id, attempt]),
    'burgage.provisioner.operation.progressed': async () => {},
  });
  expect(subjects).toEqual([subject, 'burgage.provisioner.operation.progressed']);
  await handler(event, delivery);
  expect(got).toEqual([['op_1', event.id, 1]]);
});

test('a known subject that has no handler here is tried again: another version of the consumer may have one', async () => {
  const { handler } = handling({ 'burgage.provisioner.operation.progressed': async () => {} });
  await expect(handler(event, delivery)).rejects.toThrow(
    `subject: got ${subject}, expected one of burgage.provisioner.operation.progressed`,
  );
  await expect(handler(event, delivery)).rejects.not.toMatchObject({ code: 'event_unknown' });
});
