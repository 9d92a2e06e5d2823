// Holds fences to their promise: one effect at a time, none of a lower token, whichever process asks and however one ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@burgage/runtime';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFences, type Fences } from './fences.ts';

let folder: string;
let children: ChildProcess[];

const opened = (): Fences => createFences({ folder: join(folder, 'fences'), clock: systemClock, random: systemRandom });
const fence = (token: number) => ({ operationId: 'op', token });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'burgage-fences-'));
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** A process that does `effect`, a body of JavaScript, under the token, after it has printed what `before` says. */
async function holder(token: number, effect: string): Promise<ChildProcess> {
  const script = `
    import { appendFileSync } from 'node:fs';
    import { createFences } from ${JSON.stringify(join(import.meta.dirname, 'fences.ts'))};
    import { systemClock, systemRandom } from ${JSON.stringify(join(import.meta.dirname, '../../../../packages/runtime/src/index.ts'))};
    const fences = createFences({ folder: ${JSON.stringify(join(folder, 'fences'))}, clock: systemClock, random: systemRandom });
    await fences.under('ten_A', { operationId: 'op', token: ${token} }, async () => { ${effect} });`;
  const file = join(folder, `holder-${children.length}.mjs`);
  await writeFile(file, script);
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

test('what comes with a lower token than was seen does nothing, and is told which was', async () => {
  await opened().under('ten_A', fence(5), async () => undefined);
  let done = false;
  const late = opened().under('ten_A', fence(4), async () => {
    done = true;
  });
  await expect(late).rejects.toMatchObject({ code: 'fenced', metadata: { seen: '5' } });
  expect(done).toBe(false);
  expect(await opened().under('ten_A', fence(5), async () => 'again')).toBe('again');
  expect(await opened().under('ten_B', fence(1), async () => 'another')).toBe('another');
  expect((await stat(join(folder, 'fences', 'ten_A.sqlite'))).mode & 0o777).toBe(0o600);
});

test('a token counts from before its effect, whether that succeeds or not', async () => {
  await expect(opened().under('ten_A', fence(2), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(opened().under('ten_A', fence(1), async () => 'done')).rejects.toMatchObject({ code: 'fenced' });
});

test('in any order of calls at once no two effects overlap, and tokens of effects only grow', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 12 }), fc.uuid(), async (tokens, key) => {
      let inside = 0;
      let most = 0;
      const done: number[] = [];
      const outcomes = await Promise.allSettled(
        tokens.map((token) =>
          opened().under(key, fence(token), async () => {
            most = Math.max(most, ++inside);
            await systemClock.sleep(0);
            done.push(token);
            inside--;
          }),
        ),
      );
      expect(most).toBe(1);
      expect(done).toEqual(done.toSorted((a, b) => a - b));
      expect(done.length).toBe(outcomes.filter(({ status }) => status === 'fulfilled').length);
      expect(Math.max(...done)).toBe(Math.max(...tokens));
    }),
    { numRuns: 20 },
  );
});

test('several processes count without losing one', async () => {
  const counter = join(folder, 'counter');
  await writeFile(counter, '0');
  const count = `
    const { readFile, writeFile } = await import('node:fs/promises');
    await writeFile(${JSON.stringify(counter)}, String(Number(await readFile(${JSON.stringify(counter)}, 'utf8')) + 1));`;
  const started = await Promise.all(Array.from({ length: 3 }, () => holder(1, count)));
  await Promise.all(started.map((child) => once(child, 'exit')));
  expect(await readFile(counter, 'utf8')).toBe('3');
});

test('one that was killed in the middle keeps nobody out but those with lower tokens', async () => {
  const child = await holder(7, `process.stdout.write('inside'); await new Promise((done) => setTimeout(done, 60_000));`);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  await expect(opened().under('ten_A', fence(8), async () => undefined, AbortSignal.timeout(50))).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
  child.kill('SIGKILL');
  await expect(opened().under('ten_A', fence(6), async () => undefined)).rejects.toMatchObject({ code: 'fenced', metadata: { seen: '7' } });
  expect(await opened().under('ten_A', fence(8), async () => 'done')).toBe('done');
});

test('a file that is something else is named', async () => {
  await opened().under('ten_A', fence(1), async () => undefined);
  const file = join(folder, 'fences', 'ten_A.sqlite');
  await writeFile(file, 'something else '.repeat(100));
  await expect(opened().under('ten_A', fence(2), async () => undefined)).rejects.toMatchObject({
    code: 'data_corrupt',
    message: expect.stringContaining(file),
  });
});
