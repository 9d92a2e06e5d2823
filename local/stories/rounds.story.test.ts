// kill -9 at random moments over every kind of operation: BURGAGE_CRASH_ROUNDS rounds from the seed BURGAGE_CRASH_SEED.
import { systemRandom } from '@burgage/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import { embedded } from './platform.ts';
import { CrashRounds } from './rounds.ts';

const count = Number(process.env.BURGAGE_CRASH_ROUNDS ?? 20);
const seed = Number(process.env.BURGAGE_CRASH_SEED ?? Math.floor(systemRandom.float() * 2 ** 31));
/** Of a machine that does much else. */
const roundMs = 30_000;

describe(embedded.name, () => {
  let rounds: CrashRounds | undefined;

  afterEach(() => rounds?.remove());

  test('kill -9 of whatever it hits: every operation ends, every tenant answers as its state says, no row and no process is lost or left', {
    timeout: 60_000 + count * roundMs,
  }, async () => {
    rounds = await CrashRounds.start(embedded, seed);
    try {
      for (let round = 0; round < count; round += 1) await rounds.round();
      await rounds.finish();
    } catch (error) {
      throw new Error(`BURGAGE_CRASH_SEED=${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
    console.info(`BURGAGE_CRASH_SEED=${seed}: ${JSON.stringify(rounds.tally, undefined, 2)}`);
    expect(rounds.tally.rounds).toBe(count);
  });
});
