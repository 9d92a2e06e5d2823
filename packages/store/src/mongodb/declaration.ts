// What a type declares, brought into its collection: the indexes, and what they are to hold of documents that are stored already.
import { type AnyBulkWriteOperation, type Filter, MongoBulkWriteError, MongoServerError } from 'mongodb';
import { type AnyDocumentType, declarationOf } from '../declared.ts';
import { jsonText } from '../json.ts';
import type { DocumentType, Json } from '../port.ts';
import { uniqueKeyTaken } from '../refusals.ts';
import { escapeName, toBson, unescapeName } from './encoding.ts';
import { isDuplicate } from './errors.ts';
import { pathOf } from './list.ts';
import { computedOf, type StoredDocument, todaysValue } from './stored-document.ts';
import { type TypeCollection, uniquePath } from './type-collection.ts';

/** Documents that one command computes again. */
const pageSize = 500;
const namespaceNotFound = 26;
/** So often is looked for what other code has written since. */
const lookedForMs = 30_000;
/** Declarations that a document can say: as many versions of the code as write beside each other, and some more. */
const marksMax = 4;

type Change = AnyBulkWriteOperation<StoredDocument>;

interface IndexPlan {
  readonly name: string;
  readonly key: Readonly<Record<string, 1>>;
  readonly unique?: true;
  readonly sparse?: true;
}

/**
 * Several processes may do all of this at once, of today's code and of older code: every step may be done again, and no
 * document is changed that somebody else has changed meanwhile.
 *
 * A document says which declarations its keys and index values were computed by. Older code that still runs goes on
 * writing documents that do not say this one. They are computed again when the type is opened, every half a minute while it
 * is used, and when stored documents are brought to today's shape: what is added stands beside what the other declaration
 * computed, so that neither destroys the other's. A replace, however, keeps only what its own declaration computes, as
 * the rest is no longer true.
 */
export class Declaration<T> {
  readonly #collection: TypeCollection;
  readonly #type: DocumentType<T>;
  /** What documents say that were computed by this declaration alone. */
  readonly id: string;
  /** What documents say that were computed by this declaration, as far as that was seen. */
  readonly #marks: Set<string>;
  #declared: Promise<void> | undefined;
  #lookedAtMs = 0;

  constructor(collection: TypeCollection, type: DocumentType<T>) {
    this.#collection = collection;
    this.#type = type;
    this.id = declarationOf(type);
    this.#marks = new Set([this.id]);
  }

  /** Resolves when the collection is as the type wants it; where that failed, the next call tries again. */
  async ready(): Promise<void> {
    const { server } = this.#collection;
    const nowMs = server.clock.monotonicMs();
    if (this.#declared === undefined) {
      this.#lookedAtMs = nowMs;
      this.#declared = this.#declare().catch((error: unknown) => {
        this.#declared = undefined;
        throw error;
      });
    } else if (nowMs - this.#lookedAtMs >= lookedForMs) {
      this.#lookedAtMs = nowMs;
      // Nobody waits for it.
      server
        .call(async () => {
          if (await this.#hasForeign()) await this.#computeForeign();
        })
        .catch((error: unknown) =>
          server.logger?.warn({ type: this.#type.name, err: error }, 'what other code wrote is not in all indexes yet'),
        );
    }
    await this.#declared;
  }

  /** As `Documents.upgradeStored`; also for documents of today's schema version that another declaration computed. */
  async upgrade(limit: number): Promise<number> {
    const older = { schema: { $lt: this.#type.schemaVersion } };
    for (;;) {
      const filter = { $or: [older, this.#foreign(this.#type.schemaVersion)] };
      const page = await this.#collection.read((documents) => documents.find(filter).limit(limit).toArray());
      if (page.length === 0) return 0;
      const behind = page.filter((document) => document.schema < this.#type.schemaVersion || this.#isForeign(document));
      const stored = await this.#change(behind, (document) =>
        document.schema === this.#type.schemaVersion ? this.#recomputed(document) : this.#upgraded(document),
      );
      // None only where others have changed all of them at this moment.
      if (stored > 0) return stored;
    }
  }

  async #declare(): Promise<void> {
    await this.#collection.server.repeating(async () => {
      const made = await this.#indexNames();
      const missing = indexesOf(this.#type).filter(({ name }) => !made.has(name));
      if (!(await this.#hasForeign())) {
        await this.#makeIndexes(missing);
        return;
      }
      const moving = await this.#checkUnique();
      await this.#makeIndexes(missing.filter(({ unique }) => unique === undefined));
      // All are given up before any is taken: a key may have moved from one document to another.
      for (let first = 0; first < moving.length; first += pageSize) {
        const ids = moving.slice(first, first + pageSize);
        const page = await this.#collection.read((documents) => documents.find({ _id: { $in: ids } }).toArray());
        await this.#change(page, (document) => this.#givenUp(document));
      }
      await this.#computeForeign();
      await this.#makeIndexes(missing.filter(({ unique }) => unique !== undefined));
    });
  }

  async #computeForeign(): Promise<void> {
    for await (const page of this.#pages(() => this.#foreign({ $lte: this.#type.schemaVersion }))) {
      await this.#change(
        page.filter((document) => this.#isForeign(document)),
        (document) => this.#recomputed(document),
      );
    }
  }

  async #hasForeign(): Promise<boolean> {
    for (;;) {
      const filter = this.#foreign({ $lte: this.#type.schemaVersion });
      const found = await this.#collection.read((documents) => documents.findOne(filter, { projection: { declared: 1 } }));
      if (found === null) return false;
      if (this.#isForeign(found)) return true;
    }
  }

  /** Documents that this declaration has not computed, and those whose mark was not seen yet. */
  #foreign(schema: number | { readonly $lte: number }): Filter<StoredDocument> {
    return { schema, declared: { $nin: [...this.#marks] } };
  }

  #isForeign({ declared }: Pick<StoredDocument, 'declared'>): boolean {
    const isForeign = !declared.split(' ').includes(this.id);
    if (!isForeign) this.#marks.add(declared);
    return isForeign;
  }

  async #indexNames(): Promise<ReadonlySet<unknown>> {
    try {
      return new Set((await this.#collection.read((documents) => documents.indexes())).map(({ name }) => name));
    } catch (error) {
      if (error instanceof MongoServerError && error.code === namespaceNotFound) return new Set();
      throw error;
    }
  }

  async #makeIndexes(plans: readonly IndexPlan[]): Promise<void> {
    if (plans.length === 0) return;
    try {
      await this.#collection.ask((documents) => documents.createIndexes(plans.map((plan) => ({ ...plan }))));
    } catch (error) {
      // Older code has written since they were looked at, or says nothing of its declaration.
      if (isDuplicate(error)) await this.#checkUnique();
      throw error;
    }
  }

  /**
   * Answers with the ids of the documents that hold another value under a unique key than this declaration computes.
   * @throws BurgageError `unique_key_taken` where two would hold the same.
   */
  async #checkUnique(): Promise<readonly string[]> {
    const names = Object.keys(this.#type.unique ?? {}).map(escapeName);
    if (names.length === 0) return [];
    const holders = new Map(names.map((name) => [name, new Map<string, string>()]));
    const moving: string[] = [];
    for await (const document of this.#all()) {
      const isNewer = document.schema > this.#type.schemaVersion;
      const unique = isNewer ? document.unique : computedOf(this.#type, todaysValue(this.#type, document)).unique;
      for (const [name, held] of holders) {
        const value = unique[name];
        if (document.unique[name] !== undefined && document.unique[name] !== value) moving.push(document._id);
        if (value === undefined) continue;
        const holder = held.get(value);
        if (holder !== undefined) throw uniqueKeyTaken(this.#type, { key: unescapeName(name), value }, holder);
        held.set(value, document._id);
      }
    }
    return moving;
  }

  /** In the order of ids, those that the filter of that moment lets through; each once, whatever is written meanwhile. */
  async *#pages(filter: () => Filter<StoredDocument>): AsyncGenerator<readonly StoredDocument[], void> {
    for (let last = ''; ; ) {
      const behind = { $and: [filter(), { _id: { $gt: last } }] };
      const page = await this.#collection.read((documents) => documents.find(behind).sort({ _id: 1 }).limit(pageSize).toArray());
      if (page.length === 0) return;
      yield page;
      last = page.at(-1)?._id ?? '';
    }
  }

  async *#all(): AsyncGenerator<StoredDocument, void> {
    for await (const page of this.#pages(() => ({}))) yield* page;
  }

  /** Answers how many were changed. @throws BurgageError `unique_key_taken`. */
  async #change(page: readonly StoredDocument[], changeOf: (document: StoredDocument) => Change): Promise<number> {
    if (page.length === 0) return 0;
    try {
      return (await this.#collection.ask((documents) => documents.bulkWrite(page.map(changeOf), { ordered: false }))).matchedCount;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      const failed =
        page[error instanceof MongoBulkWriteError && Array.isArray(error.writeErrors) ? (error.writeErrors[0]?.index ?? 0) : 0];
      const taken = failed && (await this.#collection.takenKey(failed._id, computedOf(this.#type, todaysValue(this.#type, failed))));
      throw taken ?? error;
    }
  }

  /** As it was read: neither version nor anything else has changed since. */
  #unchanged({ _id, version, schema, declared }: StoredDocument): Filter<StoredDocument> {
    return { _id, version, schema, declared };
  }

  #givenUp(document: StoredDocument): Change {
    const { unique } = computedOf(this.#type, todaysValue(this.#type, document));
    const paths = Object.keys(document.unique).filter((name) => this.#isKey(name) && document.unique[name] !== unique[name]);
    return {
      updateOne: { filter: this.#unchanged(document), update: { $unset: Object.fromEntries(paths.map((name) => [uniquePath(name), ''])) } },
    };
  }

  /** Keys and index values of this declaration, beside those of others. */
  #recomputed(document: StoredDocument): Change {
    const { unique, indexes } = computedOf(this.#type, todaysValue(this.#type, document));
    const wanted = new Map<string, unknown>([
      ...Object.keys(this.#type.unique ?? {}).map((key) => [uniquePath(escapeName(key)), unique[escapeName(key)]] as const),
      ...Object.keys(this.#type.indexes ?? {}).map((index) => [pathOf(index), indexes[escapeName(index)]] as const),
    ]);
    const set = [...wanted].filter(([, value]) => value !== undefined);
    const unset = [...wanted].filter(([, value]) => value === undefined).map(([path]) => [path, '']);
    const update = {
      $set: { ...Object.fromEntries(set), declared: this.#markBeside(document.declared) },
      ...(unset.length > 0 && { $unset: Object.fromEntries(unset) }),
    };
    return { updateOne: { filter: this.#unchanged(document), update } };
  }

  /** Value, keys and index values of today, and nothing of before: older code cannot read it any more. */
  #upgraded(document: StoredDocument): Change {
    const text = jsonText(`${this.#type.name} "${document._id}"`, todaysValue(this.#type, document));
    const value = JSON.parse(text) as T;
    const { unique, indexes } = computedOf(this.#type, value);
    const update = { $set: { schema: this.#type.schemaVersion, declared: this.id, value: toBson(value as Json), unique, indexes } };
    return { updateOne: { filter: this.#unchanged(document), update } };
  }

  /** This declaration beside others. */
  #markBeside(declared: string): string {
    return [...declared.split(' ').slice(1 - marksMax), this.id].sort().join(' ');
  }

  #isKey(name: string): boolean {
    return Object.keys(this.#type.unique ?? {}).some((key) => escapeName(key) === name);
  }
}

function indexesOf(type: AnyDocumentType): readonly IndexPlan[] {
  return [
    // Sparse: a document that has no such field is not found there, also where code wrote it that does not know the key.
    ...Object.keys(type.unique ?? {}).map((key): IndexPlan => {
      const path = uniquePath(escapeName(key));
      return { name: path, key: { [path]: 1 }, unique: true, sparse: true };
    }),
    ...Object.keys(type.indexes ?? {}).map((index): IndexPlan => ({ name: pathOf(index), key: { [pathOf(index)]: 1, _id: 1 } })),
    { name: 'pending', key: { pending: 1 }, sparse: true },
    { name: 'shape', key: { schema: 1, declared: 1 } },
  ];
}
