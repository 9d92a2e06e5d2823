// Chunked bodies: the data, the trailers and the end, or a refusal, however the bytes are cut.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broken, cutsOf, latin1, placed, values } from '../../testing/http-arbitraries.ts';
import { ChunkedReader } from './chunked.ts';

const limits = { extensionBytesMax: 30, trailerLinesMax: 5, trailerBytesMax: 200 };

interface Body {
  readonly step: string;
  readonly data: string;
  /** Bytes up to the end of the body, where it has one. */
  readonly length?: number;
  readonly trailers: string[];
  readonly fault: string;
}

/** Reads a body that comes in those parts, each in a buffer of its own that is overwritten behind it. */
function read(text: string, cuts: readonly number[] = [], reader = new ChunkedReader(limits)): Body {
  let data = '';
  let from = 0;
  let step = 'incomplete';
  for (const [i, cut] of [...cuts, text.length].entries()) {
    const { buffer, start, end } = placed(latin1(text.slice(from, cut)), (i * 7) % 23);
    let at = start;
    do {
      step = reader.next(buffer, at, end);
      if (step === 'data') {
        expect(reader.dataStart).toBeGreaterThanOrEqual(at);
        expect(reader.dataEnd).toBeGreaterThan(reader.dataStart);
        expect(reader.at).toBe(reader.dataEnd);
        data += buffer.toString('latin1', reader.dataStart, reader.dataEnd);
      }
      at = reader.at;
      expect(at).toBeLessThanOrEqual(end);
    } while (step === 'data');
    buffer.fill('x');
    if (step === 'complete') return { step, data, length: from + at - start, trailers: reader.rawTrailers(), fault: '' };
    if (step === 'refused') break;
    expect(at).toBe(end);
    from = cut;
  }
  return { step, data, trailers: reader.rawTrailers(), fault: reader.fault };
}

const refused: Readonly<Record<string, readonly [body: string, fault: string]>> = {
  'no size': ['\r\n', 'a chunk has no size in hexadecimal digits'],
  'a prefix': ['0x5\r\nhello\r\n', 'a chunk size is not of hexadecimal digits alone'],
  'a plus': ['+5\r\nhello\r\n', 'a chunk has no size in hexadecimal digits'],
  'a minus': ['-5\r\nhello\r\n', 'a chunk has no size in hexadecimal digits'],
  'a space before the size': [' 5\r\nhello\r\n', 'a chunk has no size in hexadecimal digits'],
  'an underscore in the size': ['1_0\r\n', 'a chunk size is not of hexadecimal digits alone'],
  'no hexadecimal digit': ['g\r\n', 'a chunk has no size in hexadecimal digits'],
  'digits of another alphabet': ['\xb2\r\n', 'a chunk has no size in hexadecimal digits'],
  'more digits than any chunk has': [`${'0'.repeat(13)}\r\n`, 'a chunk size has more than 12 digits'],
  'a size that overflows': ['10000000000000005\r\n', 'a chunk size has more than 12 digits'],
  'a bare LF behind the size': ['5\nhello\r\n', 'a chunk size is not of hexadecimal digits alone'],
  'a bare CR behind the size': ['5\rhello\r\n', 'a CR came without LF'],
  'blanks behind the size': ['5 \r\nhello\r\n', 'a chunk extension is malformed'],
  'data that are longer than the size': ['5\r\nhello!\r\n', 'the data of a chunk are longer than its size'],
  'data that end with LF': ['5\r\nhello\n0\r\n\r\n', 'the data of a chunk are longer than its size'],
  'data that end with CR alone': ['5\r\nhello\r0\r\n\r\n', 'a CR came without LF'],
  'no line end behind data': ['5\r\nhello0\r\n\r\n', 'the data of a chunk are longer than its size'],
  'an extension without a name': ['5;\r\nhello\r\n', 'a chunk extension is malformed'],
  'an extension without a value': ['5;a=\r\nhello\r\n', 'a chunk extension is malformed'],
  'an extension whose name is no token': ['5;a(b\r\nhello\r\n', 'a chunk extension is malformed'],
  'a bare LF in an extension': ['5;a\nhello\r\n', 'a chunk extension is malformed'],
  'a bare LF in a quoted value': ['5;a="\n"\r\nhello\r\n', 'a chunk extension is malformed'],
  'a CR in a quoted value': ['5;a="\r\n"\r\nhello\r\n', 'a chunk extension is malformed'],
  'an escaped CR': ['5;a="\\\r\n"\r\nhello\r\n', 'a chunk extension is malformed'],
  'a NUL in an extension': ['5;a=\0\r\nhello\r\n', 'a chunk extension is malformed'],
  'a quoted value that goes on': ['5;a="b"c\r\nhello\r\n', 'a chunk extension is malformed'],
  'blanks at the end of an extension': ['5;a \r\nhello\r\n', 'a chunk extension is malformed'],
  'a long extension': [`5;${'a'.repeat(40)}\r\nhello\r\n`, 'a chunk has more than 30 bytes of extensions'],
  'a folded trailer': ['0\r\nX: 1\r\n 2\r\n\r\n', 'a folded header line came'],
  'a trailer with a space before the colon': ['0\r\nX : 1\r\n\r\n', 'a blank came within a header name or behind it'],
  'a bare LF instead of trailers': ['0\r\n\n', 'a line ends with LF without CR'],
  'a bare CR instead of trailers': ['0\r\n\rX', 'a CR came without LF'],
  'a request instead of trailers': ['0\r\nGET / HTTP/1.1\r\n\r\n', 'a blank came within a header name or behind it'],
  'a length as a trailer': ['0\r\ncontent-length: 5\r\n\r\n', 'a trailer would frame the message'],
  'a coding as a trailer': ['0\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 'a trailer would frame the message'],
  'a Host as a trailer': ['0\r\nHost: acme.test\r\n\r\n', 'a trailer would frame the message'],
  'many trailers': [`0\r\n${'X: 1\r\n'.repeat(6)}\r\n`, 'more than 5 header lines came'],
  'long trailers': [`0\r\nX: ${'a'.repeat(200)}\r\n\r\n`, 'more than 200 bytes of trailers came'],
};

describe('a chunked body', () => {
  it.each(Object.entries(refused))('is refused: %s', (_, [text, fault]) => {
    expect(read(text)).toMatchObject({ step: 'refused', fault, trailers: [] });
    expect(
      read(
        text,
        Array.from(text, (_, i) => i),
      ),
    ).toMatchObject({ step: 'refused', fault });
  });

  it.each([
    ['0\r\n\r\n', '', []],
    ['000\r\n\r\n', '', []],
    ['5\r\nhello\r\n0\r\n\r\n', 'hello', []],
    ['A\r\n0123456789\r\n00000000000a\r\n0123456789\r\n0\r\n\r\n', '01234567890123456789', []],
    ['5;a;b=c;d="e;\\"\r"\r\n', undefined, []],
    ['5;a;b=c;d="e; \\" f"\r\nhello\r\n0;last\r\n\r\n', 'hello', []],
    ['5 ; a = b \t;c="" \t;d\r\nhello\r\n0\r\n\r\n', 'hello', []],
    ['2\r\n\r\n\r\n0\r\n\r\n', '\r\n', []],
    ['0\r\nX-Sum: 42\r\nETag:\t"a" \r\n\r\n', '', ['X-Sum', '42', 'ETag', '"a"']],
  ])('is read: %j', (text, data, trailers) => {
    if (data === undefined) expect(read(text).step).toBe('refused');
    else expect(read(`${text}GET /`)).toEqual({ step: 'complete', data, length: text.length, trailers, fault: '' });
  });

  it('stays refused, and stays complete', () => {
    const reader = new ChunkedReader(limits);
    expect(read('x', [], reader).step).toBe('refused');
    expect(read('0\r\n\r\n', [], reader)).toMatchObject({ step: 'refused', fault: 'a chunk has no size in hexadecimal digits' });
    reader.reset();
    expect(read('0\r\nX: 1\r\n\r\n', [], reader).trailers).toEqual(['X', '1']);
    expect(read('0\r\n', [], reader)).toMatchObject({ step: 'complete', length: 0 });
    reader.reset();
    expect(read('1\r\na\r\n0\r\n\r\n', [], reader)).toMatchObject({ step: 'complete', data: 'a', trailers: [] });
  });

  it('has trailers that come in many parts', () => {
    const trailers = Array.from({ length: 30 }, (_, i) => [`X-${i}`, 'v'.repeat(i * 3)]).flat();
    const text = `0\r\n${trailers.map((item, i) => (i % 2 === 0 ? `${item}: ` : `${item}\r\n`)).join('')}\r\n`;
    const cuts = Array.from({ length: text.length / 10 }, (_, i) => i * 10);
    expect(read(`${text}GET /`, cuts, new ChunkedReader())).toMatchObject({ step: 'complete', length: text.length, trailers });
  });

  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,4}$/);
  const blank = fc.constantFrom('', '', '', ' ', '\t ');
  const quoted = fc
    .array(fc.constantFrom('a', ';', '=', '\\"', '\\\\', ' ', '\xff', '\\;'), { maxLength: 4 })
    .map((parts) => `"${parts.join('')}"`);
  const extension = fc
    .tuple(blank, blank, token, fc.option(fc.tuple(blank, blank, fc.oneof(token, quoted)), { nil: undefined }))
    .map(([a, b, name, value]) => `${a};${b}${name}${value === undefined ? '' : `${value[0]}=${value[1]}${value[2]}`}`);
  const chunk = fc
    .record({
      data: fc.string({ unit: fc.constantFrom('a', '\r', '\n', '\0', '\xff', '0'), minLength: 1, maxLength: 20 }),
      zeros: fc.constantFrom('', '00'),
      extension: fc.oneof(fc.constant(''), extension),
    })
    .map(({ data, zeros, extension }) => ({ data, text: `${zeros}${data.length.toString(16)}${extension}\r\n${data}\r\n` }));
  const bodies = fc
    .record({
      chunks: fc.array(chunk, { maxLength: 5 }),
      extension: fc.oneof(fc.constant(''), extension),
      trailers: fc.array(fc.tuple(token, values), { maxLength: 3 }),
    })
    .map(({ chunks, extension, trailers }) => ({
      data: chunks.map(({ data }) => data).join(''),
      trailers: trailers.flat(),
      text: `${chunks.map(({ text }) => text).join('')}0${extension}\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    }));

  it('comes out as it went in, however it is cut', () => {
    fc.assert(
      fc.property(
        bodies.chain((body) => cutsOf(body.text.length).map((cuts) => ({ ...body, cuts }))),
        ({ data, trailers, text, cuts }) => {
          expect(read(`${text}GET /`, cuts)).toEqual({ step: 'complete', data, length: text.length, trailers, fault: '' });
        },
      ),
      { numRuns: 1_000 },
    );
  });

  /** The grammar of RFC 9112 section 7.1 in one piece; undefined where the text is not a body and what may follow one. */
  function grammar(text: string): { data: string; length: number } | undefined {
    const tchar = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]";
    const ext = `(?:[\\t ]*;[\\t ]*${tchar}+(?:[\\t ]*=[\\t ]*(?:${tchar}+|"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"))?)*`;
    const size = new RegExp(`([0-9A-Fa-f]+)${ext}\\r\\n`, 'y');
    const trailers = new RegExp(`(?:${tchar}+:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n)*\\r\\n`, 'y');
    let data = '';
    let at = 0;
    for (;;) {
      size.lastIndex = at;
      const match = size.exec(text);
      if (match === null) return undefined;
      at = size.lastIndex;
      const count = Number.parseInt(match[1] ?? '', 16);
      if (count === 0) break;
      if (text.slice(at + count, at + count + 2) !== '\r\n') return undefined;
      data += text.slice(at, at + count);
      at += count + 2;
    }
    trailers.lastIndex = at;
    return trailers.test(text) ? { data, length: trailers.lastIndex } : undefined;
  }

  it('broken in any place and cut in any places, is read where the grammar has it and never further', () => {
    const wide = { extensionBytesMax: 1_000, trailerLinesMax: 100, trailerBytesMax: 1_000 };
    const cases = broken(bodies.map(({ text }) => text)).chain((text) => cutsOf(text.length).map((cuts) => ({ text, cuts })));
    fc.assert(
      fc.property(cases, ({ text, cuts }) => {
        const whole = read(text, [], new ChunkedReader(wide));
        expect(read(text, cuts, new ChunkedReader(wide))).toEqual(whole);
        const expected = grammar(text);
        if (expected === undefined) expect(whole.step).not.toBe('complete');
        else if (whole.fault !== 'a chunk size has more than 12 digits') expect(whole).toMatchObject({ step: 'complete', ...expected });
      }),
      { numRuns: 3_000 },
    );
  });
});
