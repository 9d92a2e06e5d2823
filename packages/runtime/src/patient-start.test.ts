import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BurgageError } from '@burgage/contracts';
import { expect, onTestFinished, test } from 'vitest';
import { ManualClock } from './clock.ts';
import { createLogger } from './logger.ts';
import { startPatiently } from './patient-start.ts';
import { seededRandom } from './random.ts';

const logger = createLogger({ service: 'test', level: 'silent' });

function failing(clock: ManualClock, float: number) {
  const triedAtMs: number[] = [];
  const patient = startPatiently({
    name: 'p',
    clock,
    random: { ...seededRandom(1), float: () => float },
    logger,
    onWaiting: () => {},
    build: async () => {
      triedAtMs.push(clock.monotonicMs());
      throw new BurgageError('unavailable');
    },
  });
  return { patient, triedAtMs };
}

test('the waits double from 0.2 to 5 seconds, each shortened by up to a half', async () => {
  for (const [float, waitsMs] of [
    [1, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]],
    [0, [100, 200, 400, 800, 1_600, 2_500, 2_500]],
  ] as const) {
    const clock = new ManualClock();
    const stop = new AbortController();
    const { patient, triedAtMs } = failing(clock, float);
    const started = patient.start(stop.signal).catch((error: unknown) => error);
    const total = waitsMs.reduce((sum, wait) => sum + wait, 0);
    await clock.advance(total);
    expect(triedAtMs.slice(1).map((atMs, index) => atMs - (triedAtMs[index] ?? 0))).toEqual(waitsMs);
    stop.abort();
    expect(await started).toMatchObject({ code: 'unavailable' });
  }
});

test('what a failed try opened is closed before the next, even where its component does not stop', async () => {
  const clock = new ManualClock();
  const story: string[] = [];
  let tries = 0;
  const patient = startPatiently({
    name: 'p',
    clock,
    random: seededRandom(1),
    logger,
    onWaiting: (reason) => story.push(`waiting: ${reason}`),
    build: async (opened) => {
      const number = ++tries;
      opened.defer(async () => void story.push(`closed ${number}`));
      return {
        name: 'c',
        start: async () => {
          if (number < 2) throw new BurgageError('unavailable', { message: 'no store' });
          story.push('started');
        },
        stop: async () => {
          story.push(`stopped ${number}`);
          if (number < 2) throw new Error('does not stop');
        },
      };
    },
  });
  const started = patient.start();
  await clock.advance(200);
  await started;
  expect(patient.current()?.name).toBe('c');
  await patient.stop();
  await patient.stop();
  expect(story).toEqual(['stopped 1', 'closed 1', 'waiting: no store', 'started', 'stopped 2', 'closed 2']);
});

test('what is missing is logged once, and once more each time that it is something else', async () => {
  const clock = new ManualClock();
  const folder = mkdtempSync(join(tmpdir(), 'burgage-patient-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const log = join(folder, 'log');
  const reasons = ['no store', 'no store', 'no events', 'no events', 'no store'];
  const patient = startPatiently({
    name: 'p',
    clock,
    random: seededRandom(1),
    logger: createLogger({ service: 'test', level: 'warn', destination: log }),
    onWaiting: () => {},
    build: async () => {
      const message = reasons.shift();
      if (message !== undefined) throw new BurgageError('unavailable', { message });
      return { name: 'c', start: async () => {}, stop: async () => {} };
    },
  });
  const started = patient.start();
  await clock.advance(20_000);
  await started;
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).err.message)).toEqual(['no store', 'no events', 'no store']);
});
