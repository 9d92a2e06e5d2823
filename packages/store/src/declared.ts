// What a document type declares, computed for one value: unique keys, index values, today's shape.
import { createHash } from 'node:crypto';
import { BurgageError, invalidField } from '@burgage/contracts';
import type { DocumentType, IndexValue, OutboxItem } from './port.ts';

const typeName = /^[a-z][a-z0-9_]{0,47}$/;
const fieldName = /^[a-z][A-Za-z0-9_]{0,47}$/;
const textLengthMax = 1_024;

/** What every document type declares, whatever its values are. */
export interface AnyDocumentType {
  readonly name: string;
  readonly schemaVersion: number;
  readonly unique?: Readonly<Record<string, unknown>>;
  readonly indexes?: Readonly<Record<string, unknown>>;
}

/** Checks the declaration itself. @throws BurgageError `invalid_argument`. */
export function checkType<T>(type: DocumentType<T>): void {
  if (!typeName.test(type.name))
    throw invalidField('name', `got "${type.name}", expected lower-case letters, digits and underscores, 48 at most`);
  if (!Number.isSafeInteger(type.schemaVersion) || type.schemaVersion < 1) {
    throw invalidField('schemaVersion', `got ${type.schemaVersion} for ${type.name}, expected a whole number from 1`);
  }
  if (type.schemaVersion > 1 && type.upgrade === undefined) {
    throw invalidField('upgrade', `is missing for ${type.name}, expected a function, as its schemaVersion is ${type.schemaVersion}`);
  }
  const names = new Set<string>(['id']);
  for (const name of Object.keys(type.indexes ?? {})) {
    if (!fieldName.test(name)) throw invalidField('indexes', `got "${name}" for ${type.name}, expected letters, digits and underscores`);
    if (names.has(name.toLowerCase()))
      throw invalidField('indexes', `got "${name}" for ${type.name}, which is taken, expected another name`);
    names.add(name.toLowerCase());
  }
}

/** Another text whenever the schema version, an index or a unique key is another one: what is stored has to be computed again then. */
export function declarationOf(type: AnyDocumentType): string {
  const parts = [type.schemaVersion, Object.keys(type.indexes ?? {}).sort(), Object.keys(type.unique ?? {}).sort()];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 16);
}

/** An id, unique key or index value that is text: what every database can keep and compare byte by byte. */
export function checkText(field: string, text: unknown): asserts text is string {
  if (typeof text !== 'string') throw invalidField(field, `got a value of type ${typeof text}, expected a string`);
  if (text.length > textLengthMax) throw invalidField(field, `got ${text.length} characters, expected at most ${textLengthMax}`);
  if (!text.isWellFormed() || text.includes('\0')) throw invalidField(field, 'got half a character or a zero byte, expected Unicode text');
}

/** The id of a document. @throws BurgageError `invalid_argument`. */
export function checkId(id: unknown): void {
  checkText('id', id);
  if (id === '') throw invalidField('id', 'is missing, expected at least one character');
}

export interface UniqueKey {
  readonly key: string;
  readonly value: string;
}

/** Every unique key that `value` takes. */
export function uniqueKeysOf<T>(type: DocumentType<T>, value: T): readonly UniqueKey[] {
  const keys: UniqueKey[] = [];
  for (const [key, compute] of Object.entries(type.unique ?? {})) {
    const text = compute(value) ?? '';
    checkText(`${type.name}.unique.${key}`, text);
    if (text !== '') keys.push({ key, value: text });
  }
  return keys;
}

/** The value of every declared index, in the order of their declaration. */
export function indexValuesOf<T>(type: DocumentType<T>, value: T): readonly (IndexValue | undefined)[] {
  return Object.entries(type.indexes ?? {}).map(([name, compute]) => {
    const indexed = compute(value);
    if (indexed !== undefined) checkIndexValue(`${type.name}.indexes.${name}`, indexed);
    return indexed;
  });
}

/** @throws BurgageError `invalid_argument` where `value` is nothing that can be compared. */
export function checkIndexValue(field: string, value: unknown): asserts value is IndexValue {
  if (typeof value === 'boolean' || Number.isFinite(value)) return;
  if (typeof value === 'number') throw invalidField(field, `got ${value}, expected a finite number`);
  checkText(field, value);
}

/** A stored value in today's shape. @throws BurgageError `document_too_new`. */
export function inTodaysShape<T>(type: DocumentType<T>, id: string, value: unknown, schemaVersion: number): T {
  checkNotTooNew(type, id, schemaVersion);
  if (schemaVersion === type.schemaVersion || type.upgrade === undefined) return value as T;
  return type.upgrade(value, schemaVersion);
}

/** @throws BurgageError `document_too_new`. */
export function checkNotTooNew(type: AnyDocumentType, id: string, schemaVersion: number): void {
  if (schemaVersion <= type.schemaVersion) return;
  throw new BurgageError('document_too_new', {
    message: `${type.name} "${id}" has schema version ${schemaVersion}; this version of Burgage knows ${type.schemaVersion}`,
    metadata: { type: type.name, id, found: String(schemaVersion), known: String(type.schemaVersion) },
  });
}

/** `waiting` with `added` behind it. @throws BurgageError `invalid_argument` where an item's id is there already. */
export function withAdded(waiting: readonly OutboxItem[], added: readonly OutboxItem[]): readonly OutboxItem[] {
  const ids = new Set(waiting.map((item) => item.id));
  for (const [index, item] of added.entries()) {
    checkText(`outbox[${index}].id`, item.id);
    if (ids.has(item.id)) throw invalidField(`outbox[${index}].id`, `got "${item.id}", which the outbox holds already, expected another`);
    ids.add(item.id);
  }
  return [...waiting, ...added];
}
