// Bytes that many gather in one buffer: each gets its own, in order, and nothing of another's.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Gatherer, WriteBuffer } from './write-buffer.ts';

/** Takes what it has gathered as a socket would: whole, and to be kept. */
class Side implements Gatherer {
  sent = '';
  isGone = false;
  readonly #buffer: WriteBuffer;

  constructor(buffer: WriteBuffer) {
    this.#buffer = buffer;
  }

  sendGathered(): void {
    if (!this.isGone) this.sent += this.#buffer.of(this).take()?.toString('latin1') ?? '';
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
      const buffer = new WriteBuffer();
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
      for (const [index, side] of sides.entries()) expect(side.sent).toBe(side.isGone ? '' : expected[index]);
    }),
  );
});
