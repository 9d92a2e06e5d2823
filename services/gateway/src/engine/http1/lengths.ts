// Lengths of bodies and their codings, as requests and answers announce them alike (RFC 9112 section 6).
import { isWord, zero } from './bytes.ts';
import type { Fields } from './fields.ts';

/** More digits are no length that anybody sends, and fewer are exact as a number. */
const lengthDigitsMax = 15;

/** Hot path. The bytes that a Content-Length announces; -1 where it is not a number of 1 to 15 digits. */
export function contentLength(fields: Fields, index: number): number {
  const { bytes } = fields;
  const start = fields.valueStart(index);
  const end = fields.valueEnd(index);
  if (end === start || end - start > lengthDigitsMax) return -1;
  let length = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - zero;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/**
 * What a Transfer-Encoding says: `chunked` and nothing else; `malformed` where chunked is not the last or comes twice, so
 * that nobody can say where the body ends; else `unknown`.
 */
export function transferCoding(fields: Fields, index: number): 'chunked' | 'malformed' | 'unknown' {
  if (isWord(fields.bytes, fields.valueStart(index), fields.valueEnd(index), 'chunked')) return 'chunked';
  const codings = fields
    .valueAt(index)
    .split(',')
    .map((coding) => coding.trim().toLowerCase());
  return codings.slice(0, -1).includes('chunked') ? 'malformed' : 'unknown';
}
