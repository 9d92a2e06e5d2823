// Documents of one type in MongoDB: a collection, whose writes each concern one document.
import { BurgageError, invalidField } from '@burgage/contracts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { checkId, checkNotTooNew, checkText, checkType, withAdded } from '../declared.ts';
import { newStamp } from '../epoch.ts';
import { jsonText } from '../json.ts';
import { checkQuery } from '../list-query.ts';
import type { Documents, DocumentType, Json, ListQuery, OutboxItem, Page, PendingOutbox, Stored } from '../port.ts';
import { alreadyExists, documentNotFound, outboxPending, versionConflict } from '../refusals.ts';
import { Declaration } from './declaration.ts';
import { escapeName, toBson } from './encoding.ts';
import { isDuplicate } from './errors.ts';
import { listFilter, listOrder } from './list.ts';
import type { Server } from './server.ts';
import { type Computed, computedOf, itemFields, outboxOf, type StoredDocument, storedOf } from './stored-document.ts';
import { TypeCollection } from './type-collection.ts';

/** What no reader needs. */
const withoutMarks = { declared: 0, write: 0, unique: 0, pending: 0 } as const;

/** A value on its way into the collection. */
interface Prepared<T> {
  /** What comes back when it is read: nobody else holds it. */
  readonly value: T;
  readonly fields: Pick<StoredDocument, 'schema' | 'declared' | 'write' | 'value' | keyof Computed>;
}

export class MongoDocuments<T> implements Documents<T> {
  readonly #server: Server;
  readonly #type: DocumentType<T>;
  readonly #collection: TypeCollection;
  readonly #declaration: Declaration<T>;
  /** Documents that this code can read. */
  readonly #known: { readonly schema: { readonly $lte: number } };

  constructor(server: Server, type: DocumentType<T>) {
    checkType(type);
    this.#server = server;
    this.#type = type;
    this.#collection = new TypeCollection(server, type);
    this.#declaration = new Declaration(this.#collection, type);
    this.#known = { schema: { $lte: type.schemaVersion } };
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    return await this.#call(async () => this.#stored(await this.#collection.get(id)));
  }

  async findByKey(key: string, value: string): Promise<Stored<T> | undefined> {
    if (!Object.hasOwn(this.#type.unique ?? {}, key)) {
      throw invalidField(
        'key',
        `got "${key}", expected a unique key of ${this.#type.name}: ${Object.keys(this.#type.unique ?? {}).join(', ')}`,
      );
    }
    return await this.#call(async () => this.#stored(await this.#collection.holder(escapeName(key), value)));
  }

  async insert(id: string, value: T, outbox: readonly OutboxItem[] = []): Promise<Stored<T>> {
    checkId(id);
    const { value: copy, fields } = this.#prepare(value);
    const added = preparedOutbox(outbox);
    const document: StoredDocument = {
      _id: id,
      version: 1,
      ...fields,
      outbox: itemFields(added, 1),
      ...(added.length > 0 && { pending: id }),
    };
    const stored = { id, version: 1, value: copy, outbox: added };
    return await this.#write(async (repeated) => {
      // Not sent again: somebody else may have found and removed it since.
      if (repeated) {
        const there = await this.#collection.get(id);
        if (there === undefined || there.version > 1) throw this.#undecided(id);
        if (there.write !== fields.write) throw alreadyExists(this.#type, id);
        return stored;
      }
      try {
        await this.#collection.ask((documents) => documents.insertOne(document));
        return stored;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        if ((await this.#collection.get(id)) !== undefined) throw alreadyExists(this.#type, id);
        return await this.#refuseTaken(id, fields);
      }
    });
  }

  async replace(id: string, version: number, value: T, outbox: readonly OutboxItem[] = []): Promise<Stored<T>> {
    checkText('id', id);
    const { value: copy, fields } = this.#prepare(value);
    const added = preparedOutbox(outbox);
    const items = Object.entries(itemFields(added, version + 1)).map(([name, item]) => [`outbox.${name}`, item] as const);
    const filter = { _id: id, version, ...this.#known, ...Object.fromEntries(items.map(([path]) => [path, { $exists: false }])) };
    const changes = { version: version + 1, ...fields, ...Object.fromEntries(items), ...(added.length > 0 && { pending: id }) };
    const stored = (document: StoredDocument): Stored<T> => ({
      id,
      version: version + 1,
      value: copy,
      outbox: outboxOf(this.#type, document),
    });
    return await this.#write(async (repeated) => {
      try {
        const after = await this.#collection.ask((documents) =>
          documents.findOneAndUpdate(filter, { $set: changes }, { returnDocument: 'after' }),
        );
        if (after !== null) return stored(after);
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        return await this.#refuseTaken(id, fields);
      }
      const there = await this.#collection.get(id);
      if (repeated && there?.write === fields.write) return stored(there);
      if (repeated && (there === undefined || there.version > version + 1)) throw this.#undecided(id);
      withAdded(outboxOf(this.#type, this.#at(id, version, there)), added);
      return undefined;
    });
  }

  async remove(id: string, version: number): Promise<void> {
    checkText('id', id);
    /** Made what is to go: something else may stand in its place later. */
    let write: string | undefined;
    await this.#write(async (repeated) => {
      const there = await this.#collection.get(id);
      if (repeated && write !== undefined && there?.write !== write) {
        if (there === undefined || there.version <= version) return true;
        throw this.#undecided(id);
      }
      const found = this.#at(id, version, there);
      const { length } = outboxOf(this.#type, found);
      if (length > 0) throw outboxPending(this.#type, id, length);
      write = found.write;
      const filter = { _id: id, version, write, outbox: {} };
      const { deletedCount } = await this.#collection.ask((documents) => documents.deleteOne(filter));
      return deletedCount > 0 ? true : undefined;
    });
  }

  async list(query: ListQuery = {}): Promise<Page<T>> {
    const checked = checkQuery(this.#type, query);
    const { pageSize, sortField } = checked;
    const position = query.cursor === undefined ? undefined : decodeCursor(this.#type.name, query, query.cursor);
    return await this.#call(async () => {
      // One more than the page where there is a next one.
      const filter = listFilter(checked, this.#type.schemaVersion, position);
      const found = await this.#collection.read((documents) =>
        documents
          .find(filter, { batchSize: pageSize + 2, projection: withoutMarks })
          .sort(listOrder(checked))
          .limit(pageSize + 1)
          .toArray(),
      );
      const items = found.slice(0, pageSize).map((document) => storedOf(this.#type, document));
      const last = found.length > pageSize ? found[pageSize - 1] : undefined;
      if (last === undefined) return { items };
      const sorted = sortField === 'id' ? undefined : last.indexes[escapeName(sortField)];
      return {
        items,
        nextCursor: encodeCursor(this.#type.name, query, { id: last._id, ...(sorted === undefined ? {} : { sorted }) }),
      };
    });
  }

  async pendingOutbox(limit: number, after = ''): Promise<readonly PendingOutbox[]> {
    if (limit < 1) return [];
    return await this.#call(async () => {
      const filter = { pending: { $gt: after }, ...this.#known, outbox: { $ne: {} } };
      const found = await this.#collection.read((documents) =>
        documents.find(filter).project<Pick<StoredDocument, '_id' | 'outbox'>>({ outbox: 1 }).sort({ pending: 1 }).limit(limit).toArray(),
      );
      return found.map((document) => ({ id: document._id, outbox: outboxOf(this.#type, document) }));
    });
  }

  async pullOutbox(id: string, itemIds: readonly string[]): Promise<void> {
    checkText('id', id);
    const relayed = Object.fromEntries(itemIds.map((itemId) => [`outbox.${escapeName(itemId)}`, ''] as const));
    if (itemIds.length === 0) return;
    await this.#call(() =>
      this.#server.repeating(async () => {
        // One command. In between, a replace may put something in: then the second leaves the document alone.
        const { matchedCount } = await this.#collection.ask((documents) =>
          documents.bulkWrite([
            { updateOne: { filter: { _id: id, ...this.#known }, update: { $unset: relayed } } },
            { updateOne: { filter: { _id: id, ...this.#known, outbox: {} }, update: { $unset: { pending: '' } } } },
          ]),
        );
        if (matchedCount > 0) return;
        const there = await this.#collection.get(id);
        if (there !== undefined) checkNotTooNew(this.#type, id, there.schema);
      }),
    );
  }

  async upgradeStored(limit: number): Promise<number> {
    if (limit < 1) return 0;
    return await this.#call(() => this.#server.repeating(() => this.#declaration.upgrade(limit)));
  }

  #call<R>(work: () => Promise<R>): Promise<R> {
    return this.#server.call(async () => {
      await this.#declaration.ready();
      return await work();
    });
  }

  /** `attempt` answers with nothing where it was refused and nothing of the reason can be seen: it is asked again. */
  #write<R>(attempt: (repeated: boolean) => Promise<R | undefined>): Promise<R> {
    return this.#call(() => this.#server.repeating((repeated) => this.#server.untilClear(() => attempt(repeated))));
  }

  #prepare(value: T): Prepared<T> {
    const copy = JSON.parse(jsonText('value', value)) as T;
    const { schemaVersion: schema } = this.#type;
    const write = newStamp(this.#server.random);
    const fields = { schema, declared: this.#declaration.id, write, value: toBson(copy as Json), ...computedOf(this.#type, copy) };
    return { value: copy, fields };
  }

  #stored(document: StoredDocument | undefined): Stored<T> | undefined {
    return document && storedOf(this.#type, document);
  }

  /** The document, if it may be changed by somebody who saw `version`. */
  #at(id: string, version: number, there: StoredDocument | undefined): StoredDocument {
    if (there === undefined) throw documentNotFound(this.#type, id);
    checkNotTooNew(this.#type, id, there.schema);
    if (there.version !== version) throw versionConflict(this.#type, id, version, there.version);
    return there;
  }

  /** @throws BurgageError `unique_key_taken`, unless the holder has let go meanwhile. */
  async #refuseTaken(id: string, computed: Computed): Promise<undefined> {
    const taken = await this.#collection.takenKey(id, computed);
    if (taken !== undefined) throw taken;
  }

  #undecided(id: string): BurgageError {
    return new BurgageError('unavailable', {
      message: `the connection broke while ${this.#type.name} "${id}" was being written; whether that was done is not known`,
      metadata: { id },
    });
  }
}

function preparedOutbox(outbox: readonly OutboxItem[]): readonly OutboxItem[] {
  if (outbox.length === 0) return [];
  return withAdded([], JSON.parse(jsonText('outbox', outbox)) as OutboxItem[]);
}
