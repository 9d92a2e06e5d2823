// Holds the patience of steps to what they wait for: an app that ended is there again after a moment.
import { seededRandom } from '@burgage/runtime';
import { expect, test } from 'vitest';
import { backoffMs } from '../retry.ts';
import { bulkCopy, healthRetry, platformCall, processStart } from './kit.ts';

/** Longer than an app takes to be started again. */
const restartMs = 2_000;

test.each([
  ['a call within the platform', platformCall.retry],
  ['a process of its own', processStart.retry],
  ['a copy of all rows', bulkCopy.retry],
  ['an app that is starting', healthRetry],
])('%s is tried for longer than an app takes to be started again, whatever the jitter', (_, policy) => {
  for (let seed = 0; seed < 1_000; seed += 1) {
    const random = seededRandom(seed);
    let waitedMs = 0;
    for (let attempt = 1; attempt < policy.attemptsMax; attempt += 1) waitedMs += backoffMs(policy, attempt, random);
    expect(waitedMs, `seed ${seed}`).toBeGreaterThan(restartMs);
  }
});
