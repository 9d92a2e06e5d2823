// The Huffman code of HPACK: what the standard shows, and nothing beyond its bounds.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { huffmanBytesMax, readHuffman } from './huffman.ts';

function read(hex: string): string | undefined {
  const packed = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const to = Buffer.alloc(huffmanBytesMax(packed.length));
  const end = readHuffman(packed, 0, packed.length, to, 0);
  return end < 0 ? undefined : to.toString('latin1', 0, end);
}

// RFC 7541 appendix C.
it.each([
  ['f1e3 c2e5 f23a 6ba0 ab90 f4ff', 'www.example.com'],
  ['a8eb 1064 9cbf', 'no-cache'],
  ['25a8 49e9 5ba9 7d7f', 'custom-key'],
  ['25a8 49e9 5bb8 e8b4 bf', 'custom-value'],
  ['6402', '302'],
  ['d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3', 'https://www.example.com'],
  [
    '94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
  ['', ''],
])('%s is read as %j', (hex, text) => {
  expect(read(hex)).toBe(text);
});

it.each([
  ['padding of zeros', '00'],
  ['eight bits of padding', 'ff'],
  ['padding behind a whole byte of it', '1fff'],
  ['the end of the string within it', 'ffff fffc'],
  ['the end of the string at its end', '1fff ffff ff'],
  ['half a code', '52bc 30ff ffff ff'],
])('%s is refused', (_, hex) => {
  expect(read(hex)).toBeUndefined();
});

it('whatever comes is refused or read within what it may become, the same each time', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (packed) => {
      const to = Buffer.alloc(huffmanBytesMax(packed.length) + 8, 0xaa);
      const end = readHuffman(packed, 0, packed.length, to, 0);
      expect(end).toBeLessThanOrEqual(huffmanBytesMax(packed.length));
      expect([...to.subarray(huffmanBytesMax(packed.length))]).toEqual(new Array(8).fill(0xaa));
    }),
    { numRuns: 5_000 },
  );
});
