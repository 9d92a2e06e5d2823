// What a client has sent stays what it was, in order, whoever has the memory that it came in afterwards.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { UnreadBytes } from './unread-bytes.ts';

const piece = fc.record({
  bytes: fc.uint8Array({ minLength: 1, maxLength: 30 }),
  used: fc.nat({ max: 40 }),
  isTaken: fc.boolean(),
});

it('gives every byte once and in order, whatever comes into the memory that it came in', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const unread = new UnreadBytes();
      const memory = Buffer.alloc(64);
      const sent: number[] = [];
      const got: number[] = [];
      for (const { bytes, used, isTaken } of pieces) {
        memory.set(bytes, 7);
        sent.push(...bytes);
        unread.give(memory, 7, 7 + bytes.length);
        const count = Math.min(used, unread.length);
        got.push(...(unread.bytes?.subarray(unread.at, unread.at + count) ?? []));
        unread.at += count;
        unread.settle();
        if (isTaken) got.push(...(unread.take() ?? []));
        unread.keep();
        expect(unread.bytes === undefined).toBe(unread.length === 0);
        expect(unread.length).toBe(sent.length - got.length);
        memory.fill(0xff);
      }
      got.push(...(unread.take() ?? []));
      expect(got).toEqual(sent);
    }),
  );
});
