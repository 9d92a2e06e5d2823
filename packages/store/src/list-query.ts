// A list query checked against what its type declares, for every adapter alike.
import { invalidField } from '@burgage/contracts';
import { type AnyDocumentType, checkIndexValue } from './declared.ts';
import type { Condition, IndexValue, ListQuery } from './port.ts';

const pageSizeDefault = 100;
const pageSizeMax = 1_000;
const conditionsMax = 16;
const choicesMax = 1_000;

/** A condition whose field is declared and whose value fits its operator. */
export type CheckedCondition =
  | { readonly field: string; readonly op: 'in'; readonly value: readonly IndexValue[] }
  | { readonly field: string; readonly op: Exclude<Condition['op'], 'in'>; readonly value: IndexValue };

/** A query that fits its type, with nothing left out. */
export interface CheckedQuery {
  readonly conditions: readonly CheckedCondition[];
  /** The name of an index, or `id`. */
  readonly sortField: string;
  readonly descending: boolean;
  readonly pageSize: number;
  /** Whether documents of a newer schema version are left out. */
  readonly newerOmitted: boolean;
}

const operators: ReadonlySet<string> = new Set<Condition['op']>(['eq', 'lt', 'lte', 'gt', 'gte', 'in']);

/** @throws BurgageError `invalid_argument` naming the field of the query. */
export function checkQuery(type: AnyDocumentType, query: ListQuery): CheckedQuery {
  const pageSize = query.pageSize ?? pageSizeDefault;
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > pageSizeMax) {
    throw invalidField('pageSize', `got ${pageSize}, expected a whole number from 1 to ${pageSizeMax}`);
  }
  const where = query.where ?? [];
  if (where.length > conditionsMax) throw invalidField('where', `got ${where.length} conditions, expected at most ${conditionsMax}`);
  return {
    conditions: where.map((condition, index) => checkCondition(type, condition, `where[${index}]`)),
    sortField: checkField(type, query.sort?.field ?? 'id', 'sort.field'),
    descending: query.sort?.descending ?? false,
    pageSize,
    newerOmitted: query.tooNew === 'omit',
  };
}

function checkField(type: AnyDocumentType, field: string, place: string): string {
  if (field === 'id' || Object.hasOwn(type.indexes ?? {}, field)) return field;
  const known = ['id', ...Object.keys(type.indexes ?? {})].join(', ');
  throw invalidField(place, `got "${field}", expected an index of ${type.name}: ${known}`);
}

function checkCondition(type: AnyDocumentType, { field, op, value }: Condition, place: string): CheckedCondition {
  checkField(type, field, `${place}.field`);
  if (!operators.has(op)) throw invalidField(`${place}.op`, `got "${op}", expected eq, lt, lte, gt, gte or in`);
  if (op === 'in') {
    if (!isList(value)) throw invalidField(`${place}.value`, 'got one value, expected a list for in');
    if (value.length > choicesMax) throw invalidField(`${place}.value`, `got ${value.length} values, expected at most ${choicesMax}`);
    for (const [index, choice] of value.entries()) checkIndexValue(`${place}.value[${index}]`, choice);
    return { field, op, value };
  }
  if (isList(value)) throw invalidField(`${place}.value`, `got a list, expected one value for ${op}`);
  checkIndexValue(`${place}.value`, value);
  return { field, op, value };
}

function isList(value: IndexValue | readonly IndexValue[]): value is readonly IndexValue[] {
  return Array.isArray(value);
}
