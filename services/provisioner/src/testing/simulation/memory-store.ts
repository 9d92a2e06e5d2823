// A store in memory for simulations: what the port says of documents, in microtasks alone, so that simulated time is all there is.
import { BurgageError } from '@burgage/contracts';
import type {
  Condition,
  Documents,
  DocumentType,
  IndexValue,
  Journal,
  ListQuery,
  OutboxItem,
  Page,
  PendingOutbox,
  Store,
  Stored,
} from '@burgage/store';

interface Row<T> {
  readonly version: number;
  /** JSON: what is read is a copy that nobody else holds. */
  readonly text: string;
  /** For filters and sorts alone. */
  readonly value: T;
  readonly outbox: readonly OutboxItem[];
}

export class MemoryStore implements Store {
  // biome-ignore lint/suspicious/noExplicitAny: each type's rows have values of their own.
  readonly #types = new Map<string, Map<string, Row<any>>>();

  documents<T>(type: DocumentType<T>): Documents<T> {
    const rows = this.#types.get(type.name) ?? new Map<string, Row<T>>();
    this.#types.set(type.name, rows);
    return new MemoryDocuments(type, rows);
  }

  journal(): Journal {
    throw new TypeError('simulations of operations need no journal');
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}
}

type Entry<T> = readonly [id: string, row: Row<T>];

class MemoryDocuments<T> implements Documents<T> {
  readonly #type: DocumentType<T>;
  readonly #rows: Map<string, Row<T>>;

  constructor(type: DocumentType<T>, rows: Map<string, Row<T>>) {
    this.#type = type;
    this.#rows = rows;
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    const row = this.#rows.get(id);
    return row && this.#stored(id, row);
  }

  async findByKey(key: string, value: string): Promise<Stored<T> | undefined> {
    const compute = this.#type.unique?.[key];
    const found = [...this.#rows].find(([, row]) => compute?.(row.value) === value);
    return found && this.#stored(...found);
  }

  async insert(id: string, value: T, outbox: readonly OutboxItem[] = []): Promise<Stored<T>> {
    if (this.#rows.has(id)) throw new BurgageError('already_exists', { metadata: { id } });
    return this.#write(id, 1, value, outbox);
  }

  async replace(id: string, version: number, value: T, outbox: readonly OutboxItem[] = []): Promise<Stored<T>> {
    const row = this.#at(id, version);
    return this.#write(id, version + 1, value, [...row.outbox, ...outbox]);
  }

  async remove(id: string, version: number): Promise<void> {
    if (this.#at(id, version).outbox.length > 0) throw new BurgageError('outbox_pending');
    this.#rows.delete(id);
  }

  async list({ where = [], sort = { field: 'id' }, pageSize = 100, cursor = '0' }: ListQuery = {}): Promise<Page<T>> {
    const fieldOf = ([id, { value }]: Entry<T>, field: string): IndexValue | undefined =>
      field === 'id' ? id : this.#type.indexes?.[field]?.(value);
    const found = [...this.#rows]
      .filter((entry) => where.every((condition) => holds(condition, fieldOf(entry, condition.field))))
      .filter((entry) => fieldOf(entry, sort.field) !== undefined)
      .toSorted((one, other) => compared(fieldOf(one, sort.field), fieldOf(other, sort.field)) || compared(one[0], other[0]));
    if (sort.descending) found.reverse();
    const start = Number(cursor);
    const end = start + pageSize;
    const items = found.slice(start, end).map((entry) => this.#stored(...entry));
    return { items, ...(end < found.length ? { nextCursor: String(end) } : {}) };
  }

  async pendingOutbox(limit: number, after = ''): Promise<readonly PendingOutbox[]> {
    return [...this.#rows]
      .filter(([id, { outbox }]) => outbox.length > 0 && id > after)
      .toSorted(([one], [other]) => compared(one, other))
      .slice(0, limit)
      .map(([id, { outbox }]) => ({ id, outbox }));
  }

  async pullOutbox(id: string, itemIds: readonly string[]): Promise<void> {
    const row = this.#rows.get(id);
    if (row) this.#rows.set(id, { ...row, outbox: row.outbox.filter((item) => !itemIds.includes(item.id)) });
  }

  async upgradeStored(): Promise<number> {
    return 0;
  }

  #stored(id: string, { version, text, outbox }: Row<T>): Stored<T> {
    return { id, version, value: JSON.parse(text), outbox };
  }

  #write(id: string, version: number, value: T, outbox: readonly OutboxItem[]): Stored<T> {
    const text = JSON.stringify(value);
    const row = { version, text, value: JSON.parse(text) as T, outbox };
    this.#rows.set(id, row);
    return this.#stored(id, row);
  }

  #at(id: string, version: number): Row<T> {
    const row = this.#rows.get(id);
    if (!row) throw new BurgageError('document_not_found', { metadata: { id } });
    if (row.version !== version)
      throw new BurgageError('version_conflict', { metadata: { expected: String(version), actual: String(row.version) } });
    return row;
  }
}

function holds({ op, value: wanted }: Condition, value: IndexValue | undefined): boolean {
  if (value === undefined) return false;
  switch (op) {
    case 'in':
      return (wanted as readonly IndexValue[]).includes(value);
    case 'eq':
      return value === wanted;
    case 'lt':
      return compared(value, wanted as IndexValue) < 0;
    case 'lte':
      return compared(value, wanted as IndexValue) <= 0;
    case 'gt':
      return compared(value, wanted as IndexValue) > 0;
    case 'gte':
      return compared(value, wanted as IndexValue) >= 0;
  }
}

function compared(one: IndexValue | undefined, other: IndexValue | undefined): number {
  if (one === undefined || other === undefined || one === other) return 0;
  return one < other ? -1 : 1;
}
