// Tests of an event as a message: it comes out as it went in, and its headers are what CloudEvents says.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventOf as testEvent } from '../conformance/engine.ts';
import { escapeText, eventOf, headersOf, unescapeText } from './message.ts';

test('an event has the attributes of CloudEvents in its headers', () => {
  const event = testEvent('burgage.registry.tenant.requested', {
    id: 'evt_1',
    entity: 'Straße 1',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    schema: 'burgage.events.v1.TenantRequested',
  });
  const headers = Object.fromEntries(
    headersOf(event)
      .keys()
      .map((key) => [key, headersOf(event).get(key)]),
  );
  expect(headers).toEqual({
    'ce-specversion': '1.0',
    'ce-id': 'evt_1',
    'ce-type': 'burgage.registry.tenant.requested',
    'ce-source': 'burgage.test',
    'ce-subject': 'Stra%C3%9Fe%201',
    'ce-time': '2026-01-01T00:00:00.000Z',
    'ce-dataschema': 'burgage.events.v1.TenantRequested',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'content-type': 'application/protobuf',
  });
  expect(eventOf({ headers: headersOf(event), data: event.data })).toEqual(event);
});

test('every text comes out as it went in, and only printable ASCII is on the wire', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[ %"a\r\n0-9A-F]{0,8}$/)), (text) => {
      fc.pre(text.isWellFormed());
      const escaped = escapeText(text);
      expect(escaped).toMatch(/^[\x21\x23-\x7e]*$/);
      expect(unescapeText(escaped)).toBe(text);
    }),
    { numRuns: 500 },
  );
});

test('a value that another wrote without escaping is read as it is', () => {
  for (const value of ['100%', '%zz', 'Straße', 'a b']) expect(unescapeText(value)).toBe(value);
});

test('a message without an id or a type is no event', () => {
  const headers = headersOf(testEvent('burgage.test.thing.made'));
  expect(eventOf({ headers: undefined, data: new Uint8Array() })).toBeUndefined();
  headers.delete('ce-id');
  expect(eventOf({ headers, data: new Uint8Array() })).toBeUndefined();
});
