// The table of one document type: its columns and indexes, made and filled when the type is declared.
import type { SQLInputValue } from 'node:sqlite';
import { BurgageError } from '@burgage/contracts';
import { type AnyDocumentType, declarationOf, indexValuesOf, inTodaysShape, type UniqueKey, uniqueKeysOf } from '../declared.ts';
import { jsonText } from '../json.ts';
import type { DocumentType, IndexValue } from '../port.ts';
import { uniqueKeyTaken } from '../refusals.ts';
import type { Database } from './database.ts';

/** Documents that are computed again between two looks at the database. */
const refillPage = 500;

export function tableOf(type: AnyDocumentType): string {
  return `"documents_${type.name}"`;
}

/** The column that holds the values of an index. */
export function columnOf(index: string): string {
  return `"by_${index}"`;
}

/** The SQLite index over a column of an index. Type names have no dot: no table can be called the same. */
export function indexOf(type: AnyDocumentType, column: string): string {
  return `"documents_${type.name}.${column.slice(1, -1)}"`;
}

/** SQLite has no booleans: false sorts before true as 0 before 1. */
export function toColumn(value: IndexValue | undefined): SQLInputValue {
  if (value === undefined) return null;
  return typeof value === 'boolean' ? Number(value) : value;
}

/**
 * Makes the table as the type wants it. Where the declaration differs from what the file was last opened with (another
 * schema version, index or unique key), computes indexes and unique keys of every document again; all or nothing.
 * @throws BurgageError `unique_key_taken` where two documents that exist share a value of a new unique key.
 */
export function declareTable<T>(database: Database, type: DocumentType<T>): void {
  const declared = declarationOf(type);
  const known = () => database.one<{ declared: string }>('SELECT declared FROM types WHERE name = ?', type.name)?.declared;
  if (known() === declared) return;
  database.transaction(() => {
    if (known() === declared) return;
    createTable(database, type);
    refill(database, type);
    database.run(
      'INSERT INTO types (name, declared) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET declared = excluded.declared',
      type.name,
      declared,
    );
  });
}

/** Without a parameter, so that SQLite sees that the index holds what is asked for. */
function olderThan(type: AnyDocumentType): string {
  return `schema < ${type.schemaVersion}`;
}

function createTable(database: Database, type: AnyDocumentType): void {
  const table = tableOf(type);
  database.execute(`
    CREATE TABLE IF NOT EXISTS ${table} (
      id TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, schema INTEGER NOT NULL, value TEXT NOT NULL, keys TEXT, outbox TEXT
    );
    CREATE INDEX IF NOT EXISTS "documents_${type.name}.pending" ON ${table} (id) WHERE outbox IS NOT NULL;
    DROP INDEX IF EXISTS "documents_${type.name}.older";
    CREATE INDEX "documents_${type.name}.older" ON ${table} (id) WHERE ${olderThan(type)};
  `);
  const columns = new Set(database.all<{ name: string }>(`PRAGMA table_info(${table})`).map((column) => column.name));
  for (const index of Object.keys(type.indexes ?? {})) {
    if (!columns.has(`by_${index}`)) database.execute(`ALTER TABLE ${table} ADD COLUMN ${columnOf(index)}`);
    database.execute(`CREATE INDEX IF NOT EXISTS ${indexOf(type, columnOf(index))} ON ${table} (${columnOf(index)}, id)`);
  }
}

/** Documents of a newer schema version keep what the newer code computed. */
function refill<T>(database: Database, type: DocumentType<T>): void {
  // All are given up before any is taken: a key may have moved from one document to another.
  for (const row of documentsOf(database, type)) moveKeys(database, type, row.id, parseKeys(row.keys), []);
  for (const row of documentsOf(database, type)) recompute(database, type, { ...row, keys: null }, todaysValue(database, type, row));
}

/**
 * Stores the first `limit` documents of an older schema version in today's shape; answers how many.
 * @throws BurgageError `unique_key_taken` where older code has meanwhile written what breaks a unique key of today.
 */
export function upgradeRows<T>(database: Database, type: DocumentType<T>, limit: number): number {
  const rows = database.all<RefillRow>(
    `SELECT id, schema, value, keys FROM ${tableOf(type)} WHERE ${olderThan(type)} ORDER BY id LIMIT ?`,
    limit,
  );
  for (const row of rows) {
    const value = todaysValue(database, type, row);
    const text = jsonText(`${type.name} "${row.id}"`, value);
    recompute(database, type, row, JSON.parse(text) as T);
    database.run(`UPDATE ${tableOf(type)} SET schema = ?, value = ? WHERE id = ?`, type.schemaVersion, text, row.id);
  }
  return rows.length;
}

/** Brings unique keys and index values of a row, which holds `row.keys` now, to what `value` gives. */
function recompute<T>(database: Database, type: DocumentType<T>, row: RefillRow, value: T): void {
  const columns = ['keys', ...Object.keys(type.indexes ?? {}).map(columnOf)];
  const keys = uniqueKeysOf(type, value);
  moveKeys(database, type, row.id, parseKeys(row.keys), keys);
  database.run(
    `UPDATE ${tableOf(type)} SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE id = ?`,
    keysText(keys),
    ...indexValuesOf(type, value).map(toColumn),
    row.id,
  );
}

function todaysValue<T>(database: Database, type: DocumentType<T>, { id, value, schema }: RefillRow): T {
  return inTodaysShape(type, id, parseStored(database, type, id, value), schema);
}

interface RefillRow {
  readonly id: string;
  readonly schema: number;
  readonly value: string;
  readonly keys: string | null;
}

/** Every document that this code can read, some at a time. */
function* documentsOf(database: Database, type: AnyDocumentType): Generator<RefillRow> {
  const sql = `SELECT id, schema, value, keys FROM ${tableOf(type)} WHERE id > ? AND schema <= ? ORDER BY id LIMIT ${refillPage}`;
  let rows = database.all<RefillRow>(sql, '', type.schemaVersion);
  while (rows.length > 0) {
    yield* rows;
    rows = database.all<RefillRow>(sql, rows.at(-1)?.id ?? '', type.schemaVersion);
  }
}

/** What the row of `id` keeps as JSON. @throws BurgageError `data_corrupt`. */
export function parseStored(database: Database, type: AnyDocumentType, id: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BurgageError('data_corrupt', {
      message: `${database.file}: ${type.name} "${id}" is not JSON`,
      metadata: { file: database.file, type: type.name, id },
      cause: error,
    });
  }
}

/**
 * Gives up the unique keys that are only in `before` and takes those that are only in `after`.
 * @throws BurgageError `unique_key_taken`.
 */
export function moveKeys(
  database: Database,
  type: AnyDocumentType,
  id: string,
  before: readonly UniqueKey[],
  after: readonly UniqueKey[],
): void {
  for (const { key, value } of without(before, after)) {
    database.run('DELETE FROM unique_keys WHERE type = ? AND key = ? AND value = ?', type.name, key, value);
  }
  for (const { key, value } of without(after, before)) {
    const holder = database.one<{ id: string }>(
      'SELECT id FROM unique_keys WHERE type = ? AND key = ? AND value = ?',
      type.name,
      key,
      value,
    )?.id;
    if (holder !== undefined) throw uniqueKeyTaken(type, { key, value }, holder);
    database.run('INSERT INTO unique_keys (type, key, value, id) VALUES (?, ?, ?, ?)', type.name, key, value, id);
  }
}

function without(keys: readonly UniqueKey[], others: readonly UniqueKey[]): readonly UniqueKey[] {
  return keys.filter(({ key, value }) => !others.some((other) => other.key === key && other.value === value));
}

/** The keys that a document holds, as its row says them: null when there is none. */
export function keysText(keys: readonly UniqueKey[]): string | null {
  return keys.length === 0 ? null : JSON.stringify(keys);
}

export function parseKeys(text: string | null): readonly UniqueKey[] {
  return text === null ? [] : (JSON.parse(text) as UniqueKey[]);
}
