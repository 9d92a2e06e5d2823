// Tests of what every adapter refuses.
import { expect, test } from 'vitest';
import { checkConsumer, checkEvent } from './checks.ts';
import { eventOf } from './conformance/engine.ts';

test.each(['', 'a.b', 'a b', '*', 'a'.repeat(65)])('the consumer %j is refused', (consumer) => {
  expect(() => checkConsumer(consumer)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
});

test.each([
  ['id', ''],
  ['id', undefined],
  ['subject', 'burgage.*'],
  ['source', null],
  ['entity', 7],
  ['time', new Date(0)],
  ['data', 'text'],
])('an event whose %s is %j is refused', (field, value) => {
  const event = Object.assign({}, eventOf('burgage.test.thing.made'), { [field]: value });
  expect(() => checkEvent(event)).toThrow(
    expect.objectContaining({ code: 'invalid_argument', fields: [expect.objectContaining({ field })] }),
  );
});
