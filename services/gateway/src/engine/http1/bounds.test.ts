// Readers of heads and chunks read nothing at or beyond their bound: whatever stands there, they say the same, and never throw.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broken, latin1, requestTexts, responseTexts } from '../../testing/http-arbitraries.ts';
import { ChunkedReader } from './chunked.ts';
import { ParsedRequest, parseRequestHead } from './request-head.ts';
import { ParsedResponse, parseResponseHead } from './response-head.ts';

const limits = { headBytesMax: 1_000, headerLinesMax: 20, targetBytesMax: 200 };

/** What would go on or end anything that a reader may be in the middle of; none: the buffer ends with the bound. */
const behind = ['', '\n', '\r\n', '\r\n\r\n', '\n\r\n', ' ', ':', ';a=b\r\n', '0', 'a', '"', '\0', '\xff', 'HTTP/1.1 200 OK\r\n\r\n'];

interface Cut {
  readonly text: string;
  /** What has come of it at first. */
  readonly length: number;
}

function cut(texts: fc.Arbitrary<string>): fc.Arbitrary<Cut> {
  const all = fc.oneof(texts, broken(texts));
  return all.chain((text) => fc.noBias(fc.nat(text.length)).map((length) => ({ text, length })));
}

/** Reads the bytes from `start` to `end`, which go on or begin anew what was read before; `rest`: only what is new comes. */
interface Reading {
  readonly rest: boolean;
  read(bytes: Buffer, start: number, end: number): readonly [outcome: string, ...said: unknown[]];
}

/** What is said of the first bytes with each of those behind them, and then of all. */
function saysWith({ text, length }: Cut, begin: () => Reading): unknown[] {
  const [before, later] = ['x'.repeat(7), 'y'.repeat(3)];
  return behind.map((canary) => {
    const { rest, read } = begin();
    const first = read(latin1(before + text.slice(0, length) + canary), before.length, before.length + length);
    if (first[0] !== 'incomplete') return first;
    const more = rest ? text.slice(length) : text;
    return [first, read(latin1(later + more), later.length, later.length + more.length)];
  });
}

const chunkedTexts = fc
  .array(fc.constantFrom('5\r\nhello\r\n', '1;a=b\r\n\n\r\n', '00a;b="c\\""\r\n0123456789\r\n', '3 ; x\r\n\r\n0\r\n'), { maxLength: 3 })
  .chain((chunks) =>
    fc.constantFrom('0\r\n\r\n', '0;z\r\nX-Sum: 1\r\n\r\n', '000\r\nETag: "a"\r\nX: \t1 \r\n\r\n').map((end) => chunks.join('') + end),
  );

const readings: Readonly<Record<string, readonly [texts: fc.Arbitrary<string>, begin: () => Reading]>> = {
  'of a request head': [
    requestTexts.map(({ text }) => text),
    () => {
      const parsed = new ParsedRequest();
      return {
        rest: false,
        read: (bytes, start, end) => {
          const outcome = parseRequestHead(bytes, start, end, limits, parsed);
          if (outcome !== 'complete') return [outcome, parsed.refusal];
          expect(parsed.headEnd).toBeLessThanOrEqual(end);
          return [outcome, parsed.headEnd - start, parsed.readHead(), parsed.requestHead()];
        },
      };
    },
  ],
  'of the head of an answer': [
    responseTexts.map(({ text }) => text),
    () => {
      const parsed = new ParsedResponse();
      return {
        rest: false,
        read: (bytes, start, end) => {
          const outcome = parseResponseHead(bytes, start, end, limits, { method: 'GET', upgrade: 'websocket' }, parsed);
          if (outcome !== 'complete') return [outcome, parsed.refusal];
          const { headEnd, status, bodyKind, bodyBytes, keepAlive, keepAliveTimeoutMs, fields } = parsed;
          expect(headEnd).toBeLessThanOrEqual(end);
          return [outcome, headEnd - start, status, bodyKind, bodyBytes, keepAlive, keepAliveTimeoutMs, fields.rawHeaders()];
        },
      };
    },
  ],
  'of a chunked body': [
    chunkedTexts,
    () => {
      const reader = new ChunkedReader();
      let data = '';
      return {
        rest: true,
        read: (bytes, start, end) => {
          for (let at = start; ; at = reader.at) {
            const step = reader.next(bytes, at, end);
            expect(reader.at).toBeLessThanOrEqual(end);
            if (step !== 'data') return [step, data, reader.at - start, reader.fault, reader.rawTrailers()];
            expect(reader.dataEnd).toBeLessThanOrEqual(end);
            data += bytes.toString('latin1', reader.dataStart, reader.dataEnd);
          }
        },
      };
    },
  ],
};

describe('nothing is read beyond its end, whatever stands there', () => {
  it.each(Object.entries(readings))('%s', (_, [texts, begin]) => {
    fc.assert(
      fc.property(cut(texts), (one) => {
        const [alone, ...others] = saysWith(one, begin);
        for (const other of others) expect(other).toEqual(alone);
      }),
      { numRuns: 1_000 },
    );
  });
});
