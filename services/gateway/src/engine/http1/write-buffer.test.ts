// Bytes that many gather in one buffer: each gets its own, in order, and nothing of another's.
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { systemClock } from '@burgage/runtime';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { unsentBytes } from '../outgoing-bytes.ts';
import { LoopTurns } from './loop-turns.ts';
import { type Gatherer, WriteBuffer } from './write-buffer.ts';

/** Gathers for a socket whose kernel takes everything at once. */
class Side extends Writable implements Gatherer {
  sent = '';
  isGone = false;
  readonly #buffer: WriteBuffer;

  constructor(buffer: WriteBuffer) {
    super();
    this.#buffer = buffer;
  }

  sendGathered(): void {
    if (!this.isGone) this.#buffer.of(this).flush(this as unknown as Socket);
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.sent += bytes.toString('latin1');
    done();
  }
}

const step = fc.record({
  side: fc.nat({ max: 3 }),
  kind: fc.constantFrom('text', 'text', 'text', 'bytes', 'chunk', 'send', 'drop'),
  size: fc.oneof(fc.nat({ max: 100 }), fc.constantFrom(16 * 1024, 100_000, 300_000)),
});

it('never puts the bytes of one behind those of another, whoever comes between', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.nat({ max: 3 }), (steps, gone) => {
      const buffer = new WriteBuffer(new LoopTurns(systemClock));
      const sides = ['a', 'b', 'c', 'd'].map(() => new Side(buffer));
      const expected = ['', '', '', ''];
      const waiting = ['', '', '', ''];
      (sides[gone] as Side).isGone = true;
      let last: number | undefined;
      for (const { side: index, kind, size } of steps) {
        const side = sides[index] as Side;
        const letter = 'abcd'[index] as string;
        if (kind === 'send' && side.isGone) continue;
        // Whoever gathered before has its bytes sent, or has none any more.
        if (kind !== 'drop' && last !== undefined && last !== index) {
          expected[last] += waiting[last] ?? '';
          waiting[last] = '';
        }
        const text = letter.repeat(size);
        if (kind === 'text') buffer.of(side).text(text);
        else if (kind === 'bytes') buffer.of(side).add(Buffer.from(text), 0, size);
        else if (kind === 'chunk') buffer.of(side).chunk(Buffer.from(text), 0, size);
        else if (kind === 'send') side.sendGathered();
        else buffer.drop(side);
        const gathered = kind === 'chunk' ? `${size.toString(16)}\r\n${text}\r\n` : text;
        if (kind === 'drop') waiting[index] = '';
        else if (kind !== 'send') waiting[index] += gathered;
        else {
          expected[index] += waiting[index] ?? '';
          waiting[index] = '';
        }
        if (kind !== 'drop') last = index;
      }
      buffer.settle();
      for (const [index, side] of sides.entries()) expect(side.sent).toBe(side.isGone ? '' : expected[index]);
    }),
  );
});

/** A socket whose kernel takes nothing until it is told to. */
class SlowSocket extends Writable {
  got = '';
  /** The memory, in bytes, that stays as each piece waits. */
  readonly kept: number[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor() {
    super({ highWaterMark: 16 * 1024 });
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.kept.push(bytes.buffer.byteLength);
    this.#waiting.push(() => {
      this.got += bytes.toString('latin1');
      done();
    });
  }

  take(): void {
    this.#waiting.shift()?.();
  }
}

const move = fc.record({
  side: fc.nat({ max: 3 }),
  kind: fc.constantFrom('flush', 'flush', 'flush', 'settle', 'take'),
  size: fc.oneof(fc.nat({ max: 100 }), fc.constantFrom(16 * 1024, 100_000, 300_000)),
});

it('gives each socket what was flushed for it, in order, however late it takes it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 60, size: 'max' }), async (moves) => {
      const buffer = new WriteBuffer(new LoopTurns(systemClock));
      const sockets = Array.from({ length: 4 }, () => new SlowSocket());
      const expected = ['', '', '', ''];
      let byte = 0;
      for (const { side, kind, size } of moves) {
        const socket = sockets[side] as SlowSocket;
        if (kind === 'flush') {
          byte = (byte + 1) % 256;
          const text = String.fromCharCode(byte).repeat(size);
          buffer.of({ sendGathered: () => {} }).text(text);
          buffer.flush(socket as unknown as Socket);
          expected[side] += text;
        } else if (kind === 'settle') buffer.settle();
        else socket.take();
      }
      buffer.settle();
      for (const socket of sockets) {
        while (unsentBytes(socket as unknown as Socket) > 0) {
          socket.take();
          await new Promise(setImmediate);
        }
      }
      expect(sockets.map(({ got }) => got)).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});

it('sends at the end of the turn what nobody settled', async () => {
  const buffer = new WriteBuffer(new LoopTurns(systemClock));
  const socket = new SlowSocket();
  buffer.text('now');
  expect(buffer.flush(socket as unknown as Socket)).toBe(true);
  expect(unsentBytes(socket as unknown as Socket)).toBe(0);
  await new Promise(setImmediate);
  expect(unsentBytes(socket as unknown as Socket)).toBe(3);
});

it.each([
  [1_000, 128 * 1024],
  [200_000, 288 * 1024],
  [700_000, 800 * 1024],
])('has a socket keep memory of about the size of what it does not take: of %i bytes %i', (bytes, most) => {
  const buffer = new WriteBuffer(new LoopTurns(systemClock));
  const socket = new SlowSocket();
  for (let times = 0; times < 3; times++) {
    buffer.text('x'.repeat(bytes));
    buffer.flush(socket as unknown as Socket);
    buffer.settle();
  }
  expect(Math.max(...socket.kept)).toBeLessThanOrEqual(most);
});

it('has no more room for a socket whose kernel has not taken what came before, until it has', () => {
  const buffer = new WriteBuffer(new LoopTurns(systemClock));
  const slow = new SlowSocket();
  const socket = slow as unknown as Socket;
  buffer.text('x'.repeat(100_000));
  expect(buffer.flush(socket)).toBe(true);
  buffer.settle();
  expect(buffer.flush(socket)).toBe(false);
  buffer.text('y');
  expect(buffer.flush(socket)).toBe(false);
  slow.take();
  slow.take();
  expect(slow.got.length).toBe(100_001);
  buffer.text('z');
  expect(buffer.flush(socket)).toBe(true);
});
