// What a socket reads is taken in order and whole, whenever it is paused, resumed or given something back.
import { once } from 'node:events';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { eventually } from '../testing/fixture.ts';
import { secureSocketPairs, socketPair } from '../testing/socket-pair.ts';
import { copyOf, takeIncoming } from './incoming-bytes.ts';

const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 200_000 }), fc.constantFrom('pause', 'resume', 'turn')), { maxLength: 20 });

it.each(['in the clear', 'over TLS'])('takes every byte once and in order, and then the end, %s', async (how) => {
  const makePair = how === 'over TLS' ? await secureSocketPairs() : socketPair;
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      using pair = await makePair();
      const { far, near } = pair;
      const taken: Buffer[] = [];
      let whilePaused = 0;
      takeIncoming(near, (bytes, start, end) => {
        if (near.isPaused()) whilePaused += 1;
        taken.push(copyOf(bytes, start, end));
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
  takeIncoming(near, (bytes, start, end) => taken.push(bytes.toString('latin1', start, end)));
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
  takeIncoming(near, (bytes, start, end) => taken.push(bytes.toString('latin1', start, end)));
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

it.each(['ends', 'breaks off'])('hears a client that %s, also while the socket is paused', async (how) => {
  using pair = await socketPair();
  const { far, near } = pair;
  near.on('error', () => {});
  const heard = new Promise((resolve) => near.once(how === 'ends' ? 'end' : 'close', resolve));
  let taken = 0;
  takeIncoming(near, (_, start, end) => {
    taken += end - start;
    near.pause();
  });
  far.write('x');
  await eventually(() => taken === 1);
  if (how === 'ends') far.end();
  else far.resetAndDestroy();
  await heard;
  expect(taken).toBe(1);
});

it('reads from all sockets into the same memory, which costs nothing for each read', async () => {
  const makeSecurePair = await secureSocketPairs();
  using pair = await socketPair();
  using other = await makeSecurePair();
  const memory = new Set<ArrayBufferLike>();
  let taken = 0;
  for (const { near } of [pair, other])
    takeIncoming(near, (bytes, start, end) => {
      memory.add(bytes.buffer);
      taken += end - start;
    });
  for (let round = 1; round <= 3; round++) {
    for (const { far } of [pair, other]) far.write('x');
    await eventually(() => taken === 2 * round);
  }
  expect(memory.size).toBe(1);
});
