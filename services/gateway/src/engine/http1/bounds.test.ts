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

/** Texts up to some place, as whole as they are. */
function beginnings(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const all = fc.oneof(texts, broken(texts));
  return all.chain((text) => fc.noBias(fc.nat(text.length)).map((length) => text.slice(0, length)));
}

/** What a reader says of these bytes with each of those behind them. */
function saysWith(text: string, read: (bytes: Buffer, start: number, end: number) => unknown): unknown[] {
  return behind.map((canary) => {
    const before = 'x'.repeat(7);
    return read(latin1(before + text + canary), before.length, before.length + text.length);
  });
}

const chunkedTexts = fc
  .array(fc.constantFrom('5\r\nhello\r\n', '1;a=b\r\n\n\r\n', '00a;b="c\\""\r\n0123456789\r\n', '3 ; x\r\n\r\n0\r\n'), { maxLength: 3 })
  .chain((chunks) =>
    fc.constantFrom('0\r\n\r\n', '0;z\r\nX-Sum: 1\r\n\r\n', '000\r\nETag: "a"\r\nX: \t1 \r\n\r\n').map((end) => chunks.join('') + end),
  );

describe('nothing is read beyond its end, whatever stands there', () => {
  it.each([
    [
      'of a request head',
      requestTexts.map(({ text }) => text),
      (bytes: Buffer, start: number, end: number) => {
        const parsed = new ParsedRequest();
        const outcome = parseRequestHead(bytes, start, end, limits, parsed);
        if (outcome === 'complete') expect(parsed.headEnd).toBeLessThanOrEqual(end);
        const { refusal, headEnd } = parsed;
        return outcome === 'complete' ? [outcome, headEnd, parsed.readHead(), parsed.requestHead()] : [outcome, refusal];
      },
    ],
    [
      'of the head of an answer',
      responseTexts.map(({ text }) => text),
      (bytes: Buffer, start: number, end: number) => {
        const parsed = new ParsedResponse();
        const outcome = parseResponseHead(bytes, start, end, limits, { method: 'GET', upgrade: 'websocket' }, parsed);
        if (outcome === 'complete') expect(parsed.headEnd).toBeLessThanOrEqual(end);
        const { refusal, headEnd, status, bodyKind, bodyBytes, keepAlive, keepAliveTimeoutMs, fields } = parsed;
        const said = [headEnd, status, bodyKind, bodyBytes, keepAlive, keepAliveTimeoutMs, fields.rawHeaders()];
        return outcome === 'complete' ? [outcome, ...said] : [outcome, refusal];
      },
    ],
    [
      'of a chunked body',
      chunkedTexts,
      (bytes: Buffer, start: number, end: number) => {
        const reader = new ChunkedReader();
        let data = '';
        let at = start;
        for (;;) {
          const step = reader.next(bytes, at, end);
          expect(reader.at).toBeLessThanOrEqual(end);
          if (step !== 'data') return [step, data, reader.at, reader.fault, reader.rawTrailers()];
          expect(reader.dataEnd).toBeLessThanOrEqual(end);
          data += bytes.toString('latin1', reader.dataStart, reader.dataEnd);
          at = reader.at;
        }
      },
    ],
  ] as const)('%s', (_, texts, read) => {
    fc.assert(
      fc.property(beginnings(texts), (text) => {
        const [alone, ...others] = saysWith(text, read);
        for (const other of others) expect(other).toEqual(alone);
      }),
      { numRuns: 1_000 },
    );
  });
});
