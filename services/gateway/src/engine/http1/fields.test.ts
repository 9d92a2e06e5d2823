// Field lines and their places.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broken, cutsOf, inParts, latin1, linesOf, values } from '../../testing/http-arbitraries.ts';
import { Fields, fieldIds, fieldsOpen, fieldsRefused } from './fields.ts';

const linesMax = 20;

function read(text: string): Fields | string {
  const fields = new Fields();
  const bytes = latin1(text);
  fields.begin(0);
  const end = fields.read(bytes, bytes.length, linesMax);
  if (end === fieldsRefused) return fields.fault;
  return end === fieldsOpen ? 'open' : fields;
}

describe('the name of a field', () => {
  const names = Object.entries(fieldIds).filter(([, id]) => id > 0 && id < fieldIds.xForwardedAny);

  it.each(names)('%s is known in every spelling, and no other name is taken for it', (key, id) => {
    const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const idOf = (spelling: string) => {
      const fields = read(`${spelling}: x\r\n\r\n`);
      return typeof fields === 'string' ? fields : fields.id(0);
    };
    for (const spelling of [name, name.toUpperCase(), name.replace(/^./, (letter) => letter.toUpperCase())])
      expect(idOf(spelling)).toBe(id);
    for (let i = 0; i < name.length; i++) {
      expect(idOf(`${name.slice(0, i)}~${name.slice(i + 1)}`)).toBe(fieldIds.other);
      expect([fieldIds.other, fieldIds.proxy, fieldIds.xForwarded, fieldIds.te]).toContain(
        idOf(name.slice(0, i) + name.slice(i + 1) || 'x'),
      );
    }
    expect(idOf(`${name}x`)).toBe(fieldIds.other);
  });

  it.each([
    ['X-Forwarded-For', fieldIds.xForwardedAny],
    ['x-forwarded-', fieldIds.xForwardedAny],
    ['X-Forwarded_For', fieldIds.underscored],
    ['Burgage-Context', fieldIds.burgageAny],
    ['burgage-', fieldIds.burgageAny],
    ['burgage', fieldIds.other],
    ['Content_Length', fieldIds.underscored],
    ['_', fieldIds.underscored],
    ['Burgage-_', fieldIds.burgageAny],
    ['Burgage_', fieldIds.underscored],
    ['x', fieldIds.other],
    [`x${'-y'.repeat(500)}`, fieldIds.other],
  ])('%s is of its kind', (name, id) => {
    const fields = read(`${name}: x\r\n\r\n`);
    expect(typeof fields === 'string' ? fields : fields.id(0)).toBe(id);
  });
});

describe('fields', () => {
  it('are found by name, the last of several, and as a list', () => {
    const fields = read('Accept: a\r\nX: 1\r\naccept:\t b \r\nDate:\r\n\r\n') as Fields;
    expect(fields.rawHeaders()).toEqual(['Accept', 'a', 'X', '1', 'accept', 'b', 'Date', '']);
    expect([fields.value(fieldIds.accept), fields.list(fieldIds.accept), fields.value(fieldIds.date)]).toEqual(['b', 'a,b', '']);
    expect([fields.value(fieldIds.host), fields.list(fieldIds.host), fields.has(fieldIds.accept), fields.has(fieldIds.host)]).toEqual([
      undefined,
      '',
      true,
      false,
    ]);
  });

  it.each([
    ['a bare LF behind a value', 'X: 1\nY: 2\r\n\r\n', 'a line ends with LF without CR'],
    ['a bare LF behind a name', 'X\n: 2\r\n\r\n', 'a line ends with LF without CR'],
    ['an empty line of LF', 'X: 1\r\n\n', 'a line ends with LF without CR'],
    ['a bare CR in a value', 'X: a\rb\r\n\r\n', 'a CR came without LF'],
    ['a bare CR as an empty line', 'X: a\r\n\rX', 'a CR came without LF'],
    ['two CRs', 'X: a\r\r\n\r\n', 'a CR came without LF'],
    ['a NUL', 'X: a\0b\r\n\r\n', 'a NUL came in a header'],
    ['a DEL', 'X: a\x7fb\r\n\r\n', 'a control character came in a header'],
    ['a vertical tab before a value', 'X:\x0bb\r\n\r\n', 'a control character came in a header'],
    ['a folded line (RFC 9112 5.2)', 'X: a\r\n b\r\n\r\n', 'a folded header line came'],
    ['a line folded with a tab', 'X: a\r\n\tb\r\n\r\n', 'a folded header line came'],
    ['a folded line at the start', ' X: a\r\n\r\n', 'a folded header line came'],
    ['a blank before the colon (RFC 9112 5.1)', 'X : a\r\n\r\n', 'a blank came within a header name or behind it'],
    ['no colon', 'X\r\n\r\n', 'a header line has no colon'],
    ['no name', ': a\r\n\r\n', 'a header line has no name'],
    ['a name that is no token', 'X(y): a\r\n\r\n', 'a header name is not a token'],
    ['a name beyond ASCII', 'Gr\xf6\xdfe: a\r\n\r\n', 'a header name is not a token'],
    ['a NUL in a name', 'X\0: a\r\n\r\n', 'a header name is not a token'],
    ['too many lines', 'X: 1\r\n'.repeat(linesMax + 1), 'more than 20 header lines came'],
  ])('are refused at the first doubt: %s', (_, text, fault) => {
    expect(read(text)).toBe(fault);
  });

  it('have any byte of a value at any place of it, and no other byte', () => {
    for (let byte = 0; byte < 256; byte++) {
      for (let place = 1; place < 10; place++) {
        const value = `${'a'.repeat(place)}${String.fromCharCode(byte)}${'\xff'.repeat(10 - place)}`;
        const fields = read(`X: ${value}\r\n\r\n`);
        if (byte === 9 || (byte >= 32 && byte !== 127)) expect((fields as Fields).rawHeaders()).toEqual(['X', value]);
        else expect(typeof fields).toBe('string');
      }
    }
  });

  it('are as many as are allowed', () => {
    const fields = new Fields();
    const bytes = latin1(`${'Accept: 1\r\n'.repeat(500)}\r\n`);
    fields.begin(0);
    expect(fields.read(bytes, bytes.length, 500)).toBe(bytes.length);
    expect([fields.count, fields.id(499), fields.valueAt(499)]).toEqual([500, fieldIds.accept, '1']);
  });

  const line = fc.tuple(fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}$/), values);
  const sections = fc
    .array(line, { maxLength: 22 })
    .chain((lines) => linesOf(lines.flat()).map((text) => ({ raw: lines.flat(), text: `${text}\r\n` })));

  it('come out as they went in', () => {
    fc.assert(
      fc.property(sections, ({ raw, text }) => {
        const fields = read(`${text}GET`);
        if (raw.length / 2 > linesMax) expect(fields).toBe('more than 20 header lines came');
        else expect((fields as Fields).rawHeaders()).toEqual(raw);
      }),
      { numRuns: 500 },
    );
  });

  const grammar = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/;

  it('broken in any place and cut in any places, are read where the grammar has them and refused otherwise', () => {
    const cases = broken(sections.map(({ text }) => text)).chain((text) => cutsOf(text.length).map((cuts) => ({ text, cuts })));
    fc.assert(
      fc.property(cases, ({ text, cuts }) => {
        const fields = new Fields();
        let begun = -1;
        let end = fieldsOpen;
        const said = inParts(latin1(text), cuts, (bytes, start, stop) => {
          if (begun < 0) fields.begin(start);
          else fields.move(start - begun);
          begun = start;
          end = fields.read(bytes, stop, 1_000);
          return end === fieldsOpen ? 'incomplete' : end === fieldsRefused ? 'refused' : 'complete';
        });
        const section = grammar.exec(text)?.[0];
        if (section === undefined) {
          expect(said).not.toBe('complete');
          return;
        }
        expect([said, end - begun]).toEqual(['complete', section.length]);
        const lines = section
          .slice(0, -4)
          .split('\r\n')
          .filter((text) => text !== '');
        expect(fields.rawHeaders()).toEqual(
          lines.flatMap((text) => [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1).replace(/^[\t ]+|[\t ]+$/g, '')]),
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
