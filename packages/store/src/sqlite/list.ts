// A list query as one SQL statement that begins with an index.
import type { SQLInputValue } from 'node:sqlite';
import type { Position } from '../cursor.ts';
import type { AnyDocumentType } from '../declared.ts';
import { type CheckedCondition, checkQuery } from '../list-query.ts';
import type { Condition, ListQuery } from '../port.ts';
import { columnOf, indexOf, tableOf, toColumn } from './table.ts';

/** So many matches are sorted sooner than a longer index is walked. */
const fewMax = 1_000;

const operators = { eq: '=', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

/** A query that fits its type. */
export interface ListPlan {
  readonly type: AnyDocumentType;
  readonly conditions: readonly ColumnCondition[];
  /** The column sorted by; ties are broken by id. */
  readonly sorted: string;
  readonly descending: boolean;
  readonly pageSize: number;
  /** Whether documents of a newer schema version are left out. */
  readonly newerOmitted: boolean;
}

interface ColumnCondition {
  readonly column: string;
  readonly op: Condition['op'];
  /** What follows the column. */
  readonly test: string;
  readonly parameter: SQLInputValue;
}

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly SQLInputValue[];
}

/** @throws BurgageError `invalid_argument` naming the field of the query. */
export function planList(type: AnyDocumentType, query: ListQuery): ListPlan {
  const { conditions, sortField, descending, pageSize, newerOmitted } = checkQuery(type, query);
  return {
    type,
    conditions: conditions.map(columnCondition),
    sorted: columnOfField(sortField),
    descending,
    pageSize,
    newerOmitted,
  };
}

/**
 * The column whose index a list should begin with, when it is not the one sorted by. Few matches are best found by their
 * own index and then sorted; many by walking the sort index, which meets a page of them soon. SQLite cannot know which is
 * the case, so `countOf` looks.
 */
export function leadingColumn(plan: ListPlan, countOf: (statement: Statement) => number): string | undefined {
  const candidates = Map.groupBy(
    plan.conditions.filter(({ column }) => column !== plan.sorted && column !== 'id'),
    ({ column }) => column,
  );
  // The index of a column holds documents of equal value by id: already in order.
  const inOrder =
    plan.sorted === 'id' ? [...candidates].find(([, [first, ...others]]) => first?.op === 'eq' && others.length === 0) : undefined;
  if (inOrder !== undefined && candidates.size === 1) return inOrder[0];
  for (const [column, conditions] of candidates) {
    const sql = `SELECT count(*) AS count FROM (SELECT 1 FROM ${tableOf(plan.type)} WHERE ${conditions.map(termOf).join(' AND ')} LIMIT ${fewMax + 1})`;
    if (countOf({ sql, parameters: conditions.map(({ parameter }) => parameter) }) <= fewMax) return column;
  }
  return inOrder?.[0];
}

/**
 * The statement for the page behind `position`: `columns` and `sorted`, one row more than the page where there is a next
 * one. The order is (sort value, id), so that a page begins behind a place and not behind a count: writes before that
 * place move nothing.
 */
export function listStatement(plan: ListPlan, columns: string, position: Position | undefined, leading: string | undefined): Statement {
  const { sorted, descending, pageSize } = plan;
  // A plus keeps SQLite from using an index for the term.
  const terms = plan.conditions.map((condition) =>
    leading !== undefined || condition.column === sorted || condition.column === 'id' ? termOf(condition) : `+${termOf(condition)}`,
  );
  const parameters = plan.conditions.map(({ parameter }) => parameter);
  const beyond = descending ? '<' : '>';
  if (sorted !== 'id') terms.push(`${sorted} IS NOT NULL`);
  if (plan.newerOmitted) terms.push(`schema <= ${plan.type.schemaVersion}`);
  if (position !== undefined && sorted === 'id') {
    terms.push(`id ${beyond} ?`);
    parameters.push(position.id);
  } else if (position !== undefined) {
    terms.push(`(${sorted}, id) ${beyond} (?, ?)`);
    parameters.push(toColumn(position.sorted), position.id);
  }
  const from = leading === undefined ? tableOf(plan.type) : `${tableOf(plan.type)} INDEXED BY ${indexOf(plan.type, leading)}`;
  const filter = terms.length === 0 ? '' : `WHERE ${terms.join(' AND ')}`;
  const direction = descending ? 'DESC' : 'ASC';
  const order = sorted === 'id' ? `id ${direction}` : `${sorted} ${direction}, id ${direction}`;
  return {
    sql: `SELECT ${columns}, ${sorted} AS sorted FROM ${from} ${filter} ORDER BY ${order} LIMIT ?`,
    parameters: [...parameters, pageSize + 1],
  };
}

function termOf({ column, test }: ColumnCondition): string {
  return `${column} ${test}`;
}

function columnOfField(field: string): string {
  return field === 'id' ? 'id' : columnOf(field);
}

function columnCondition({ field, op, value }: CheckedCondition): ColumnCondition {
  const column = columnOfField(field);
  if (op === 'in') {
    // One parameter whatever the number of values, so that the statement can be kept.
    return { column, op, test: 'IN (SELECT value FROM json_each(?))', parameter: JSON.stringify(value.map(toColumn)) };
  }
  return { column, op, test: `${operators[op]} ?`, parameter: toColumn(value) };
}
