// Every SQL statement that touches a tenant's rows is built here, and each one begins its conditions with the tenant.
import { invalidField } from './problem.ts';
import { type Columns, checkedValue, isNullable, kindOf, type SqlValue, type TenantTableDefinition } from './table.ts';

export interface Statement {
  /** Contains checked identifiers and question marks; never a value. */
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

export interface Order {
  readonly by: string;
  readonly direction: 'ascending' | 'descending';
}

export interface Filter {
  readonly where?: Readonly<Record<string, unknown>>;
  readonly search?: string;
  readonly after?: { readonly order: Order; readonly value: SqlValue; readonly id: string };
}

const searchWordsMax = 8;
const quoted = (name: string): string => `"${name}"`;
const everyColumn = (table: TenantTableDefinition): string => ['id', ...Object.keys(table.columns)].map(quoted).join(', ');

/** Text as search compares it: without case, accents and compatibility forms, so that `GROSSE` finds `Größe`. */
export function folded(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toUpperCase().toLowerCase();
}

/**
 * The one place where a WHERE is made. The tenant comes first and every further condition is in parentheses and joined by AND,
 * so that nothing which follows can widen it. The comparison is bytewise whatever the column says.
 */
function scoped(tenantId: string, table: TenantTableDefinition, { where = {}, search, after }: Filter): Statement {
  const terms = ['("tenant_id" COLLATE BINARY) = ?'];
  const values: SqlValue[] = [tenantId];
  for (const [column, condition] of Object.entries(where)) {
    const { operator, value } = comparison(table.columns, column, condition);
    terms.push(`(${quoted(column)} ${operator} ?)`);
    values.push(value);
  }
  for (const word of folded(search ?? '')
    .split(/\s+/)
    .filter(Boolean)
    .slice(0, searchWordsMax)) {
    if (table.search.length === 0) throw new TypeError(`${table.name} declares no column to search in`);
    terms.push(`(${table.search.map((column) => `instr(burgage_fold(${quoted(column)}), ?) > 0`).join(' OR ')})`);
    values.push(...table.search.map(() => word));
  }
  if (after) {
    const sign = after.order.direction === 'ascending' ? '>' : '<';
    terms.push(`((${quoted(after.order.by)}, "id") ${sign} (?, ?))`);
    values.push(after.value, after.id);
  }
  return { sql: `WHERE ${terms.join(' AND ')}`, values };
}

function comparison(columns: Columns, column: string, condition: unknown): { operator: string; value: SqlValue } {
  if (kindOf(columns, column) === 'blob') throw new TypeError(`${column} is a blob; conditions compare text, integers and reals`);
  if (typeof condition !== 'object' || condition === null) return { operator: 'IS', value: checkedValue(columns, column, condition) };
  const { below, atLeast } = condition as { below?: unknown; atLeast?: unknown };
  if ((below === undefined) === (atLeast === undefined))
    throw new TypeError(`a condition on ${column} must be a value, { below } or { atLeast }`);
  return below === undefined
    ? { operator: '>=', value: checkedValue(columns, column, atLeast) }
    : { operator: '<', value: checkedValue(columns, column, below) };
}

export function insertStatement(tenantId: string, table: TenantTableDefinition, row: Readonly<Record<string, unknown>>): Statement {
  for (const column of Object.keys(row)) kindOf(table.columns, column);
  const columns = ['id', ...Object.keys(table.columns)];
  const values = columns.map((column) =>
    checkedValue(table.columns, column, row[column] ?? (isNullable(table.columns, column) ? null : row[column])),
  );
  return {
    sql:
      `INSERT INTO ${quoted(table.name)} ("tenant_id", ${columns.map(quoted).join(', ')}) VALUES (?, ${columns.map(() => '?').join(', ')}) ` +
      `RETURNING ${everyColumn(table)}`,
    values: [tenantId, ...values],
  };
}

export function selectStatement(tenantId: string, table: TenantTableDefinition, filter: Filter, order: Order, limit: number): Statement {
  if (kindOf(table.columns, order.by) === 'blob' || isNullable(table.columns, order.by))
    throw new TypeError(`rows cannot be ordered by ${order.by}: it is a blob or may be null`);
  const { sql, values } = scoped(tenantId, table, filter);
  const direction = order.direction === 'ascending' ? 'ASC' : 'DESC';
  return {
    sql: `SELECT ${everyColumn(table)} FROM ${quoted(table.name)} ${sql} ORDER BY ${quoted(order.by)} ${direction}, "id" ${direction} LIMIT ?`,
    values: [...values, limit],
  };
}

export function updateStatement(
  tenantId: string,
  table: TenantTableDefinition,
  filter: Filter,
  changes: Readonly<Record<string, unknown>>,
): Statement {
  const columns = Object.keys(changes).filter((column) => changes[column] !== undefined);
  if (columns.includes('id')) throw invalidField('id', 'expected not to be changed');
  const assigned = columns.map((column) => checkedValue(table.columns, column, changes[column]));
  const { sql, values } = scoped(tenantId, table, filter);
  // An update that changes nothing still says which rows it would have changed.
  const assignments = columns.length > 0 ? columns.map((column) => `${quoted(column)} = ?`).join(', ') : '"id" = "id"';
  return {
    sql: `UPDATE ${quoted(table.name)} SET ${assignments} ${sql} RETURNING ${everyColumn(table)}`,
    values: [...assigned, ...values],
  };
}

export function deleteStatement(tenantId: string, table: TenantTableDefinition, filter: Filter): Statement {
  const { sql, values } = scoped(tenantId, table, filter);
  return { sql: `DELETE FROM ${quoted(table.name)} ${sql}`, values };
}

export function countStatement(tenantId: string, table: TenantTableDefinition, filter: Filter): Statement {
  const { sql, values } = scoped(tenantId, table, filter);
  return { sql: `SELECT count(*) AS value FROM ${quoted(table.name)} ${sql}`, values };
}

export function sumStatement(tenantId: string, table: TenantTableDefinition, column: string, filter: Filter): Statement {
  const kind = kindOf(table.columns, column);
  if (kind !== 'integer' && kind !== 'real') throw new TypeError(`${column} is ${kind}; only integers and reals have a sum`);
  const { sql, values } = scoped(tenantId, table, filter);
  return { sql: `SELECT total(${quoted(column)}) AS value FROM ${quoted(table.name)} ${sql}`, values };
}

/** The columns of an archive of `table`, in an order that does not depend on how an app happens to declare them. */
export function archivedColumns(table: TenantTableDefinition): string[] {
  return ['id', ...Object.keys(table.columns).sort()];
}

const everyArchivedColumn = (table: TenantTableDefinition): string => archivedColumns(table).map(quoted).join(', ');

/** Every row of the tenant in the order of the primary key. */
export function exportStatement(tenantId: string, table: TenantTableDefinition): Statement {
  const { sql, values } = scoped(tenantId, table, {});
  return { sql: `SELECT ${everyArchivedColumn(table)} FROM ${quoted(table.name)} ${sql} ORDER BY "id" ASC`, values };
}

/** One row of an archive, the values in the order of `archivedColumns`. */
export function loadStatement(table: TenantTableDefinition): string {
  const marks = archivedColumns(table).map(() => '?');
  return `INSERT INTO ${quoted(table.name)} ("tenant_id", ${everyArchivedColumn(table)}) VALUES (?, ${marks.join(', ')})`;
}

/** The database of a connection that is meant: its own, or one that is attached as `staged`. */
export type Schema = 'main' | 'staged';

/** The id and the bytes of content of up to `limit` rows in the order of their ids, from the one behind `after` on. */
export function sizesStatement(tenantId: string, table: TenantTableDefinition, schema: Schema, limit: number, after?: string): Statement {
  const { sql, values } = scoped(tenantId, table, {});
  const bytes = archivedColumns(table).map((column) => `coalesce(octet_length(${quoted(column)}), 0)`);
  const behind = after === undefined ? '' : 'AND ("id" > ?)';
  return {
    sql: `SELECT "id", ${bytes.join(' + ')} AS bytes FROM ${schema}.${quoted(table.name)} ${sql} ${behind} ORDER BY "id" ASC LIMIT ?`,
    values: [...values, ...(after === undefined ? [] : [after]), limit],
  };
}

/** The first `rows` rows in the order of their ids, of which there are at least so many. */
export function deleteFirstStatement(tenantId: string, table: TenantTableDefinition, rows: number): Statement {
  const { sql, values } = scoped(tenantId, table, {});
  const last = `SELECT "id" FROM ${quoted(table.name)} ${sql} ORDER BY "id" ASC LIMIT 1 OFFSET ?`;
  return { sql: `DELETE FROM ${quoted(table.name)} ${sql} AND ("id" <= (${last}))`, values: [...values, ...values, rows - 1] };
}

/** Adds the tenant's rows in the database attached as `staged` to its rows here: those behind `after`, up to and with `last`. */
export function adoptStatement(tenantId: string, table: TenantTableDefinition, last: string, after?: string): Statement {
  const { sql, values } = scoped(tenantId, table, {});
  const columns = `"tenant_id", ${everyArchivedColumn(table)}`;
  const behind = after === undefined ? '' : 'AND ("id" > ?)';
  return {
    sql: `INSERT INTO main.${quoted(table.name)} (${columns}) SELECT ${columns} FROM staged.${quoted(table.name)} ${sql} ${behind} AND ("id" <= ?) ORDER BY "id" ASC`,
    values: [...values, ...(after === undefined ? [] : [after]), last],
  };
}
