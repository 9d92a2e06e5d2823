// One time for all that is read in a turn of the loop, and the clock's own outside of any.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { LoopTurns } from './loop-turns.ts';

it('tells the time of the first read of a turn until that turn ends, and then the time that it is', async () => {
  let nowMs = 0;
  const turns = new LoopTurns({ monotonicMs: () => nowMs });
  expect(turns.readMs).toBe(0);
  // What is waited for is nothing that was read.
  turns.atEnd({ endOfTurn: () => {} });
  nowMs = 5;
  expect(turns.readMs).toBe(5);
  turns.readBegins();
  nowMs = 10;
  turns.readEnds();
  expect(turns.readMs).toBe(5);
  turns.readBegins();
  expect(turns.readMs).toBe(5);
  await nextTurn();
  expect(turns.readMs).toBe(10);
});
