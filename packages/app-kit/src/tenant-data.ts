// The database of a shared app: one SQLite file in which every row belongs to a tenant, opened so that code sees one tenant at a time.
import { createHash } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { isTenantId } from './claims.ts';
import { createLru } from './lru.ts';
import { invalidField, ProblemError } from './problem.ts';
import { checkSchema, ownTables } from './schema-check.ts';
import { countStatement, deleteStatement, folded } from './statements.ts';
import type { Columns, SqlValue, TenantTableDefinition } from './table.ts';
import { createTenantTable, type StatementRunner, type TenantTable } from './tenant-table.ts';

export interface TenantDataOptions {
  /** Made when missing (0700). The database is `pool.sqlite` in it (0600). */
  readonly folder: string;
  /** SQL, in order, each applied once. What was applied never changes: append. */
  readonly migrations: readonly string[];
  /** Every table that the migrations leave behind. */
  readonly tables: readonly TenantTableDefinition[];
  readonly now?: () => Date;
}

/** What one tenant's requests get to see: its rows, and no way to name another tenant. */
export interface TenantHandle {
  readonly tenantId: string;
  /** As the platform last said it; for work that no request asked for. */
  readonly info: TenantInfo;
  table<C extends Columns>(definition: TenantTableDefinition<C>): TenantTable<C>;
  /** All or nothing. `work` is synchronous; when it throws, nothing of it stays. May be nested. */
  transaction<T>(work: () => T): T;
}

export interface TenantInfo {
  readonly slug: string;
  readonly name: string;
  readonly color: string;
}

export interface TenantUsage {
  readonly tenantId: string;
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
}

export interface TenantData {
  /** Throws `tenant_not_prepared` for a tenant that `prepare` has not made room for. */
  for(tenantId: string): TenantHandle;
  /** Makes room for a tenant, or takes over a new slug, name or colour. */
  prepare(tenantId: string, info: TenantInfo): { created: boolean };
  isPrepared(tenantId: string): boolean;
  /** Deletes every row of the tenant, and leaves nothing of them in the file. False when there was nothing. */
  remove(tenantId: string): boolean;
  usage(tenantId: string): TenantUsage;
  /** Prepared tenants by id, at most 100, those after `after`. */
  tenantsAfter(after: string): string[];
  close(): void;
}

const statementsMax = 256;
const tenantsPageMax = 100;
const busyTimeoutMs = 5_000;

/**
 * Opens the database and brings its schema up to date, in one transaction: a failing migration or a schema that is not fit for
 * tenant data (see schema-check.ts) throws an Error and changes nothing. So does a database that a newer app has migrated further.
 */
export function openTenantData({ folder, migrations, tables, now = () => new Date() }: TenantDataOptions): TenantData {
  const database = openFile(folder);
  try {
    migrate(database, migrations, tables, now);
  } catch (error) {
    database.close();
    throw error;
  }

  const prepared = createLru<string, StatementSync>(statementsMax);
  function statement(sql: string): StatementSync {
    const known = prepared.get(sql);
    if (known) return known;
    const made = database.prepare(sql);
    prepared.set(sql, made);
    return made;
  }
  const runner: StatementRunner = {
    all: ({ sql, values }) => translated(() => statement(sql).all(...values) as Record<string, SQLOutputValue>[]),
    run: ({ sql, values }) => translated(() => Number(statement(sql).run(...values).changes)),
  };
  const all = (sql: string, ...values: SqlValue[]) => runner.all({ sql, values });

  let depth = 0;
  function transaction<T>(work: () => T): T {
    const [begin, commit, rollback] =
      depth === 0
        ? ['BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK']
        : [`SAVEPOINT s${depth}`, `RELEASE s${depth}`, `ROLLBACK TO s${depth}; RELEASE s${depth}`];
    database.exec(begin);
    depth += 1;
    try {
      const result = work();
      if (result instanceof Promise) throw new TypeError('a transaction is synchronous; its work returned a promise');
      translated(() => database.exec(commit));
      return result;
    } catch (error) {
      // Some failures (a full disk) have made SQLite roll back already.
      if (database.isTransaction) database.exec(rollback);
      throw error;
    } finally {
      depth -= 1;
    }
  }

  function infoOf(tenantId: string): TenantInfo | undefined {
    const [row] = isTenantId(tenantId) ? all('SELECT slug, name, color FROM burgage_tenants WHERE tenant_id = ?', tenantId) : [];
    return row && { slug: String(row.slug), name: String(row.name), color: String(row.color) };
  }
  const isPrepared = (tenantId: string): boolean => infoOf(tenantId) !== undefined;
  const declared = new Set<unknown>(tables);

  return {
    for(tenantId) {
      const info = infoOf(tenantId);
      if (!info) throw new ProblemError('tenant_not_prepared');
      return {
        tenantId,
        info,
        transaction,
        table(definition) {
          if (!declared.has(definition)) throw new TypeError(`the table ${definition.name} was not given to openTenantData`);
          return createTenantTable(tenantId, definition, runner);
        },
      };
    },
    prepare(tenantId, { slug, name, color }) {
      if (!isTenantId(tenantId)) throw invalidField('id', 'expected a tenant id: ASCII letters, digits, _, - and ., at most 128');
      return transaction(() => {
        const created = !isPrepared(tenantId);
        all(
          'INSERT INTO burgage_tenants (tenant_id, slug, name, color, prepared_at_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant_id) DO UPDATE SET slug = excluded.slug, name = excluded.name, color = excluded.color',
          tenantId,
          slug,
          name,
          color,
          now().getTime(),
        );
        return { created };
      });
    },
    isPrepared,
    remove(tenantId) {
      const removed = transaction(() => {
        // Deferred, so that tables need no order: rows that refer to each other go together.
        database.exec('PRAGMA defer_foreign_keys = ON');
        for (const table of tables) runner.run(deleteStatement(tenantId, table, {}));
        return all('DELETE FROM burgage_tenants WHERE tenant_id = ? RETURNING tenant_id', tenantId).length > 0;
      });
      if (removed) database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      return removed;
    },
    usage: (tenantId) => ({
      tenantId,
      rows: Object.fromEntries(tables.map((table) => [table.name, Number(runner.all(countStatement(tenantId, table, {}))[0]?.value ?? 0)])),
    }),
    tenantsAfter: (after) =>
      all('SELECT tenant_id FROM burgage_tenants WHERE tenant_id > ? ORDER BY tenant_id LIMIT ?', after, tenantsPageMax).map((row) =>
        String(row.tenant_id),
      ),
    close: () => database.close(),
  };
}

function openFile(folder: string): DatabaseSync {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'pool.sqlite');
  // Made by us first: SQLite would make it readable for everybody, and gives its -wal and -shm the mode of the file.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  const database = new DatabaseSync(file, { timeout: busyTimeoutMs });
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;');
  database.function('burgage_fold', { deterministic: true }, (text: SQLOutputValue) => (typeof text === 'string' ? folded(text) : null));
  return database;
}

function migrate(database: DatabaseSync, migrations: readonly string[], tables: readonly TenantTableDefinition[], now: () => Date): void {
  // Off while tables are rebuilt, as SQLite's own procedure for schema changes asks; what they did is checked before the commit.
  database.exec('PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE');
  try {
    for (const [name, definition] of ownTables) database.exec(`CREATE TABLE IF NOT EXISTS ${name} ${definition}`);
    const applied = database.prepare('SELECT sha256 FROM burgage_migrations ORDER BY position').all();
    if (applied.length > migrations.length)
      throw new Error(`the database has ${applied.length} migrations, but this app knows ${migrations.length}: start the newer app`);
    for (const [position, sql] of migrations.entries()) {
      const sha256 = createHash('sha256').update(sql).digest('hex');
      const before = applied[position];
      if (before && before.sha256 !== sha256)
        throw new Error(`migration ${position + 1} was changed after it had been applied: put it back and append another`);
      if (before) continue;
      database.exec(sql);
      database
        .prepare('INSERT INTO burgage_migrations (position, sha256, applied_at_ms) VALUES (?, ?, ?)')
        .run(position, sha256, now().getTime());
    }
    checkSchema(database, tables);
    const dangling = database.prepare('PRAGMA foreign_key_check').all();
    if (dangling.length > 0) throw new Error(`the migrations leave ${dangling.length} rows that refer to rows which do not exist`);
    database.exec('COMMIT; PRAGMA foreign_keys = ON');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

const constraintCodes = { foreignKey: 787, primaryKey: 1555, unique: 2067 } as const;

/** SQLite's constraint failures (extended result codes) as problems; everything else as it is. */
function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
    if (code === constraintCodes.primaryKey || code === constraintCodes.unique) throw new ProblemError('already_exists', { cause: error });
    if (code === constraintCodes.foreignKey)
      throw new ProblemError('invalid_argument', {
        message: 'A row that this one refers to does not exist, or another row refers to this one.',
        cause: error,
      });
    throw error;
  }
}
