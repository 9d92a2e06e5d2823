// Tests of the subjects.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkSubject, compileSubjects } from './subjects.ts';

test.each([
  ['a.b', 'a.b', true],
  ['a.b', 'a.c', false],
  ['a.*', 'a.b', true],
  ['a.*', 'a', false],
  ['a.*', 'a.b.c', false],
  ['*.b', 'a.b', true],
  ['a.>', 'a', false],
  ['a.>', 'a.b', true],
  ['a.>', 'a.b.c.d', true],
  ['a.*.>', 'a.b', false],
  ['a.*.>', 'a.b.c', true],
  ['>', 'a.b', true],
  ['*', 'a', true],
  ['*', 'a.b', false],
])('%s against %s is %s', (filter, subject, expected) => {
  expect(compileSubjects([filter])(subject)).toBe(expected);
});

test('a filter matches what the same filter written as a regular expression matches', () => {
  const token = fc.constantFrom('a', 'b', 'ab');
  const subject = fc.array(token, { minLength: 1, maxLength: 5 });
  const filter = fc.tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 4 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(filter, { minLength: 1, maxLength: 4 }), subject, (filters, tokens) => {
      const texts = filters.map(([head, rest]) => [...head, ...(rest ? ['>'] : [])].join('.'));
      const oracle = texts.map((text) => new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace('>', '.+')}$`));
      const text = tokens.join('.');
      expect(compileSubjects(texts)(text)).toBe(oracle.some((pattern) => pattern.test(text)));
    }),
  );
});

test.each(['', 'a.', '.a', 'a..b', 'a.>.b', 'a.b>', 'a.*b', 'a b', 'ä', 'a'.repeat(256)])('the filter %j is refused', (filter) => {
  expect(() => compileSubjects([filter])).toThrow(
    expect.objectContaining({ code: 'invalid_argument', fields: [expect.objectContaining({ field: 'subjects' })] }),
  );
});

test.each(['', '*', '>', 'a.*', 'a.>', 'a..b', 'a\n', 'a'.repeat(256)])('the subject %j is refused', (subject) => {
  expect(() => checkSubject(subject)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
});
