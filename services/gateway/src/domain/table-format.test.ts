// The table on disk: the same after a round, and never half of it.
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entries } from '../testing/route-arbitraries.ts';
import { emptyTable, freshNames } from '../testing/tables.ts';
import type { RouteTable } from './route-table.ts';
import { endLine, entryLine, headingLine, readTable } from './table-format.ts';

const seen = { revision: 9, stamp: 'nine' };

function written(table: RouteTable): Buffer {
  let text = headingLine({ epoch: '1.e', revision: 7, savedAt: '2026-01-01T00:00:00.000Z' });
  let count = 0;
  for (const entry of table.entries()) {
    text += entryLine(entry);
    count += 1;
  }
  return Buffer.from(text + endLine(count, seen, crc32(text), crc32));
}

function tableOf(list: Parameters<RouteTable['apply']>[0][]): RouteTable {
  const table = emptyTable();
  for (const entry of list) table.apply(entry);
  return table;
}

describe('readTable', () => {
  it('gives back what was written', () => {
    fc.assert(
      fc.property(fc.array(entries, { maxLength: 30, size: 'max' }), (list) => {
        const table = tableOf(list);
        const read = readTable(written(table), crc32, freshNames());
        if (!read.ok) throw read.error;
        expect(read.value).toMatchObject({ position: { epoch: '1.e', revision: 7, seen }, savedAt: '2026-01-01T00:00:00.000Z' });
        expect([...read.value.table.entries()]).toEqual([...table.entries()]);
      }),
    );
  });

  it('takes no file that was cut off at any byte, nor one with anything behind its end', () => {
    const bytes = written(tableOf(fc.sample(entries, { numRuns: 12, seed: 4 })));
    for (let length = 0; length < bytes.length; length++) {
      const read = readTable(bytes.subarray(0, length), crc32, freshNames());
      expect(read.ok ? 'taken' : read.error.code).toBe('data_corrupt');
    }
    expect(readTable(bytes, crc32, freshNames()).ok).toBe(true);
    expect(readTable(Buffer.concat([bytes, Buffer.from('\n')]), crc32, freshNames()).ok).toBe(false);
  });

  it('takes no file of which any byte was changed', () => {
    const bytes = written(tableOf(fc.sample(entries, { numRuns: 6, seed: 4 })));
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 0x01;
      const read = readTable(changed, crc32, freshNames());
      expect(read.ok).toBe(false);
    }
  });

  it('takes a file of version 1, which says nothing of what is seen', () => {
    const heading = '{"format":"burgage-routes","version":1,"epoch":"e1","revision":7,"savedAt":"2026-01-01T00:00:00.000Z"}\n';
    const body = `${heading}["host",3,"acme.test","ten_1"]\n`;
    const read = readTable(Buffer.from(`${body}{"end":1,"crc32":${crc32(body)}}\n`), crc32, freshNames());
    if (!read.ok) throw read.error;
    expect(read.value.position).toEqual({ epoch: 'e1', revision: 7, seen: { revision: 7, stamp: '' } });
    expect(read.value.table.find('acme.test')?.tenantId).toBe('ten_1');
  });

  it('takes a tenant as it was written before tenants could move', () => {
    const rest = ['acme', 'trial', 'active', [], null, [], 'shared', 'pool', 1, 'Acme', '#336699', false];
    const tenant = (more: unknown[]) => {
      const body = `${headingLine({ epoch: '1.e', revision: 7, savedAt: '2026-01-01T00:00:00.000Z' })}${JSON.stringify(['tenant', 3, 'ten_1', ...rest, ...more])}\n`;
      const read = readTable(Buffer.from(body + endLine(1, seen, crc32(body), crc32)), crc32, freshNames());
      return read.ok ? read.value.table.tenant('ten_1')?.moving : read.error.code;
    };
    expect([tenant([]), tenant([true]), tenant(['yes'])]).toEqual([false, true, 'data_corrupt']);
  });

  it('says that a file is of a later version', () => {
    const read = readTable(Buffer.from('{"format":"burgage-routes","version":3}\nwhatever'), crc32, freshNames());
    expect(read.ok ? 'taken' : read.error.code).toBe('document_too_new');
  });
});
