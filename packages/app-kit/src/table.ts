// How an app declares the tables whose rows belong to tenants, and what TypeScript and the kit know from that.
import { invalidField } from './problem.ts';

export type ColumnKind = 'text' | 'integer' | 'real' | 'blob';
/** A kind; with a question mark the column may be null. */
export type ColumnType = ColumnKind | `${ColumnKind}?`;
export type Columns = Readonly<Record<string, ColumnType>>;

interface Values {
  text: string;
  /** A safe integer. */
  integer: number;
  real: number;
  blob: Uint8Array;
}
type ValueOf<Type extends ColumnType> = Type extends `${infer Kind extends ColumnKind}?`
  ? Values[Kind] | null
  : Type extends ColumnKind
    ? Values[Type]
    : never;
type NullableOf<C extends Columns> = { [Name in keyof C]: C[Name] extends `${ColumnKind}?` ? Name : never }[keyof C];

export interface TenantTableDefinition<C extends Columns = Columns> {
  readonly name: string;
  readonly columns: C;
  readonly search: readonly string[];
}

/** A row as it is read. The tenant's id is never part of it. */
export type Row<C extends Columns> = { id: string } & { -readonly [Name in keyof C]: ValueOf<C[Name]> };
/** A row to insert: nullable columns may be left out. */
export type NewRow<C extends Columns> = { id: string } & { [Name in Exclude<keyof C, NullableOf<C>>]: ValueOf<C[Name]> } & {
  [Name in NullableOf<C>]?: ValueOf<C[Name]>;
};
export type Changes<C extends Columns> = { [Name in keyof C]?: ValueOf<C[Name]> };
/** Every condition must hold; an undefined one is refused, not ignored. A plain value means equal (null included); `below` and `atLeast` never match null. */
export type Where<C extends Columns> = { [Name in keyof C | 'id']?: Condition<Name extends keyof C ? ValueOf<C[Name]> : string> };
export type Condition<Value> = Value | { below: NonNullable<Value> } | { atLeast: NonNullable<Value> };

const identifier = /^[a-z][A-Za-z0-9_]{0,62}$/;
const reservedColumns = new Set(['id', 'tenant_id']);
const idCharactersMax = 128;

/**
 * Declares a table, once, beside the migrations that create it. Its columns are those of the database without `tenant_id` and `id`,
 * which every such table has as its primary key. `search` names the text columns that a search looks into.
 * Throws a TypeError for a name that is not a plain identifier (a lower-case letter, then letters, digits and `_`, at most 63).
 *
 *     defineTable({ name: 'contacts', columns: { name: 'text', email: 'text?' }, search: ['name', 'email'] })
 */
export function defineTable<const C extends Columns>(definition: {
  name: string;
  columns: C;
  search?: readonly (keyof C & string)[];
}): TenantTableDefinition<C> {
  const { name, columns, search = [] } = definition;
  if (!identifier.test(name) || /^(burgage|sqlite)_/i.test(name))
    throw new TypeError(`a table's name must match ${identifier} and not begin with burgage_ or sqlite_; got ${JSON.stringify(name)}`);
  const seen = new Set(reservedColumns);
  for (const [column, type] of Object.entries(columns)) {
    if (!identifier.test(column)) throw new TypeError(`a column's name must match ${identifier}; ${name} has ${JSON.stringify(column)}`);
    if (seen.has(column.toLowerCase()))
      throw new TypeError(`the column ${column} of ${name} is reserved or declared twice (SQL ignores case)`);
    if (!/^(text|integer|real|blob)\??$/.test(type))
      throw new TypeError(`the column ${column} of ${name} must be text, integer, real or blob; got ${JSON.stringify(type)}`);
    seen.add(column.toLowerCase());
  }
  for (const column of search)
    if (kindOf(columns, column) !== 'text') throw new TypeError(`search looks into text columns only; ${name} has ${column}`);
  return Object.freeze({ name, columns: Object.freeze({ ...columns }), search: Object.freeze([...search]) });
}

/** A column's kind; throws a TypeError for one that is not declared, so that no foreign name ever reaches a statement. */
export function kindOf(columns: Columns, column: string): ColumnKind {
  if (column === 'id') return 'text';
  const type = Object.hasOwn(columns, column) ? columns[column] : undefined;
  if (type === undefined)
    throw new TypeError(`there is no column ${JSON.stringify(column)}; there are: id, ${Object.keys(columns).join(', ')}`);
  return type.replace('?', '') as ColumnKind;
}

export function isNullable(columns: Columns, column: string): boolean {
  return column !== 'id' && columns[column]?.endsWith('?') === true;
}

export type SqlValue = string | number | Uint8Array | null;

/** `value` as it may be stored in `column`; throws `invalid_argument` naming the column, what came and what was expected. */
export function checkedValue(columns: Columns, column: string, value: unknown): SqlValue {
  const kind = kindOf(columns, column);
  if (value === null) {
    if (isNullable(columns, column)) return null;
    throw invalidField(column, `expected ${kind}; got null`);
  }
  switch (kind) {
    case 'text':
      if (typeof value !== 'string') break;
      // SQLite would replace half a surrogate pair, and end some functions' view of the text at a NUL.
      if (!value.isWellFormed() || value.includes('\0')) throw invalidField(column, 'expected well-formed text without NUL');
      if (column === 'id' && (value.length === 0 || value.length > idCharactersMax))
        throw invalidField('id', `expected 1 to ${idCharactersMax} characters; got ${value.length}`);
      return value;
    case 'integer':
      if (Number.isSafeInteger(value)) return value as number;
      break;
    case 'real':
      if (Number.isFinite(value)) return value as number;
      break;
    case 'blob':
      if (value instanceof Uint8Array) return value;
      break;
    default:
      return kind satisfies never;
  }
  throw invalidField(column, `expected ${kind}; got ${typeof value === 'number' ? value : typeof value}`);
}
