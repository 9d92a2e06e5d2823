// Tests of the layout: filters on the wire match what filters of the port match, and nothing of another namespace.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileSubjects } from '../subjects.ts';
import { layoutOf } from './layout.ts';

const token = fc.constantFrom('burgage', 'a', 'b');
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const filter = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .map(([head, rest]) => [...head, ...(rest || head.length === 0 ? ['>'] : [])].join('.'));
const filters = fc.array(filter, { minLength: 1, maxLength: 4 });

test.each([undefined, 'other'])('in the namespace %s a consumer gets what it asks for, and nothing else', (namespace) => {
  const layout = layoutOf(namespace);
  fc.assert(
    fc.property(filters, subject, (asked, tokens) => {
      const published = namespace === undefined ? `burgage.${tokens}` : tokens;
      const matches = compileSubjects(layout.consumerFilters('me', asked));
      expect(matches(layout.eventSubject(published))).toBe(compileSubjects(asked)(published));
      expect(matches(layoutOf('third').eventSubject(published))).toBe(false);
      expect(matches(layout.replaySubject('me'))).toBe(true);
      expect(matches(layout.replaySubject('you'))).toBe(false);
    }),
  );
});

test('no filter of a consumer is part of another: the server would refuse them', () => {
  fc.assert(
    fc.property(filters, (asked) => {
      const wire = layoutOf(undefined).consumerFilters('me', asked);
      for (const [one, other] of wire.flatMap((filter) => wire.map((second) => [filter, second] as const))) {
        if (one === other) continue;
        // A token of its own for each wildcard, and the rest once short and once long: all of them only a wider filter matches.
        const samples = ['x', 'x.x.x.x.x'].map((rest) => one.replaceAll('*', 'x').replace('>', rest));
        expect(samples.every(compileSubjects([other]))).toBe(false);
      }
    }),
  );
});

test('without a namespace a subject that does not begin with burgage is refused', () => {
  expect(() => layoutOf(undefined).eventSubject('other.thing')).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
});

test.each(['', 'A', 'a.b', 'a_b', '-a', 'a'.repeat(33)])('the namespace %j is refused', (namespace) => {
  expect(() => layoutOf(namespace)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
});
