// Saves one table after the other until it is killed, and says each that is on disk: `node table-writer.ts FILE FIRST`.
import { saveTable } from '../adapters/table-file.ts';
import { emptyTable } from './tables.ts';

/** Enough for many pieces, so that a kill is likely to meet a half-written file. */
export const hostsOfEach = 40_000;

if (import.meta.main) {
  const [file = '', first = ''] = process.argv.slice(2);
  for (let revision = Number(first); ; revision++) {
    const table = emptyTable();
    for (let number = 0; number < hostsOfEach; number++) {
      const host = `h${number}.test`;
      table.apply({ kind: 'host', key: host, version: revision, removed: false, entity: { kind: 'host', host, tenantId: 'ten_1' } });
    }
    const position = { epoch: '1.e', revision, seen: { revision, stamp: '' } };
    process.stdout.write('saving\n');
    await saveTable(file, () => ({ table, position }), new Date(0));
    process.stdout.write(`saved ${revision}\n`);
  }
}
