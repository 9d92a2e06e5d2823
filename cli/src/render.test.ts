// What lines look like: aligned by what a terminal draws, safe whatever they contain.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ageOf, type Column, cut, facts, paint, plainText, roughSizeOf, sizeOf, table, tookOf, untilOf, widthOf } from './render.ts';

const same = (text: string) => text;

test.each([
  ['abc', 3],
  ['größe', 5],
  ['gro\u0308ße', 5],
  ['株式会社', 8],
  ['한국', 4],
  ['ﾊﾝｶｸ', 4],
  ['👩‍👩‍👧', 2],
  ['🇩🇪', 2],
  ['❤️', 2],
  ['', 0],
])('%j is %i columns wide', (text, width) => {
  expect(widthOf(text)).toBe(width);
});

test('columns stay aligned with wide characters and emoji', () => {
  const columns: Column<[string, string]>[] = [
    { title: 'NAME', value: ([name]) => name },
    { title: 'N', value: ([, count]) => count, right: true },
  ];
  const text = table(
    columns,
    [
      ['株式会社', '1'],
      ['Größe', '10'],
      ['👩‍👩‍👧 family', '100'],
    ],
    same,
  );
  expect(text).toBe('NAME         N\n株式会社     1\nGröße       10\n👩‍👩‍👧 family  100\n');
});

test('a line fits the terminal wherever an elastic column can give way', () => {
  const columns: Column<string[]>[] = [
    { title: 'A', value: ([a = '']) => a },
    { title: 'B', value: ([, b = '']) => b, elastic: 8 },
    { title: 'C', value: ([, , c = '']) => c },
  ];
  const text = table(columns, [['short', 'a very long name of a company indeed', 'end']], same, 30);
  expect(text.split('\n').every((line) => widthOf(line) <= 30)).toBe(true);
  expect(text).toContain('…');
});

test('cutting never goes beyond the columns and marks what it cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
      const clean = plainText(text);
      const result = cut(clean, columns);
      expect(widthOf(result)).toBeLessThanOrEqual(Math.max(columns, 1));
      if (widthOf(clean) > columns) expect(result.endsWith('…')).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('nothing that a terminal obeys comes through', () => {
  expect(plainText('a\u001b[2Jb\nc\r\u202ed\u0007\u009be')).toBe('a\ufffd[2Jb\ufffdc\ufffd\ufffdd\ufffd\ufffde');
  expect(facts([['name', 'x\u001b]0;title\u0007']], same)).toBe('name  x\ufffd]0;title\ufffd\n');
});

test('facts leave out what is not known', () => {
  expect(
    facts(
      [
        ['a', '1'],
        ['long', undefined],
        ['bc', '2'],
      ],
      same,
    ),
  ).toBe('a   1\nbc  2\n');
});

test('ages and durations are short', () => {
  const now = new Date('2026-03-01T12:00:00Z');
  expect(
    ['2026-03-01T11:59:48Z', '2026-03-01T11:55:00Z', '2026-03-01T09:00:00Z', '2026-02-27T12:00:00Z', '2026-03-01T12:00:05Z'].map((time) =>
      ageOf(time, now),
    ),
  ).toEqual(['12s', '5m', '3h', '2d', '0s']);
  expect(tookOf('2026-03-01T12:00:00.000Z', '2026-03-01T12:00:00.012Z')).toBe('12 ms');
  expect(tookOf('2026-03-01T12:00:00.000Z', '2026-03-01T12:00:00.420Z')).toBe('0.4 s');
  expect(tookOf('2026-03-01T12:00:00.000Z', '2026-03-01T12:01:15.000Z')).toBe('75 s');
  expect(tookOf('2026-03-01T12:00:00.000Z', '2026-03-08T12:00:00.000Z')).toBe('7d');
  expect(['2026-03-07T13:00:00Z', '2026-03-01T12:00:00Z', '2026-02-01T12:00:00Z'].map((time) => untilOf(time, now))).toEqual([
    'in 6d',
    'now',
    'now',
  ]);
  expect(tookOf(undefined, '2026-03-01T12:01:15.000Z')).toBe('');
});

test('sizes are exact', () => {
  expect([10485760, 524288, 1000, 0].map(sizeOf)).toEqual(['10 MiB', '512 KiB', '1000 bytes', '0 bytes']);
  expect([0, 999, 1_000, 9_960, 4_300_000, 120_400_000, 2e15].map(roughSizeOf)).toEqual([
    '0 bytes',
    '999 bytes',
    '1.0 KB',
    '10 KB',
    '4.3 MB',
    '120 MB',
    '2000 TB',
  ]);
});

test('colours appear only where they are wanted', () => {
  expect(paint(true).red('x')).toBe('\u001b[31mx\u001b[39m');
  expect(paint(false).red('x')).toBe('x');
});

test('where a line is too long, what is optional is left out, the last first, before the rest is cut, the last first', () => {
  const columns: Column<string>[] = [
    { title: 'ID', value: () => '12345678901234567890', elastic: 5 },
    { title: 'NAME', value: () => 'abcdefghijklmnopqrst', elastic: 5 },
    { title: 'ONE', value: () => 'oneoneone1', optional: true },
    { title: 'TWO', value: () => 'twotwotwo2', optional: true },
  ];
  const body = (columnsMax?: number) => table(columns, [''], same, columnsMax).split('\n')[1];
  expect(body()).toBe('12345678901234567890  abcdefghijklmnopqrst  oneoneone1  twotwotwo2');
  expect(body(56)).toBe('12345678901234567890  abcdefghi…  oneoneone1  twotwotwo2');
  expect(body(35)).toBe('123456789012345…  abcd…  oneoneone1');
  expect(body(22)).toBe('12345678901234…  abcd…');
  expect(body(3)).toBe('1234…  abcd…');
});
