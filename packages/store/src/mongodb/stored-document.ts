// How a document stands in its collection, and how it is read back.
import { BurgageError } from '@burgage/contracts';
import { type AnyDocumentType, checkNotTooNew, indexValuesOf, inTodaysShape, uniqueKeysOf } from '../declared.ts';
import type { DocumentType, IndexValue, Json, OutboxItem, Stored } from '../port.ts';
import { escapeName, fromBson, toBson, unescapeName } from './encoding.ts';

/** What a declaration computes from a value, by escaped name. What there is nothing of has no field. */
export interface Computed {
  readonly unique: Readonly<Record<string, string>>;
  readonly indexes: Readonly<Record<string, IndexValue>>;
}

export interface StoredDocument extends Computed {
  readonly _id: string;
  readonly version: number;
  readonly schema: number;
  /** The declarations that computed `unique` and `indexes`, a space between; see `declarationOf`. */
  readonly declared: string;
  /** Random: tells the write that made this version from every other one. */
  readonly write: string;
  readonly value: unknown;
  /** By escaped id. */
  readonly outbox: Readonly<Record<string, StoredItem>>;
  /** The id, where the outbox holds something: an index over it finds such documents in order. */
  readonly pending?: string;
}

/** An item can be put in and taken out by its id alone, so its place in the order is its own. */
export interface StoredItem {
  /** The version whose write added it. */
  readonly version: number;
  /** Its place among the items of that write. */
  readonly place: number;
  readonly target: string;
  readonly payload: unknown;
}

export function computedOf<T>(type: DocumentType<T>, value: T): Computed {
  const unique = uniqueKeysOf(type, value).map(({ key, value: taken }) => [escapeName(key), taken]);
  const values = indexValuesOf(type, value);
  const indexes = Object.keys(type.indexes ?? {}).flatMap((name, index) => {
    const indexed = values[index];
    return indexed === undefined ? [] : [[escapeName(name), indexed]];
  });
  return { unique: Object.fromEntries(unique), indexes: Object.fromEntries(indexes) };
}

/** The fields of new items, by escaped id. */
export function itemFields(added: readonly OutboxItem[], version: number): Readonly<Record<string, StoredItem>> {
  return Object.fromEntries(
    added.map(({ id, target, payload }, place) => [escapeName(id), { version, place, target, payload: toBson(payload) }]),
  );
}

/** What reading a document takes. */
export type Readable = Pick<StoredDocument, '_id' | 'version' | 'schema' | 'value' | 'outbox'>;

/** @throws BurgageError `data_corrupt`. */
export function outboxOf(type: AnyDocumentType, { _id, outbox }: Pick<Readable, '_id' | 'outbox'>): readonly OutboxItem[] {
  return readable(type, _id, () =>
    Object.entries(outbox)
      .toSorted(([, one], [, other]) => one.version - other.version || one.place - other.place)
      .map(([id, { target, payload }]) => ({ id: unescapeName(id), target, payload: fromBson(payload) })),
  );
}

/** @throws BurgageError `document_too_new`, `data_corrupt`. */
export function storedOf<T>(type: DocumentType<T>, document: Readable): Stored<T> {
  const { _id: id, version } = document;
  return { id, version, value: todaysValue(type, document), outbox: outboxOf(type, document) };
}

/** The value in today's shape. @throws BurgageError `document_too_new`, `data_corrupt`. */
export function todaysValue<T>(type: DocumentType<T>, { _id, schema, value }: Pick<StoredDocument, '_id' | 'schema' | 'value'>): T {
  // First the version: a newer schema's value need not be readable at all.
  checkNotTooNew(type, _id, schema);
  return inTodaysShape(
    type,
    _id,
    readable(type, _id, () => fromBson(value)),
    schema,
  );
}

function readable<V extends Json | readonly OutboxItem[]>(type: AnyDocumentType, id: string, read: () => V): V {
  try {
    return read();
  } catch (error) {
    throw new BurgageError('data_corrupt', {
      message: `${type.name} "${id}" in MongoDB is not what Burgage wrote`,
      metadata: { type: type.name, id },
      cause: error,
    });
  }
}
