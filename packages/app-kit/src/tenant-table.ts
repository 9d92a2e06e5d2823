// One table as one tenant sees it.
import type { SQLOutputValue } from 'node:sqlite';
import { invalidField, ProblemError } from './problem.ts';
import {
  countStatement,
  deleteStatement,
  type Filter,
  insertStatement,
  type Order,
  type Statement,
  selectStatement,
  sumStatement,
  updateStatement,
} from './statements.ts';
import { type Changes, type Columns, checkedValue, type NewRow, type Row, type TenantTableDefinition, type Where } from './table.ts';

export interface Selection<C extends Columns> {
  readonly where?: Where<C>;
  /** Rows in which every word occurs in one of the declared search columns, without regard to case or accents; the first eight words count. */
  readonly search?: string;
}

export interface ListRequest<C extends Columns> extends Selection<C> {
  /** A column that is never null; ties are broken by id. Default: `id`, ascending. */
  readonly order?: { readonly by: (keyof C & string) | 'id'; readonly direction: 'ascending' | 'descending' };
  /** 1 to 1,000; default 50. */
  readonly limit?: number;
  /** `nextCursor` of the page before, of a list in the same order. */
  readonly cursor?: string;
}

export interface Page<Item> {
  readonly rows: Item[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

/**
 * Everything here reads and writes the rows of one tenant only. All values are bound, never part of a statement.
 * Errors are ProblemErrors: `invalid_argument` naming the column, `already_exists` for a taken id or unique value,
 * `tenant_not_prepared` when the tenant was removed meanwhile, `tenant_moving` for a write while it is frozen. A column that is not declared is a TypeError.
 */
export interface TenantTable<C extends Columns> {
  insert(row: NewRow<C>): Row<C>;
  get(id: string): Row<C> | undefined;
  /** The first row by id that meets `where`. */
  find(where: Where<C>): Row<C> | undefined;
  /** One page. Pages stay stable under writes: a row that is there throughout comes exactly once. */
  list(request?: ListRequest<C>): Page<Row<C>>;
  /** The changed row; nothing when there is none, or when it does not meet `where` (compare-and-set). */
  update(id: string, changes: Changes<C>, where?: Where<C>): Row<C> | undefined;
  /** How many rows were changed. */
  updateWhere(where: Where<C>, changes: Changes<C>): number;
  /** Whether there was such a row. */
  delete(id: string): boolean;
  /** How many rows were deleted. */
  deleteWhere(where: Where<C>): number;
  count(selection?: Selection<C>): number;
  sum(column: keyof C & string, selection?: Selection<C>): number;
}

/** Runs one statement. What writes throws `tenant_moving` while the tenant is frozen. */
export interface StatementRunner {
  read(statement: Statement): Record<string, SQLOutputValue>[];
  /** The rows that it returns. */
  write(statement: Statement): Record<string, SQLOutputValue>[];
  /** How many rows it changed. */
  writeCount(statement: Statement): number;
}

const limitDefault = 50;
const limitMax = 1_000;

export function createTenantTable<C extends Columns>(
  tenantId: string,
  table: TenantTableDefinition<C>,
  runner: StatementRunner,
): TenantTable<C> {
  /** The driver returns null-prototype objects of exactly the declared columns, in the declared kinds: schema-check.ts saw to it. */
  const rowsOf = (found: Record<string, SQLOutputValue>[]): Row<C>[] => found.map((row) => ({ ...row }) as Row<C>);
  const selected = (statement: Statement): Row<C>[] => rowsOf(runner.read(statement));
  const written = (statement: Statement): Row<C>[] => rowsOf(runner.write(statement));
  const numberOf = (statement: Statement): number => Number(runner.read(statement)[0]?.value ?? 0);
  const byId = (id: string, where: Where<C> = {}): Filter => ({ where: { ...where, id } });
  const anyOrder: Order = { by: 'id', direction: 'ascending' };

  return {
    insert(row) {
      const [inserted] = written(insertStatement(tenantId, table, row));
      if (!inserted) throw new ProblemError('tenant_not_prepared');
      return inserted;
    },
    get: (id) => selected(selectStatement(tenantId, table, byId(id), anyOrder, 1))[0],
    find: (where) => selected(selectStatement(tenantId, table, { where }, anyOrder, 1))[0],
    list({ where, search, order = anyOrder, limit = limitDefault, cursor } = {}) {
      if (!Number.isInteger(limit) || limit < 1 || limit > limitMax)
        throw invalidField('limit', `expected a whole number from 1 to ${limitMax}; got ${limit}`);
      const filter: Filter = {
        ...(where && { where }),
        ...(search !== undefined && { search }),
        ...(cursor !== undefined && { after: readCursor(table, order, cursor) }),
      };
      const rows = selected(selectStatement(tenantId, table, filter, order, limit + 1));
      if (rows.length <= limit) return { rows };
      rows.pop();
      const last = rows.at(-1) as Record<string, unknown> | undefined;
      return { rows, nextCursor: writeCursor([order.by, order.direction, last?.[order.by], last?.id]) };
    },
    update: (id, changes, where) => written(updateStatement(tenantId, table, byId(id, where), changes))[0],
    updateWhere: (where, changes) => written(updateStatement(tenantId, table, { where }, changes)).length,
    delete: (id) => runner.writeCount(deleteStatement(tenantId, table, byId(id))) > 0,
    deleteWhere: (where) => runner.writeCount(deleteStatement(tenantId, table, { where })),
    count: (selection = {}) => numberOf(countStatement(tenantId, table, selection)),
    sum: (column, selection = {}) => numberOf(sumStatement(tenantId, table, column, selection)),
  };
}

/** A cursor holds where its page ended. It names no tenant and grants nothing: whoever brings it reads his own rows. */
function writeCursor(position: unknown[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

function readCursor(table: TenantTableDefinition, order: Order, cursor: string): NonNullable<Filter['after']> {
  const refused = invalidField('cursor', 'expected the nextCursor of a page in the same order');
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw refused;
  }
  if (!Array.isArray(position) || position.length !== 4) throw refused;
  const [by, direction, value, id] = position as unknown[];
  if (by !== order.by || direction !== order.direction || value === null || typeof id !== 'string') throw refused;
  try {
    return { order, value: checkedValue(table.columns, order.by, value), id };
  } catch {
    throw refused;
  }
}
