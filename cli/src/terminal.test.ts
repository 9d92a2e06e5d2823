// What the command knows of its terminal.
import { expect, test } from 'vitest';
import { columnsOf } from './terminal.ts';

test('a width is known only where output is a terminal that says one', () => {
  expect(columnsOf({ isTTY: true, columns: 132 })).toBe(132);
  expect(columnsOf({ isTTY: true, columns: 0 })).toBeUndefined();
  expect(columnsOf({ isTTY: false, columns: 132 })).toBeUndefined();
});
