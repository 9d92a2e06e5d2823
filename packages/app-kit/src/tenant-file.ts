// One SQLite file of tenants' rows: its schema kept up to date, and changed in transactions that no frozen tenant's rows can be part of.
import { createHash } from 'node:crypto';
import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { createLru } from './lru.ts';
import { ProblemError } from './problem.ts';
import { checkSchema, ownTables } from './schema-check.ts';
import { translated } from './sqlite-errors.ts';
import { countStatement, folded, type Statement } from './statements.ts';
import type { SqlValue, TenantTableDefinition } from './table.ts';
import type { StatementRunner } from './tenant-table.ts';

/** What the platform says of a tenant. */
export interface TenantInfo {
  readonly slug: string;
  readonly name: string;
  readonly color: string;
}

/** What is left of a tenant while its rows are replaced or removed. */
export interface Unfinished {
  /** Who is at it: a later attempt has a higher number. */
  readonly run: number;
  /** As what it comes back when all of its new rows are here; nothing where they are removed. */
  readonly info: TenantInfo | undefined;
}

export interface SchemaOptions {
  /** SQL, in order, each applied once. What was applied never changes: append. */
  readonly migrations: readonly string[];
  /** Every table that the migrations leave behind. */
  readonly tables: readonly TenantTableDefinition[];
}

export interface TenantFile {
  readonly path: string;
  readonly inTransaction: boolean;
  /** All or nothing; may be nested. `work` is synchronous. */
  transaction<T>(work: () => T): T;
  /** For the kit's own tables. */
  query(sql: string, ...values: SqlValue[]): Record<string, SQLOutputValue>[];
  /**
   * For one tenant's rows. Every statement sees, in its own transaction, whether the tenant is prepared, and every write whether it is
   * frozen: `tenant_not_prepared`, `tenant_moving`.
   */
  runner(tenantId: string): StatementRunner;
  /** Of a tenant that is prepared: all of its rows are here. */
  infoOf(tenantId: string): TenantInfo | undefined;
  /** Of a tenant whose rows are being replaced or removed, or were left like that. */
  unfinishedOf(tenantId: string): Unfinished | undefined;
  /** Whether there is anything of the tenant, prepared or unfinished. */
  has(tenantId: string): boolean;
  /** Up to `limit` ids of such tenants, those after `after`, in order. */
  tenantIds(after: string, limit: number): string[];
  /** From here on the tenant is unfinished, and no longer prepared. Answers with the number of the run, which ends every earlier one. */
  begin(tenantId: string, info?: TenantInfo): number;
  /** It is no longer unfinished but gone, frozen or not, unless it is `put` in the same transaction. */
  finish(tenantId: string): void;
  put(tenantId: string, info: TenantInfo, nowMs: number): { created: boolean };
  isFrozen(tenantId: string): boolean;
  freeze(tenantId: string, reason: string, nowMs: number): void;
  thaw(tenantId: string): void;
  /** Rows of the tenant by table. */
  counts(tenantId: string): Record<string, number>;
  /** Leaves nothing of deleted rows in the log beside the file. False while somebody reads an older state; then it has to be asked again. */
  scrub(): boolean;
  close(): void;
}

const statementsMax = 256;
export const busyTimeoutMs = 5_000;

/** A connection as the kit wants it, whatever it is for. */
export function connect(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
  database.exec('PRAGMA trusted_schema = OFF');
  database.function('burgage_fold', { deterministic: true }, (text: SQLOutputValue) => (typeof text === 'string' ? folded(text) : null));
  return database;
}

/**
 * Opens the file, made when missing (0600), and brings its schema up to date, in one transaction: a failing migration or a schema that is
 * not fit for tenant data (see schema-check.ts) throws an Error and changes nothing. So does a database that a newer app has migrated further.
 */
export function openTenantFile(path: string, { migrations, tables }: SchemaOptions, nowMs: number): TenantFile {
  // Made by us first: SQLite would make it readable for everybody, and gives its -wal and -shm the mode of the file.
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
  const database = connect(path);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;');
    migrate(database, migrations, tables, nowMs);
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
  const all = ({ sql, values }: Statement) => translated(() => statement(sql).all(...values) as Record<string, SQLOutputValue>[]);
  const run = ({ sql, values }: Statement) => translated(() => Number(statement(sql).run(...values).changes));
  const query = (sql: string, ...values: SqlValue[]) => all({ sql, values });

  let depth = 0;
  function transaction<T>(work: () => T, outermost = 'BEGIN IMMEDIATE'): T {
    const [begin, commit, rollback] =
      depth === 0
        ? [outermost, 'COMMIT', 'ROLLBACK']
        : [`SAVEPOINT s${depth}`, `RELEASE s${depth}`, `ROLLBACK TO s${depth}; RELEASE s${depth}`];
    translated(() => database.exec(begin));
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

  const isFrozen = (tenantId: string): boolean => query('SELECT 1 FROM burgage_frozen WHERE tenant_id = ?', tenantId).length > 0;
  function requirePrepared(tenantId: string): void {
    if (query('SELECT 1 FROM burgage_tenants WHERE tenant_id = ?', tenantId).length === 0) throw new ProblemError('tenant_not_prepared');
  }
  /** One moment, so nobody takes a part of the tenant's rows away between the look and the read. */
  function reading<T>(tenantId: string, work: () => T): T {
    const guarded = (): T => {
      requirePrepared(tenantId);
      return work();
    };
    return depth > 0 ? guarded() : transaction(guarded, 'BEGIN');
  }
  /** The transaction holds the write lock, so nobody freezes the tenant between the look and the write. */
  function writing<T>(tenantId: string, work: () => T): T {
    const guarded = (): T => {
      requirePrepared(tenantId);
      if (isFrozen(tenantId)) throw new ProblemError('tenant_moving');
      return work();
    };
    return depth > 0 ? guarded() : transaction(guarded);
  }

  function infoOf(tenantId: string): TenantInfo | undefined {
    const [row] = query('SELECT slug, name, color FROM burgage_tenants WHERE tenant_id = ?', tenantId);
    return row && { slug: String(row.slug), name: String(row.name), color: String(row.color) };
  }

  function unfinishedOf(tenantId: string): Unfinished | undefined {
    const [row] = query('SELECT run, slug, name, color FROM burgage_unfinished WHERE tenant_id = ?', tenantId);
    if (!row) return undefined;
    const { run, slug, name, color } = row;
    return { run: Number(run), info: slug === null ? undefined : { slug: String(slug), name: String(name), color: String(color) } };
  }

  return {
    path,
    get inTransaction() {
      return depth > 0;
    },
    transaction: (work) => transaction(work),
    query,
    runner: (tenantId) => ({
      read: (wanted) => reading(tenantId, () => all(wanted)),
      write: (wanted) => writing(tenantId, () => all(wanted)),
      writeCount: (wanted) => writing(tenantId, () => run(wanted)),
    }),
    infoOf,
    unfinishedOf,
    has: (tenantId) => infoOf(tenantId) !== undefined || unfinishedOf(tenantId) !== undefined,
    tenantIds: (after, limit) =>
      query(
        'SELECT tenant_id FROM burgage_tenants WHERE tenant_id > ? UNION SELECT tenant_id FROM burgage_unfinished WHERE tenant_id > ? ORDER BY tenant_id LIMIT ?',
        after,
        after,
        limit,
      ).map((row) => String(row.tenant_id)),
    begin: (tenantId, info) =>
      transaction(() => {
        for (const table of ['burgage_tenants', 'burgage_unfinished']) query(`DELETE FROM ${table} WHERE tenant_id = ?`, tenantId);
        const [row] = query(
          'INSERT INTO burgage_unfinished (tenant_id, slug, name, color) VALUES (?, ?, ?, ?) RETURNING run',
          tenantId,
          info?.slug ?? null,
          info?.name ?? null,
          info?.color ?? null,
        );
        return Number(row?.run);
      }),
    finish: (tenantId) =>
      transaction(() => {
        for (const table of ['burgage_unfinished', 'burgage_frozen']) query(`DELETE FROM ${table} WHERE tenant_id = ?`, tenantId);
      }),
    put: (tenantId, { slug, name, color }, nowMs) =>
      transaction(() => {
        const created = infoOf(tenantId) === undefined;
        query(
          'INSERT INTO burgage_tenants (tenant_id, slug, name, color, prepared_at_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant_id) DO UPDATE SET slug = excluded.slug, name = excluded.name, color = excluded.color',
          tenantId,
          slug,
          name,
          color,
          nowMs,
        );
        return { created };
      }),
    isFrozen,
    freeze: (tenantId, reason, nowMs) =>
      void query(
        'INSERT INTO burgage_frozen (tenant_id, reason, frozen_at_ms) VALUES (?, ?, ?) ON CONFLICT (tenant_id) DO UPDATE SET reason = excluded.reason',
        tenantId,
        reason,
        nowMs,
      ),
    thaw: (tenantId) => void query('DELETE FROM burgage_frozen WHERE tenant_id = ?', tenantId),
    counts: (tenantId) =>
      Object.fromEntries(tables.map((table) => [table.name, Number(all(countStatement(tenantId, table, {}))[0]?.value ?? 0)])),
    scrub() {
      // Without waiting: whoever reads an archive may take minutes.
      database.exec('PRAGMA busy_timeout = 0');
      try {
        return query('PRAGMA wal_checkpoint(TRUNCATE)')[0]?.busy === 0;
      } finally {
        database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      }
    },
    close: () => database.close(),
  };
}

function migrate(database: DatabaseSync, migrations: readonly string[], tables: readonly TenantTableDefinition[], nowMs: number): void {
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
      database.prepare('INSERT INTO burgage_migrations (position, sha256, applied_at_ms) VALUES (?, ?, ?)').run(position, sha256, nowMs);
    }
    checkSchema(database, tables);
    // Looks at every row, so only when a migration could have moved one.
    const dangling = applied.length < migrations.length ? database.prepare('PRAGMA foreign_key_check').all() : [];
    if (dangling.length > 0) throw new Error(`the migrations leave ${dangling.length} rows that refer to rows which do not exist`);
    database.exec('COMMIT; PRAGMA foreign_keys = ON');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
