// How fast a tenant's rows are archived, hashed, restored and removed, and for how long other requests wait meanwhile: half a minute, and a small table.
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTable, digestOfArchive, openTenantData, type Place } from '../src/index.ts';

const megabyte = 1_000_000;
const tenantBytes = 100 * megabyte;
const rowsPerTransaction = 5_000;

const contacts = defineTable({ name: 'contacts', columns: { name: 'text', notes: 'text?', createdAtMs: 'integer' }, search: ['name'] });
const migrations = [
  `CREATE TABLE contacts (tenant_id TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, notes TEXT, createdAtMs INTEGER NOT NULL,
   PRIMARY KEY (tenant_id, id)) STRICT, WITHOUT ROWID;
   CREATE INDEX contacts_by_age ON contacts (tenant_id, createdAtMs, id)`,
];

const folder = mkdtempSync(join(tmpdir(), 'app-kit-bench-'));
const data = openTenantData({ folder: join(folder, 'data'), migrations, tables: [contacts] });
const archive = join(folder, 'archive.ndjson');
const info = { slug: 'acme', name: 'Acme', color: '#336699' };

async function measured(what: string, bytes: number, work: () => Promise<unknown>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // Counts from its second turn on, and to its last.
  await sleep(20);
  const beganMs = performance.now();
  await work();
  const ms = performance.now() - beganMs;
  await sleep(20);
  delay.disable();
  const rate = (bytes / megabyte / (ms / 1_000)).toFixed(0);
  console.log(
    `${what.padEnd(32)} ${rate.padStart(6)} MB/s  ${(ms / 1_000).toFixed(2).padStart(6)} s  longest wait of others ${(delay.max / 1e6).toFixed(0).padStart(5)} ms`,
  );
}

try {
  await data.prepare('ten_bench', info);
  const tenant = data.for('ten_bench');
  const notes = 'All work and no play makes Jack a dull boy. '.repeat(5);
  for (let index = 0, bytes = 0; bytes < tenantBytes; )
    tenant.transaction(() => {
      for (let count = 0; count < rowsPerTransaction; count += 1, index += 1) {
        const row = { id: index.toString(16).padStart(32, '0'), name: `Contact ${index}`, notes, createdAtMs: 1_700_000_000_000 + index };
        tenant.table(contacts).insert(row);
        bytes += row.id.length + row.name.length + notes.length + 8;
      }
    });
  data.freeze('ten_bench', 'bench');

  await measured('archive to a file', tenantBytes, () => pipeline(Readable.from(data.archive('ten_bench')), createWriteStream(archive)));
  const { size } = statSync(archive);
  console.log(`${' '.repeat(33)}${(size / megabyte).toFixed(0)} MB of archive, ${data.usage('ten_bench').rows.contacts} rows`);
  await measured('digest of what is stored', tenantBytes, () => data.digest('ten_bench'));
  await measured('digest of the archive', tenantBytes, () => digestOfArchive(createReadStream(archive)));
  await measured('removal from the pool', tenantBytes, () => data.remove('ten_bench'));
  for (const place of ['own', 'pool'] satisfies Place[]) {
    await data.prepare('ten_bench', info, { place });
    await measured(`restore to ${place}, read back`, tenantBytes, () => data.restore('ten_bench', createReadStream(archive), { place }));
  }
  console.log(`memory at most ${(process.resourceUsage().maxRSS / 1_024).toFixed(0)} MiB`);
} finally {
  data.close();
  rmSync(folder, { recursive: true });
}
