// Holds the sweeper to its looks: regular, whole, and not stopped by one tenant that cannot be started.
import { BurgageError } from '@burgage/contracts';
import { createLogger, ManualClock } from '@burgage/runtime';
import { expect, test } from 'vitest';
import type { Tenants } from '../domain/ports.ts';
import { Sweeper } from './sweeper.ts';

test('finds every requested tenant, again and again, whatever becomes of those before', async () => {
  const clock = new ManualClock();
  const asked: string[] = [];
  const ids = Array.from({ length: 250 }, (_, index) => `ten_${index}`);
  const tenants: Pick<Tenants, 'requested'> = {
    async *requested() {
      yield* ids;
    },
  };
  const sweeper = new Sweeper({
    tenants,
    provision: async (id) => {
      asked.push(id);
      if (id !== 'ten_249') throw new BurgageError('invalid_argument');
    },
    clock,
    logger: createLogger({ service: 'test', level: 'silent' }),
    intervalMs: 5_000,
  });
  await sweeper.start();
  for (let turn = 0; turn < 200 && asked.length < 3 * ids.length; turn += 1) await clock.advance(1_000);
  await sweeper.stop();
  expect(asked.slice(0, 250)).toEqual(ids);
  expect(asked.length).toBeGreaterThanOrEqual(3 * ids.length);
});
