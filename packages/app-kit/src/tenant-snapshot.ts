// Reads a tenant's rows as they were at one moment, while others write.
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ArchivedRow, archived, batches, createTally, type Digest, endLine, headerLine, rowsLine } from './archive-format.ts';
import { ProblemError } from './problem.ts';
import { archivedColumns, exportStatement } from './statements.ts';
import { type ColumnKind, kindOf, type TenantTableDefinition } from './table.ts';
import { busyTimeoutMs } from './tenant-file.ts';

/** What a file has of a tenant at one moment. Other requests get their turn between portions; memory holds one portion. */
export interface TenantSnapshot {
  digest(): Promise<Digest>;
  /** In the form of archive-format.ts. */
  archive(): AsyncGenerator<Uint8Array>;
  close(): void;
}

/** Throws `tenant_not_prepared`, and what SQLite throws when the file cannot be read. */
export function openSnapshot(path: string, tenantId: string, tables: readonly TenantTableDefinition[]): TenantSnapshot {
  const database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
  let tenant: Record<string, SQLOutputValue> | undefined;
  try {
    database.exec('PRAGMA trusted_schema = OFF; BEGIN');
    // The first read is what fixes the moment.
    tenant = database.prepare('SELECT slug, name, color FROM burgage_tenants WHERE tenant_id = ?').get(tenantId);
    if (!tenant) throw new ProblemError('tenant_not_prepared');
  } catch (error) {
    database.close();
    throw error;
  }
  const { slug, name, color } = tenant;
  const sorted = tables.toSorted((one, other) => (one.name < other.name ? -1 : 1));

  function* rowsOf(table: TenantTableDefinition): Generator<ArchivedRow> {
    const { sql, values } = exportStatement(tenantId, table);
    const kinds: ColumnKind[] = archivedColumns(table).map((column) => kindOf(table.columns, column));
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    for (const row of statement.iterate(...values) as Iterable<unknown> as Iterable<(string | number | bigint | null | Uint8Array)[]>)
      yield row.map((value, at) => archived(value, kinds[at] as ColumnKind)) as unknown as ArchivedRow;
  }

  async function* portions(digest: Record<string, Digest[string]>): AsyncGenerator<{ table: string; batch: string[] }> {
    for (const table of sorted) {
      const tally = createTally();
      for (const batch of batches(rowsOf(table))) {
        tally.add(batch);
        yield { table: table.name, batch };
        await nextTurn();
      }
      digest[table.name] = tally.digest();
    }
  }

  return {
    async digest() {
      const digest: Record<string, Digest[string]> = {};
      for await (const _ of portions(digest));
      return digest;
    },
    async *archive() {
      const digest: Record<string, Digest[string]> = {};
      yield Buffer.from(
        headerLine({
          tenant: { id: tenantId, slug: String(slug), name: String(name), color: String(color) },
          tables: sorted.map((table) => ({ name: table.name, columns: archivedColumns(table) })),
        }),
      );
      for await (const { table, batch } of portions(digest)) yield Buffer.from(rowsLine(table, batch));
      yield Buffer.from(endLine(digest));
    },
    close: () => database.close(),
  };
}
