// Documents of one type in SQLite.
import type { SQLInputValue } from 'node:sqlite';
import { invalidField } from '@burgage/contracts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { checkId, checkNotTooNew, checkType, indexValuesOf, inTodaysShape, type UniqueKey, uniqueKeysOf, withAdded } from '../declared.ts';
import { jsonText } from '../json.ts';
import type { Documents, DocumentType, IndexValue, ListQuery, OutboxItem, Page, PendingOutbox, Stored } from '../port.ts';
import { alreadyExists, documentNotFound, outboxPending, versionConflict } from '../refusals.ts';
import type { Database } from './database.ts';
import type { GroupCommit } from './group-commit.ts';
import { leadingColumn, listStatement, planList } from './list.ts';
import { columnOf, declareTable, keysText, moveKeys, parseKeys, parseStored, tableOf, toColumn, upgradeRows } from './table.ts';

interface Row {
  readonly id: string;
  readonly version: number;
  readonly schema: number;
  readonly value: string;
  /** What it holds in unique_keys; null when there is none. */
  readonly keys: string | null;
  /** JSON list of items; null when there is none, so that an index can hold only documents that have some. */
  readonly outbox: string | null;
}

/** The outbox of most documents. */
const nothing: readonly OutboxItem[] = Object.freeze([]);

/** What a list reads of a row, as its columns. */
type ListRow = readonly [id: string, version: number, schema: number, value: string, outbox: string | null, sorted: IndexValue];

/** A value on its way into the table, computed before the transaction. */
interface Prepared<T> {
  readonly text: string;
  /** What comes back when `text` is read: nobody else holds it. */
  readonly value: T;
  readonly indexed: readonly SQLInputValue[];
  readonly keys: readonly UniqueKey[];
}

export class SqliteDocuments<T> implements Documents<T> {
  readonly #database: Database;
  readonly #writes: GroupCommit;
  readonly #type: DocumentType<T>;
  readonly #table: string;
  /** Of the declared indexes. */
  readonly #columns: readonly string[];
  /** Every column that this declaration knows; the table may have others. */
  readonly #selected: string;

  constructor(database: Database, writes: GroupCommit, type: DocumentType<T>) {
    checkType(type);
    database.atOnce(() => declareTable(database, type));
    this.#database = database;
    this.#writes = writes;
    this.#type = type;
    this.#table = tableOf(type);
    this.#columns = Object.keys(type.indexes ?? {}).map(columnOf);
    this.#selected = ['id', 'version', 'schema', 'value', 'keys', 'outbox', ...this.#columns].join(', ');
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    return await this.#database.patiently(() => {
      const row = this.#row(id);
      return row && this.#stored(row);
    });
  }

  async findByKey(key: string, value: string): Promise<Stored<T> | undefined> {
    if (!Object.hasOwn(this.#type.unique ?? {}, key)) {
      throw invalidField(
        'key',
        `got "${key}", expected a unique key of ${this.#type.name}: ${Object.keys(this.#type.unique ?? {}).join(', ')}`,
      );
    }
    return await this.#database.patiently(() => {
      const row = this.#database.one<Row>(
        `SELECT ${this.#selected} FROM ${this.#table} WHERE id = (SELECT id FROM unique_keys WHERE type = ? AND key = ? AND value = ?)`,
        this.#type.name,
        key,
        value,
      );
      return row && this.#stored(row);
    });
  }

  async insert(id: string, value: T, outbox: readonly OutboxItem[] = []): Promise<Stored<T>> {
    checkId(id);
    const prepared = this.#prepare(value);
    const added = this.#preparedOutbox(outbox);
    return await this.#writes.write(() => {
      if (this.#row(id) !== undefined) throw alreadyExists(this.#type, id);
      const columns = ['id', 'version', 'schema', 'value', 'keys', 'outbox', ...this.#columns];
      this.#database.run(
        `INSERT INTO ${this.#table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
        id,
        1,
        this.#type.schemaVersion,
        prepared.text,
        keysText(prepared.keys),
        outboxText(added),
        ...prepared.indexed,
      );
      moveKeys(this.#database, this.#type, id, [], prepared.keys);
      return { id, version: 1, value: prepared.value, outbox: added };
    });
  }

  async replace(id: string, version: number, value: T, outbox: readonly OutboxItem[] = []): Promise<Stored<T>> {
    const prepared = this.#prepare(value);
    const added = this.#preparedOutbox(outbox);
    return await this.#writes.write(() => {
      const row = this.#rowAt(id, version);
      const waiting = withAdded(this.#outboxOf(row), added);
      const changes: [column: string, value: SQLInputValue][] = [
        ['version', version + 1],
        ['value', prepared.text],
      ];
      // Only what differs: an index whose column is named is written again, even with the same value.
      if (row.schema !== this.#type.schemaVersion) changes.push(['schema', this.#type.schemaVersion]);
      const keys = keysText(prepared.keys);
      if (row.keys !== keys) changes.push(['keys', keys]);
      if (added.length > 0) changes.push(['outbox', outboxText(waiting)]);
      this.#columns.forEach((column, index) => {
        const indexed = prepared.indexed[index] ?? null;
        if (row[column.slice(1, -1)] !== indexed) changes.push([column, indexed]);
      });
      this.#database.run(
        `UPDATE ${this.#table} SET ${changes.map(([column]) => `${column} = ?`).join(', ')} WHERE id = ?`,
        ...changes.map(([, changed]) => changed),
        id,
      );
      if (row.keys !== keys) moveKeys(this.#database, this.#type, id, parseKeys(row.keys), prepared.keys);
      return { id, version: version + 1, value: prepared.value, outbox: waiting };
    });
  }

  async remove(id: string, version: number): Promise<void> {
    await this.#writes.write(() => {
      const row = this.#rowAt(id, version);
      if (row.outbox !== null) throw outboxPending(this.#type, id, this.#outboxOf(row).length);
      this.#database.run(`DELETE FROM ${this.#table} WHERE id = ?`, id);
      moveKeys(this.#database, this.#type, id, parseKeys(row.keys), []);
    });
  }

  async list(query: ListQuery = {}): Promise<Page<T>> {
    const plan = planList(this.#type, query);
    const { pageSize } = plan;
    const position = query.cursor === undefined ? undefined : decodeCursor(this.#type.name, query, query.cursor);
    return await this.#database.patiently(() => {
      const leading = leadingColumn(plan, (count) => this.#database.one<{ count: number }>(count.sql, ...count.parameters)?.count ?? 0);
      const { sql, parameters } = listStatement(plan, 'id, version, schema, value, outbox', position, leading);
      const rows = this.#database.lists<ListRow>(sql, ...parameters);
      // Hot path.
      const items = rows
        .slice(0, pageSize)
        .map(([id, version, schema, value, outbox]) => this.#stored({ id, version, schema, value, outbox }));
      const last = rows.length > pageSize ? rows[pageSize - 1] : undefined;
      if (last === undefined) return { items };
      const [id, , , , , sorted] = last;
      return { items, nextCursor: encodeCursor(this.#type.name, query, plan.sorted === 'id' ? { id } : { id, sorted }) };
    });
  }

  async pendingOutbox(limit: number, after = ''): Promise<readonly PendingOutbox[]> {
    return await this.#database.patiently(() => {
      const rows = this.#database.all<Pick<Row, 'id' | 'outbox'>>(
        `SELECT id, outbox FROM ${this.#table} WHERE outbox IS NOT NULL AND id > ? AND schema <= ? ORDER BY id LIMIT ?`,
        after,
        this.#type.schemaVersion,
        limit,
      );
      return rows.map((row) => ({ id: row.id, outbox: this.#outboxOf(row) }));
    });
  }

  async pullOutbox(id: string, itemIds: readonly string[]): Promise<void> {
    const relayed = new Set(itemIds);
    await this.#writes.write(() => {
      const row = this.#row(id);
      if (row === undefined) return;
      checkNotTooNew(this.#type, id, row.schema);
      const waiting = this.#outboxOf(row);
      const left = waiting.filter((item) => !relayed.has(item.id));
      if (left.length < waiting.length) this.#database.run(`UPDATE ${this.#table} SET outbox = ? WHERE id = ?`, outboxText(left), id);
    });
  }

  async upgradeStored(limit: number): Promise<number> {
    return await this.#writes.write(() => upgradeRows(this.#database, this.#type, limit));
  }

  #prepare(value: T): Prepared<T> {
    const text = jsonText('value', value);
    const copy = JSON.parse(text) as T;
    const indexed = indexValuesOf(this.#type, copy).map(toColumn);
    return { text, value: copy, indexed, keys: uniqueKeysOf(this.#type, copy) };
  }

  #preparedOutbox(outbox: readonly OutboxItem[]): readonly OutboxItem[] {
    if (outbox.length === 0) return [];
    return withAdded([], JSON.parse(jsonText('outbox', outbox)) as OutboxItem[]);
  }

  #row(id: string): (Row & Readonly<Record<string, SQLInputValue>>) | undefined {
    return this.#database.one(`SELECT ${this.#selected} FROM ${this.#table} WHERE id = ?`, id);
  }

  /** The row, if it may be changed by somebody who saw `version`. */
  #rowAt(id: string, version: number): Row & Readonly<Record<string, SQLInputValue>> {
    const row = this.#row(id);
    if (row === undefined) throw documentNotFound(this.#type, id);
    checkNotTooNew(this.#type, id, row.schema);
    if (row.version !== version) throw versionConflict(this.#type, id, version, row.version);
    return row;
  }

  #stored(row: Omit<Row, 'keys'>): Stored<T> {
    // First the version: a newer schema's value need not be readable at all.
    checkNotTooNew(this.#type, row.id, row.schema);
    const value = inTodaysShape(this.#type, row.id, parseStored(this.#database, this.#type, row.id, row.value), row.schema);
    return { id: row.id, version: row.version, value, outbox: this.#outboxOf(row) };
  }

  #outboxOf(row: Pick<Row, 'id' | 'outbox'>): readonly OutboxItem[] {
    return row.outbox === null ? nothing : (parseStored(this.#database, this.#type, row.id, row.outbox) as OutboxItem[]);
  }
}

function outboxText(items: readonly OutboxItem[]): string | null {
  return items.length === 0 ? null : JSON.stringify(items);
}
