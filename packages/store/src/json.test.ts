// JSON text: what goes through comes back the same, and nothing else goes through.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonText } from './json.ts';

describe('jsonText', () => {
  it('gives back every JSON value unchanged', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // JSON itself has no negative zero.
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(JSON.parse(jsonText('value', plain))).toStrictEqual(plain);
      }),
    );
  });

  it('refuses, or keeps, anything at all', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withSparseArray: true }),
        (value) => {
          let text: string;
          try {
            text = jsonText('value', value);
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid_argument' });
            return;
          }
          expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        },
      ),
    );
  });

  it('names the place, what is there and what was expected', () => {
    expect(() => jsonText('value', { list: [1, { when: new Date(0) }] })).toThrow(
      'value.list[1].when: got a Date, expected a plain JSON value',
    );
    expect(() => jsonText('value', { count: Number.NaN })).toThrow('value.count: got NaN, expected a finite number');
  });

  it('refuses what calls its own toJSON', () => {
    expect(() => jsonText('value', { toJSON: () => 1 })).toThrow('value.toJSON');
  });
});
