// Refuses a database whose schema could let one tenant's rows touch or reveal another's, or that is not what the app declared.
import type { DatabaseSync } from 'node:sqlite';
import { isNullable, kindOf, type TenantTableDefinition } from './table.ts';

/** The kit's own tables: no migration may change them or put an index or a trigger on them. */
export const ownTables: ReadonlyMap<string, string> = new Map([
  ['burgage_migrations', '(position INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, applied_at_ms INTEGER NOT NULL) STRICT'],
  [
    'burgage_tenants',
    '(tenant_id TEXT PRIMARY KEY, slug TEXT NOT NULL, name TEXT NOT NULL, color TEXT NOT NULL, prepared_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID',
  ],
  ['burgage_frozen', '(tenant_id TEXT PRIMARY KEY, reason TEXT NOT NULL, frozen_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID'],
  // Tenants of whose rows only a part may be here. Who comes back with all of them, as whom; no run has the number of another.
  [
    'burgage_unfinished',
    '(run INTEGER PRIMARY KEY AUTOINCREMENT, tenant_id TEXT NOT NULL UNIQUE, slug TEXT, name TEXT, color TEXT) STRICT',
  ],
  [
    'burgage_fences',
    '(tenant_id TEXT NOT NULL, place TEXT NOT NULL, token INTEGER NOT NULL, PRIMARY KEY (tenant_id, place)) STRICT, WITHOUT ROWID',
  ],
]);

/**
 * Throws an Error listing everything that is wrong. Together with statements.ts this is why a tenant cannot reach another's rows:
 * every statement names its tenant, and nothing in the schema (trigger, view, collation, uniqueness, foreign key) acts across tenants.
 */
export function checkSchema(database: DatabaseSync, tables: readonly TenantTableDefinition[]): void {
  const problems: string[] = [];
  const declared = new Set(tables.map(({ name }) => name));
  const schema = database.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'").all();
  for (const [name, definition] of ownTables) {
    const found = schema.find((entry) => entry.type === 'table' && entry.name === name);
    if (found?.sql !== `CREATE TABLE ${name} ${definition}`)
      problems.push(`table ${name}: it belongs to app-kit, but a migration changed it`);
  }
  for (const { type, name } of database.prepare('SELECT type, name FROM sqlite_temp_schema').all())
    problems.push(`${type} ${name}: it is temporary, and could stand in front of a tenant's table`);
  for (const { type, name, tbl_name, sql } of schema) {
    if (type === 'index' && ownTables.has(String(tbl_name))) problems.push(`index ${name}: ${tbl_name} belongs to app-kit`);
    if (type === 'table' && ownTables.has(String(name))) continue;
    if (type === 'trigger' || type === 'view')
      problems.push(`${type} ${name}: tenant data has no triggers and no views, because they act outside a tenant's scope`);
    if (type === 'table' && !declared.has(String(name))) problems.push(`table ${name}: it is not declared with defineTable`);
    if (type === 'table' && /\bcollate\b/i.test(String(sql))) problems.push(`table ${name}: a COLLATE could make two tenants' ids equal`);
    if (type === 'table' && /^\s*create\s+virtual/i.test(String(sql)))
      problems.push(`table ${name}: a virtual table has no primary key of tenant_id and id`);
  }
  const existing = new Set(schema.filter(({ type }) => type === 'table').map(({ name }) => String(name)));
  for (const table of tables) {
    if (existing.has(table.name))
      problems.push(...tableProblems(database, table, declared).map((problem) => `table ${table.name}: ${problem}`));
    else problems.push(`table ${table.name}: it is declared, but no migration creates it`);
  }
  if (problems.length > 0) throw new Error(`the database's schema is not fit for tenant data:\n  ${problems.join('\n  ')}`);
}

function tableProblems(database: DatabaseSync, table: TenantTableDefinition, declared: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const columns = database.prepare('SELECT name, type, "notnull" AS required, pk, hidden FROM pragma_table_xinfo(?)').all(table.name);
  const primaryKey = columns.filter(({ pk }) => Number(pk) > 0).sort((one, other) => Number(one.pk) - Number(other.pk));
  if (primaryKey.map(({ name }) => name).join() !== 'tenant_id,id') problems.push('its primary key must be (tenant_id, id)');

  const expected = new Map([
    ['tenant_id', 'TEXT NOT NULL'],
    ['id', 'TEXT NOT NULL'],
  ]);
  for (const column of Object.keys(table.columns))
    expected.set(column, kindOf(table.columns, column).toUpperCase() + (isNullable(table.columns, column) ? '' : ' NOT NULL'));
  for (const { name, type, required, hidden } of columns) {
    const wanted = expected.get(String(name));
    const found = `${String(type).toUpperCase()}${required ? ' NOT NULL' : ''}`;
    expected.delete(String(name));
    if (wanted === undefined) problems.push(`its column ${name} is not declared`);
    else if (hidden) problems.push(`its column ${name} is generated; expected a plain one`);
    else if (wanted !== found) problems.push(`its column ${name} is ${found}; expected ${wanted}`);
  }
  for (const column of expected.keys()) problems.push(`its column ${column} is declared, but no migration creates it`);

  for (const { name } of database.prepare('SELECT name FROM pragma_index_list(?) WHERE "unique"').all(table.name)) {
    const parts = database.prepare('SELECT name, coll FROM pragma_index_xinfo(?) WHERE key').all(String(name));
    if (!parts.some((part) => part.name === 'tenant_id' && part.coll === 'BINARY'))
      problems.push(`its unique index ${name} must include tenant_id, without a COLLATE, or a tenant could learn what another one has`);
  }
  const references = database
    .prepare(
      'SELECT id, "table" AS target, max("from" = \'tenant_id\' AND "to" = \'tenant_id\') AS scoped FROM pragma_foreign_key_list(?) GROUP BY id, target',
    )
    .all(table.name);
  for (const { target, scoped } of references) {
    if (!scoped || !declared.has(String(target)))
      problems.push(`its foreign key to ${target} must lead from tenant_id to tenant_id of a declared table`);
  }
  return problems;
}
