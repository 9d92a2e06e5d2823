// What is sent past a stream's queue comes whole and in order, its memory is not the sender's too early, and nothing of it stays.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { eventually } from '../testing/fixture.ts';
import { socketPair } from '../testing/socket-pair.ts';
import { hasRoom, send, unsentBytes } from './outgoing-bytes.ts';

/** More than any kernel takes between two sockets of which one does not read. */
const tooMuch = 64 * 1024 * 1024;

const steps = fc.array(
  fc.record({
    how: fc.constantFrom('send', 'send', 'send', 'write', 'turn'),
    size: fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 3_000_000 })),
  }),
  { maxLength: 20 },
);

it('sends every byte once and in order, also between what others write, and leaves memory alone until it is sent', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (todo, endsAtOnce) => {
      using pair = await socketPair();
      const { far, near } = pair;
      const expected: Buffer[] = [];
      const got: Buffer[] = [];
      for (const { how, size } of todo) {
        if (how === 'turn') await new Promise(setImmediate);
        else {
          const bytes = Buffer.alloc(size, expected.length + 1);
          expected.push(Buffer.from(bytes));
          if (how === 'write') near.write(bytes);
          else if (send(near, bytes)) bytes.fill(0xff);
        }
      }
      far.on('data', (bytes: Buffer) => got.push(bytes));
      const ended = once(far, 'end');
      if (!endsAtOnce) await eventually(() => unsentBytes(near) === 0);
      near.end();
      await ended;
      expect(Buffer.concat(got).equals(Buffer.concat(expected))).toBe(true);
      expect(unsentBytes(near)).toBe(0);
    }),
    { numRuns: 60 },
  );
});

/** The socket of a client that does not read has taken some of it. */
async function stuck(near: Socket): Promise<void> {
  expect(send(near, Buffer.alloc(tooMuch))).toBe(false);
  expect(unsentBytes(near)).toBe(tooMuch);
  // Nothing of it is in the stream's own queue.
  expect(near.writableLength).toBe(0);
  await new Promise(setImmediate);
}

/** How often it said that there is room. */
function drainsOf(near: Socket): () => number {
  let drains = 0;
  near.on('drain', () => {
    drains += 1;
  });
  return () => drains;
}

it('has room while little is unsent, and says when there is room again', async () => {
  using pair = await socketPair();
  const { far, near } = pair;
  const drains = drainsOf(near);
  near.on('drain', () => expect(hasRoom(near)).toBe(true));
  expect(send(near, Buffer.from('little'))).toBe(true);
  expect(hasRoom(near)).toBe(true);
  await stuck(near);
  expect(hasRoom(near)).toBe(false);
  far.resume();
  await eventually(() => unsentBytes(near) === 0);
  expect(drains()).toBe(1);
  expect(hasRoom(near)).toBe(true);
});

it('leaves TLS to the queue, sees what others put there, and sends what it is given before it is connected', async () => {
  using full = await socketPair();
  full.near.write(Buffer.alloc(tooMuch));
  expect(hasRoom(full.near)).toBe(false);

  using shaking = await socketPair();
  const secure = new TLSSocket(shaking.far);
  expect(send(secure, Buffer.from('x'))).toBe(false);
  expect(secure.writableLength).toBe(1);

  const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const early = connect((server.address() as { port: number }).port, '127.0.0.1');
  send(early, Buffer.from('one '));
  send(early, Buffer.from('two'));
  early.end();
  const got = await early.setEncoding('utf8').toArray();
  server.close();
  expect(got.join('')).toBe('one two');
});

it('says that there is room once, where more waits behind it', async () => {
  using pair = await socketPair();
  const { far, near } = pair;
  const drains = drainsOf(near);
  near.on('drain', () => expect(unsentBytes(near)).toBe(0));
  await stuck(near);
  expect(hasRoom(near)).toBe(false);
  expect(send(near, Buffer.alloc(tooMuch))).toBe(false);
  expect(unsentBytes(near)).toBe(2 * tooMuch);
  expect(hasRoom(near)).toBe(false);
  far.resume();
  await eventually(() => unsentBytes(near) === 0);
  await new Promise(setImmediate);
  expect(drains()).toBe(1);
});

it('tells nobody of room who was not told to wait for it', async () => {
  using pair = await socketPair();
  const { far, near } = pair;
  const drains = drainsOf(near);
  await stuck(near);
  far.resume();
  await eventually(() => unsentBytes(near) === 0);
  await new Promise(setImmediate);
  expect(drains()).toBe(0);
});

it('remembers nothing of a socket that is destroyed before it has sent everything', async () => {
  using pair = await socketPair();
  const { near } = pair;
  const drains = drainsOf(near);
  await stuck(near);
  expect(hasRoom(near)).toBe(false);
  near.destroy();
  await once(near, 'close');
  expect(unsentBytes(near)).toBe(0);
  expect(drains()).toBe(0);
});

it('fails as a stream does where the other side goes while it sends', async () => {
  using pair = await socketPair();
  const { far, near } = pair;
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => near.once('error', resolve));
  const closed = new Promise((resolve) => near.once('close', resolve));
  await stuck(near);
  far.resetAndDestroy();
  expect((await failed).code).toBe('ECONNRESET');
  await closed;
  expect(unsentBytes(near)).toBe(0);
});

it('fails as a stream does where the other side has gone unnoticed', async () => {
  using pair = await socketPair();
  const { far, near } = pair;
  // With so much to read that it reads no further, it does not come to the end.
  far.write(Buffer.alloc(1024 * 1024));
  await eventually(() => near.readableLength >= near.readableHighWaterMark);
  far.resetAndDestroy();
  await once(far, 'close');
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => near.once('error', resolve));
  const closed = new Promise((resolve) => near.once('close', resolve));
  send(near, Buffer.from('x'));
  expect(near.destroyed).toBe(true);
  expect((await failed).code).toMatch(/^(ECONNRESET|EPIPE)$/);
  await closed;
  expect(unsentBytes(near)).toBe(0);
});

it('does not send behind an end', async () => {
  using pair = await socketPair();
  const { near } = pair;
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => near.once('error', resolve));
  near.end();
  send(near, Buffer.from('x'));
  expect((await failed).code).toBe('ERR_STREAM_WRITE_AFTER_END');
});
