// What is put is what was meant, at its place and nowhere else.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Piece, pieceSlack, putCount, putPiece, putRange, putText, putThousandths, viewOf } from './put.ts';

/** What `write` puts at a place within bytes that are to stay. */
function written(write: (to: Buffer, at: number) => number): string {
  const to = Buffer.alloc(400, '#');
  const end = write(to, 7);
  expect(to.subarray(0, 7).toString()).toBe('#######');
  expect(to.subarray(end).every((byte) => byte === 0x23)).toBe(true);
  return to.toString('latin1', 7, end);
}

const count = fc.oneof(fc.nat(), fc.nat({ max: 1_000 }), fc.maxSafeNat(), fc.constantFrom(0, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31));

describe('put', () => {
  it('writes numbers in decimal', () => {
    fc.assert(
      fc.property(count, (number) => {
        expect(written((to, at) => putCount(to, at, number))).toBe(String(number));
      }),
    );
  });

  it('writes thousandths as they round', () => {
    const number = fc.oneof(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.nat(), fc.constantFrom(0.0004, 0.0005, 0.9996, 1.05, 12.3456));
    fc.assert(
      fc.property(number, (given) => {
        expect(Number(written((to, at) => putThousandths(to, at, given)))).toBe(Math.round(given * 1_000) / 1_000);
      }),
    );
  });

  it('writes texts and bytes of any length', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 200, size: 'max' }),
        (text) => {
          const bytes = Buffer.from(text, 'latin1');
          expect(written((to, at) => putText(to, at, text))).toBe(text);
          expect(written((to, at) => putRange(to, at, bytes, bytes.length >> 1, bytes.length))).toBe(text.slice(bytes.length >> 1));
        },
      ),
    );
  });

  it('writes pieces of any length, and spoils no more behind them than it says', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100 }), fc.nat({ max: 20 }), (length, at) => {
        const text = Array.from({ length }, (_, i) => String.fromCharCode(0x61 + (i % 26))).join('');
        const to = Buffer.alloc(200, '#');
        const piece = Piece.of(text);
        expect(String(piece)).toBe(text);
        expect(putPiece(viewOf(to), at, piece)).toBe(at + length);
        expect(to.toString('latin1', 0, at + length)).toBe('#'.repeat(at) + text);
        expect(to.subarray(at + length + pieceSlack).every((byte) => byte === 0x23)).toBe(true);
      }),
    );
  });
});
