// What a socket reads is taken in order and whole, whenever it is paused, resumed or given something back.
import { once } from 'node:events';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { socketPair } from '../testing/socket-pair.ts';
import { takeIncoming } from './incoming-bytes.ts';

const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 200_000 }), fc.constantFrom('pause', 'resume', 'turn')), { maxLength: 20 });

it('takes every byte once and in order, and then the end', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      using pair = await socketPair();
      const { far, near } = pair;
      const taken: Buffer[] = [];
      let whilePaused = 0;
      takeIncoming(near, (bytes) => {
        if (near.isPaused()) whilePaused += 1;
        taken.push(bytes);
      });
      const ended = once(near, 'end');
      const sent: Buffer[] = [];
      for (const step of todo) {
        if (step === 'pause') near.pause();
        else if (step === 'resume') near.resume();
        else if (step === 'turn') await new Promise((resolve) => setTimeout(resolve, 1));
        else {
          const bytes = Buffer.alloc(step, sent.length + 1);
          sent.push(bytes);
          far.write(bytes);
        }
      }
      far.end();
      near.resume();
      await ended;
      expect(Buffer.concat(taken).equals(Buffer.concat(sent))).toBe(true);
      expect(whilePaused).toBe(0);
    }),
    { numRuns: 50 },
  );
});

it('takes what comes, and then the end, where nobody ever pauses or resumes', async () => {
  using pair = await socketPair();
  const { far, near } = pair;
  const taken: string[] = [];
  takeIncoming(near, (bytes) => taken.push(bytes.toString()));
  const ended = once(near, 'end');
  far.write('first ');
  await new Promise((resolve) => setTimeout(resolve, 10));
  far.end('second');
  await ended;
  expect(taken.join('')).toBe('first second');
});

it('takes what was given back before what comes after it', async () => {
  using pair = await socketPair();
  const { far, near } = pair;
  const taken: string[] = [];
  near.pause();
  near.unshift(Buffer.from('first '));
  takeIncoming(near, (bytes) => taken.push(bytes.toString()));
  far.end('second');
  const ended = once(near, 'end');
  near.resume();
  await ended;
  expect(taken.join('')).toBe('first second');
});

it('reads no more from a paused socket than its stream holds', async () => {
  using pair = await socketPair();
  const { far, near } = pair;
  takeIncoming(near, () => near.pause());
  for (let count = 0; count < 400; count++) far.write(Buffer.alloc(65_536));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(near.readableLength).toBeLessThanOrEqual(3 * 65_536);
  expect(far.writableLength).toBeGreaterThan(0);
});
