// Puts an archive's rows into a tenant file of their own, from where they take the place of the tenant's rows all at once.
import { mkdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ArchivedRow, ArchiveFault, type ArchiveHeader, readArchive, restored } from './archive-format.ts';
import { invalidField } from './problem.ts';
import { isConstraintFailure, translated } from './sqlite-errors.ts';
import { archivedColumns, loadStatement } from './statements.ts';
import { type ColumnKind, kindOf } from './table.ts';
import { connect, openTenantFile, type SchemaOptions, type TenantInfo } from './tenant-file.ts';

/** A tenant file that is closed, with the rows of one tenant, checked. */
export interface Staging {
  readonly path: string;
  /** Makes it durable, with the tenant in it, frozen: fit to take the place of a file of the tenant's own. Throws `disk_full`. */
  settle(info: TenantInfo): void;
  /** Nothing when the file has gone elsewhere. */
  drop(): Promise<void>;
}

export interface StagingArea {
  /**
   * Reads the archive to its end and checks it, for this tenant and these tables. Nothing stays when it throws: `invalid_argument` for
   * the field `archive`, `disk_full`, or what the source throws.
   */
  stage(tenantId: string, archive: AsyncIterable<Uint8Array>): Promise<Staging>;
}

interface Target {
  readonly insert: StatementSync;
  readonly kinds: readonly ColumnKind[];
}

export const restoredReason = 'restored from an archive';

/** What a process that was killed has left in the folder is deleted first. */
export function openStagingArea(folder: string, schema: SchemaOptions, now: () => Date): StagingArea {
  rmSync(folder, { recursive: true, force: true });
  const { tables } = schema;
  let count = 0;

  function requireOwnTables(header: ArchiveHeader): void {
    const shape = (name: string, columns: readonly string[]): string => `${name} (${columns.join(', ')})`;
    const wanted = tables.map((table) => shape(table.name, archivedColumns(table)));
    const found = header.tables.map(({ name, columns }) => shape(name, columns));
    const missing = wanted.filter((table) => !found.includes(table));
    const strange = found.filter((table) => !wanted.includes(table));
    if (missing.length + strange.length > 0)
      throw new ArchiveFault(
        `tables: got ${strange.join('; ') || 'too few'}, expected ${missing.join('; ') || 'no more than this app has'}`,
      );
  }

  /** Whatever is interrupted here is thrown away, so nothing is done to survive it. */
  function openForLoading(path: string): { database: DatabaseSync; targets: Map<string, Target> } {
    const database = connect(path);
    // References are looked at in the end, so that tables need no order.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN; PRAGMA defer_foreign_keys = ON');
    const targets = tables.map((table): [string, Target] => {
      const kinds = archivedColumns(table).map((column) => kindOf(table.columns, column));
      return [table.name, { insert: database.prepare(loadStatement(table)), kinds }];
    });
    return { database, targets: new Map(targets) };
  }

  return {
    async stage(tenantId, archive) {
      count += 1;
      const path = join(folder, `${process.pid}-${count}.sqlite`);
      // Not at once: a large file takes a tenth of a second to go.
      async function drop(): Promise<void> {
        for (const end of ['', '-wal', '-shm']) await rm(path + end, { force: true });
      }
      let database: DatabaseSync | undefined;
      let targets = new Map<string, Target>();

      function begin(header: ArchiveHeader): void {
        if (header.tenant.id !== tenantId) throw new ArchiveFault(`expected rows of ${tenantId}; got those of ${header.tenant.id}`);
        requireOwnTables(header);
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        openTenantFile(path, schema, now().getTime()).close();
        ({ database, targets } = openForLoading(path));
      }

      /** This commit, unlike the one of the rows, waits for the disk, and with it for all that was written into the file. */
      function settle(info: TenantInfo): void {
        const file = openTenantFile(path, schema, now().getTime());
        try {
          file.put(tenantId, info, now().getTime());
          file.freeze(tenantId, restoredReason, now().getTime());
        } finally {
          file.close();
        }
      }

      function rows(table: string, portion: readonly ArchivedRow[]): void {
        // readArchive knows no other tables than those that `begin` has compared.
        const { insert, kinds } = targets.get(table) as Target;
        for (const row of portion)
          fitting(() => insert.run(tenantId, ...row.map((value, at): SQLInputValue => restored(value, kinds[at] as ColumnKind))));
      }

      try {
        await readArchive(inTurns(archive), { begin: (header) => translated(() => begin(header)), rows });
        fitting(() => database?.exec('COMMIT'));
        database?.close();
        return { path, settle: (info) => translated(() => settle(info)), drop };
      } catch (error) {
        if (database?.isOpen) database.close();
        await drop();
        // The commit is where rows are missed that others refer to.
        throw error instanceof ArchiveFault ? invalidField('archive', error.message, error) : error;
      }
    },
  };
}

/** A row that the tables do not take is the archive's fault. */
function fitting<T>(work: () => T): T {
  try {
    return translated(work);
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error;
    if (isConstraintFailure(cause)) throw new ArchiveFault(`a row does not fit this app: ${(cause as Error).message}`, { cause });
    throw error;
  }
}

/** A source that has everything at hand would otherwise leave no turn to other requests. */
async function* inTurns(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    yield chunk;
    await nextTurn();
  }
}
