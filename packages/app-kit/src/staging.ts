// Puts an archive's rows into a database of their own, from which they can be taken over in one transaction.
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ArchivedRow, ArchiveFault, type ArchiveHeader, type Digest, readArchive, restored } from './archive-format.ts';
import { translated } from './sqlite-errors.ts';
import { archivedColumns, stageStatement, stagingTable } from './statements.ts';
import { type ColumnKind, kindOf, type TenantTableDefinition } from './table.ts';

export interface Staging {
  /** The database. */
  readonly path: string;
  /** Of the archive. */
  readonly digest: Digest;
  drop(): void;
}

export interface StagingArea {
  /**
   * Reads the archive to its end and checks it, for this tenant and these tables; nothing stays when it throws: `invalid_argument` for the
   * field `archive`, `disk_full`, or what the source throws.
   */
  stage(tenantId: string, archive: AsyncIterable<Uint8Array>): Promise<Staging>;
}

interface Target {
  readonly insert: StatementSync;
  readonly kinds: readonly ColumnKind[];
}

/** What a process that was killed has left in the folder is deleted first. */
export function openStagingArea(folder: string, tables: readonly TenantTableDefinition[]): StagingArea {
  rmSync(folder, { recursive: true, force: true });
  let count = 0;

  function requireOwnTables(header: ArchiveHeader): void {
    const shape = (name: string, columns: readonly string[]): string => `${name} (${columns.join(', ')})`;
    const wanted = tables.map((table) => shape(table.name, archivedColumns(table))).sort();
    const found = header.tables.map(({ name, columns }) => shape(name, columns)).sort();
    const missing = wanted.filter((table) => !found.includes(table));
    const strange = found.filter((table) => !wanted.includes(table));
    if (missing.length + strange.length > 0)
      throw new ArchiveFault(
        `expected the tables of this app, ${missing.join('; ') || 'no more'}; got ${strange.join('; ') || 'none of these'}`,
      );
  }

  return {
    async stage(tenantId, archive) {
      count += 1;
      const path = join(folder, `${process.pid}-${count}.sqlite`);
      const drop = (): void => rmSync(path, { force: true });
      let database: DatabaseSync | undefined;
      const targets = new Map<string, Target>();

      function begin(header: ArchiveHeader): void {
        if (header.tenant.id !== tenantId) throw new ArchiveFault(`expected rows of ${tenantId}; got those of ${header.tenant.id}`);
        requireOwnTables(header);
        translated(() => {
          mkdirSync(folder, { recursive: true, mode: 0o700 });
          closeSync(openSync(path, 'wx', 0o600));
          database = new DatabaseSync(path);
          // Whatever is interrupted here is thrown away, so nothing is done to survive it.
          database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN');
          for (const table of tables) {
            database.exec(stagingTable(table));
            const kinds = archivedColumns(table).map((column) => kindOf(table.columns, column));
            targets.set(table.name, { insert: database.prepare(stageStatement(table)), kinds });
          }
        });
      }

      function rows(table: string, portion: readonly ArchivedRow[]): void {
        const { insert, kinds } = targets.get(table) as Target;
        for (const row of portion) {
          const values = row.map((value, at): SQLInputValue => restored(value, kinds[at] as ColumnKind));
          translated(() => insert.run(...values));
        }
      }

      try {
        const { tables: digest } = await readArchive(inTurns(archive), { begin, rows });
        translated(() => database?.exec('COMMIT'));
        database?.close();
        return { path, digest, drop };
      } catch (error) {
        database?.close();
        drop();
        throw error;
      }
    },
  };
}

/** A source that has everything at hand would otherwise leave no turn to other requests. */
async function* inTurns(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    yield chunk;
    await nextTurn();
  }
}
