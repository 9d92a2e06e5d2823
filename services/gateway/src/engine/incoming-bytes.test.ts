// What a socket reads is taken in order and whole, whenever it is paused, resumed or given something back.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { takeIncoming } from './incoming-bytes.ts';

async function pair(): Promise<{ readonly far: Socket; readonly near: Socket; close(): void }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const far = connect(port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  return {
    far,
    near,
    close() {
      far.destroy();
      near.destroy();
      server.close();
    },
  };
}

const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 200_000 }), fc.constantFrom('pause', 'resume', 'turn')), { maxLength: 20 });

it('takes every byte once and in order, and then the end', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      const { far, near, close } = await pair();
      try {
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
      } finally {
        close();
      }
    }),
    { numRuns: 50 },
  );
});

it('takes what comes, and then the end, where nobody ever pauses or resumes', async () => {
  const { far, near, close } = await pair();
  try {
    const taken: string[] = [];
    takeIncoming(near, (bytes) => taken.push(bytes.toString()));
    const ended = once(near, 'end');
    far.write('first ');
    await new Promise((resolve) => setTimeout(resolve, 10));
    far.end('second');
    await ended;
    expect(taken.join('')).toBe('first second');
  } finally {
    close();
  }
});

it('takes what was given back before what comes after it', async () => {
  const { far, near, close } = await pair();
  try {
    const taken: string[] = [];
    near.pause();
    near.unshift(Buffer.from('first '));
    takeIncoming(near, (bytes) => taken.push(bytes.toString()));
    far.end('second');
    const ended = once(near, 'end');
    near.resume();
    await ended;
    expect(taken.join('')).toBe('first second');
  } finally {
    close();
  }
});

it('reads no more from a paused socket than its stream holds', async () => {
  const { far, near, close } = await pair();
  try {
    takeIncoming(near, () => near.pause());
    for (let count = 0; count < 400; count++) far.write(Buffer.alloc(65_536));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(near.readableLength).toBeLessThanOrEqual(3 * 65_536);
    expect(far.writableLength).toBeGreaterThan(0);
  } finally {
    close();
  }
});
