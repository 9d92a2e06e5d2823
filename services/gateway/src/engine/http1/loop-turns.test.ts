// One time for all that is read in a turn of the loop, and the clock's own outside of any.
import { ManualClock } from '@burgage/runtime';
import { expect, it } from 'vitest';
import { LoopTurns } from './loop-turns.ts';

it('tells the time of the first read of a turn until that turn ends, and then the time that it is', async () => {
  const clock = new ManualClock();
  const turns = new LoopTurns(clock);
  expect(turns.nowMs).toBe(0);
  await clock.advance(5);
  expect(turns.nowMs).toBe(5);
  turns.readBegins();
  const later = clock.advance(5);
  turns.readEnds();
  expect(turns.nowMs).toBe(5);
  await later;
  expect(turns.nowMs).toBe(10);
});
