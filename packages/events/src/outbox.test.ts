// Tests of the outbox form of an event.
import { decodeEvent } from '@burgage/contracts';
import { ManualClock, runInContext, seededRandom } from '@burgage/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventFromOutbox, outboxEvent } from './outbox.ts';

const subject = 'burgage.registry.tenant.requested';
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('an event comes out of the outbox as it went in, through JSON', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.integer(), (entity, tenantId, seed) => {
      const item = outboxEvent(subject, entity, { tenantId }, { clock: new ManualClock(), random: seededRandom(seed), traceparent });
      const event = eventFromOutbox(JSON.parse(JSON.stringify(item.payload)));
      expect(event).toMatchObject({
        id: item.id,
        subject,
        source: 'burgage.registry',
        entity,
        time: '2026-01-01T00:00:00.000Z',
        traceparent,
        schema: 'burgage.events.v1.TenantRequested',
      });
      expect(decodeEvent(subject, event.data)).toMatchObject({ tenantId });
    }),
  );
});

test('the trace of the current context travels with the event', () => {
  const item = runInContext({ traceparent }, () => outboxEvent(subject, 'ten_1', { tenantId: 'ten_1' }));
  expect(eventFromOutbox(item.payload).traceparent).toBe(traceparent);
  expect(eventFromOutbox(outboxEvent(subject, 'ten_1', {}).payload)).not.toHaveProperty('traceparent');
});

test('an item from before there was a schema is an event without one', () => {
  const { schema: _, ...payload } = outboxEvent(subject, 'ten_1', {}).payload;
  expect(eventFromOutbox(payload)).not.toHaveProperty('schema');
});

test('two events have two ids', () => {
  expect(outboxEvent(subject, 'ten_1', {}).id).not.toBe(outboxEvent(subject, 'ten_1', {}).id);
});

test.each([
  ['nothing', null, 'payload'],
  ['a missing field', { id: 'evt_1' }, 'payload.subject'],
  ['a field of another type', { ...outboxEvent(subject, 'ten_1', {}).payload, entity: 7 }, 'payload.entity'],
  ['bytes that are not base64', { ...outboxEvent(subject, 'ten_1', {}).payload, data: '%%%' }, 'payload.data'],
])('%s in an outbox is said to be corrupt', (_, payload, field) => {
  expect(() => eventFromOutbox(payload)).toThrow(expect.objectContaining({ code: 'data_corrupt', metadata: { field } }));
});
