// HPACK: heads packed and unpacked as the standard shows, one side by the other, within bounds, and nothing else believed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fields } from '../http1/fields.ts';
import { HeadBuffer } from '../http1/head-buffer.ts';
import { lineToKeep } from './header-line.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';

type Pair = readonly [name: string, value: string];

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
}

function read(decoder: HpackDecoder, bytes: Buffer): Pair[] | undefined {
  if (!decoder.read(bytes, 0, bytes.length)) return undefined;
  return decoder.lines.map((line): Pair => [line.name(), line.value()]);
}

function write(encoder: HpackEncoder, status: number, pairs: readonly Pair[]): Buffer {
  const text = Buffer.from(`${pairs.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1');
  const fields = new Fields();
  fields.begin(0);
  fields.read(text, text.length, pairs.length);
  const out = new HeadBuffer(0);
  encoder.begin(out, status);
  for (let i = 0; i < fields.count; i++) encoder.field(fields, i);
  return Buffer.from(out.bytes.subarray(0, out.length));
}

const request: Pair[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const secureRequest: Pair[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
];
const redirect = (status: string, second: string): Pair[] => [
  [':status', status],
  ['cache-control', 'private'],
  ['date', `Mon, 21 Oct 2013 20:13:${second} GMT`],
  ['location', 'https://www.example.com'],
];
const cookie: Pair[] = [
  ['content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
];

describe('a head', () => {
  it.each<[string, number, [hex: string, pairs: Pair[]][]]>([
    [
      'of requests, appendix C.3',
      4_096,
      [
        ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', request],
        ['8286 84be 5808 6e6f 2d63 6163 6865', [...request, ['cache-control', 'no-cache']]],
        ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', secureRequest],
      ],
    ],
    [
      'of requests in the Huffman code, appendix C.4',
      4_096,
      [
        ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', request],
        ['8286 84be 5886 a8eb 1064 9cbf', [...request, ['cache-control', 'no-cache']]],
        ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', secureRequest],
      ],
    ],
    [
      'of answers that drive each other out, appendix C.5',
      256,
      [
        [
          '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
          redirect('302', '21'),
        ],
        ['4803 3330 37c1 c0bf', redirect('307', '21')],
        [
          '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
          [...redirect('200', '22'), ...cookie],
        ],
      ],
    ],
    [
      'of answers in the Huffman code, appendix C.6',
      256,
      [
        [
          '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
          redirect('302', '21'),
        ],
        ['4883 640e ffc1 c0bf', redirect('307', '21')],
        [
          '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
          [...redirect('200', '22'), ...cookie],
        ],
      ],
    ],
  ])('%s, is read as the standard has it', (_, tableBytes, heads) => {
    const decoder = new HpackDecoder(4_096, tableBytes);
    for (const [hex, pairs] of heads) expect(read(decoder, bytesOf(hex))).toEqual(pairs);
  });

  it.each([
    ['a line at no place of a table', 'c0'],
    ['a line at place 0', '80'],
    ['a name at no place of a table', '7f0001 61'],
    ['a string that is longer than the head', '400a 61'],
    ['a head that ends before a value', '4001 61'],
    ['a head that ends within a number', 'ff'],
    ['a number of too many bytes', 'ff80 8080 8080 8000'],
    ['a number that is too large', 'ffff ffff 7f'],
    ['a string that is not in the Huffman code', '4001 6181 00'],
    ['a larger table than it was told', '3fe2 1f'],
    ['another size of the table behind a line', '8220'],
  ])('with %s is refused', (_, hex) => {
    expect(read(new HpackDecoder(4_096), bytesOf(hex))).toBeUndefined();
  });

  it('has the table that its sizes leave: of none nothing can be named, and a line that is too large empties it', () => {
    const decoder = new HpackDecoder(4_096, 256);
    const kept = '4001 61 01 62';
    expect(read(decoder, bytesOf(`${kept} be`))).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    expect(read(decoder, bytesOf('20 be'))).toBeUndefined();
    const other = new HpackDecoder(4_096, 256);
    const large = `4001 61 7f6a ${'62'.repeat(233)}`;
    expect(read(other, bytesOf(kept))).toHaveLength(1);
    expect(read(other, bytesOf(large))).toEqual([['a', 'b'.repeat(233)]]);
    expect(read(other, bytesOf('be'))).toBeUndefined();
  });

  it('that is larger than it may be is read to its end, so that the next is understood, and not kept', () => {
    const decoder = new HpackDecoder(200);
    const kept = `4001 61 64 ${'62'.repeat(100)}`;
    expect(read(decoder, bytesOf(`${kept} ${'be'.repeat(5_000)} 4001 63 01 64`))?.length).toBeLessThan(3);
    expect(decoder.isTooLarge).toBe(true);
    expect(read(decoder, bytesOf('be'))).toEqual([['c', 'd']]);
    expect(decoder.isTooLarge).toBe(false);
  });

  it('that names a long line again and again is not unpacked to its end, kept or not', () => {
    for (const again of ['7e 00', '0f2f 00']) {
      const decoder = new HpackDecoder(4_096);
      expect(read(decoder, bytesOf(`407f a11e ${'61'.repeat(4_000)} 00`))).toHaveLength(1);
      expect(read(decoder, bytesOf(again.repeat(3)))).toHaveLength(1);
      expect(read(decoder, bytesOf(again.repeat(8_000)))).toBeUndefined();
    }
  });

  it('whatever it is made of is refused or read, and never more than its bound', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (heads) => {
        const decoder = new HpackDecoder(500);
        for (const head of heads) {
          if (!decoder.read(Buffer.from(head), 0, head.length)) return;
          expect(decoder.lines.reduce((total, { size }) => total + size, 0)).toBeLessThanOrEqual(500);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('the head of an answer', () => {
  const name = fc.constantFrom('server', 'Content-Type', 'x-a', 'X-Longer-Name', 'date', 'etag', 'set-cookie', 'vary');
  const value = fc.oneof(
    fc.constantFrom('', 'a', 'text/html; charset=utf-8', 'b'.repeat(300), 'é'),
    fc.string({ maxLength: 20, unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)) }),
  );
  const pairs = fc.array(fc.tuple(name, value), { maxLength: 8 });
  const step = fc.record({ pairs, status: fc.constantFrom(200, 204, 301, 404, 999), tableBytes: fc.option(fc.nat(8_192), { freq: 5 }) });

  it('is read as it was written, one behind the other, whatever table the client wants', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder(100_000);
        for (const { pairs: written, status, tableBytes } of steps) {
          if (tableBytes !== null) encoder.resize(tableBytes);
          const expected = [[':status', String(status)], ...written.map(([one, text]) => [one.toLowerCase(), text])];
          expect(read(decoder, write(encoder, status, written))).toEqual(expected);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('names what recurs by its place, and keeps what does not out of the table', () => {
    const encoder = new HpackEncoder();
    const head = (etag: number): Pair[] => [
      ['content-type', 'text/html'],
      ['x-powered-by', 'an app'],
      ['etag', `"${etag}"`],
    ];
    const lengths = [1, 2, 3, 4, 5].map((etag) => write(encoder, 200, head(etag)).length);
    // Seen, kept, and named: status and two lines in a byte each, and a tag of six.
    expect(lengths.slice(2)).toEqual([9, 9, 9]);
    expect(lengths[0]).toBeGreaterThan(30);
  });

  it('tells everybody on the way not to keep cookies and request ids', () => {
    const encoder = new HpackEncoder();
    const secret: Pair[] = [['set-cookie', 'a=b']];
    for (let round = 0; round < 3; round++) expect(write(encoder, 200, secret).toString('hex')).toBe('881f2803613d62');
    const out = new HeadBuffer();
    encoder.beginTrailers(out);
    encoder.text('X-Request-Id', 'abc');
    expect(out.bytes.toString('latin1', 0, out.length)).toBe('\x10\x0cx-request-id\x03abc');
  });
});

describe('lines that are kept', () => {
  const kept = (name: string, value: string) => lineToKeep(Buffer.from(name), Buffer.from(` ${value}`), 1, value.length + 1);

  it('are one for all connections, and no other', () => {
    const browser = kept('user-agent', 'Mozilla/5.0');
    expect(kept('user-agent', 'Mozilla/5.0')).toBe(browser);
    for (const [name, value] of [
      ['user-agenu', 'Mozilla/5.0'],
      ['user-agent', 'Mozilla/5.1'],
      ['user-agent', 'Mozilla/5.'],
    ] as const) {
      expect([kept(name, value).name(), kept(name, value).value()]).toEqual([name, value]);
    }
  });

  it('are nobody else’s where they may prove who somebody is, or are none', () => {
    for (const name of ['cookie', 'authorization', 'Authorization', 'x-api-key', ':path', 'user-agent ']) {
      expect(kept(name, '/secret=1')).not.toBe(kept(name, '/secret=1'));
    }
    expect(kept('user-agent', 'blank ')).not.toBe(kept('user-agent', 'blank '));
  });
});
