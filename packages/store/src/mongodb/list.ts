// A list query as filter and order of a MongoDB query.
import type { Filter, Sort } from 'mongodb';
import type { Position } from '../cursor.ts';
import type { CheckedQuery } from '../list-query.ts';
import { escapeName } from './encoding.ts';
import type { StoredDocument } from './stored-document.ts';

/** The field of a document that holds the values of an index, or its id. */
export function pathOf(field: string): string {
  return field === 'id' ? '_id' : `indexes.${escapeName(field)}`;
}

/**
 * What matches behind `position`. The order is (sort value, id), so that a page begins behind a place and not behind a
 * count: writes before that place move nothing.
 */
export function listFilter(query: CheckedQuery, schemaVersion: number, position: Position | undefined): Filter<StoredDocument> {
  const { conditions, sortField, newerOmitted } = query;
  const terms: object[] = conditions.map(({ field, op, value }) => ({ [pathOf(field)]: { [`$${op}`]: value } }));
  if (newerOmitted) terms.push({ schema: { $lte: schemaVersion } });
  if (position !== undefined) terms.push(behind(query, position));
  else if (sortField !== 'id') terms.push({ [pathOf(sortField)]: { $ne: null } });
  return terms.length === 0 ? {} : { $and: terms };
}

export function listOrder({ sortField, descending }: CheckedQuery): Sort {
  const direction = descending ? -1 : 1;
  return sortField === 'id' ? { _id: direction } : { [pathOf(sortField)]: direction, _id: direction };
}

/** Two ranges, each of which is a piece of the index that the order walks. */
function behind({ sortField, descending }: CheckedQuery, { id, sorted }: Position): object {
  const beyond = descending ? '$lt' : '$gt';
  if (sortField === 'id') return { _id: { [beyond]: id } };
  const path = pathOf(sortField);
  return { $or: [{ [path]: { [beyond]: sorted } }, { [path]: sorted, _id: { [beyond]: id } }] };
}
