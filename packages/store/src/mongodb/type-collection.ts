// The collection of one document type, asked through the server.
import type { Collection } from 'mongodb';
import type { AnyDocumentType } from '../declared.ts';
import { uniqueKeyTaken } from '../refusals.ts';
import { unescapeName } from './encoding.ts';
import type { Server } from './server.ts';
import type { Computed, StoredDocument } from './stored-document.ts';

export class TypeCollection {
  readonly server: Server;
  readonly #type: AnyDocumentType;

  constructor(server: Server, type: AnyDocumentType) {
    this.server = server;
    this.#type = type;
  }

  /** One question, which may change something. */
  ask<T>(question: (documents: Collection<StoredDocument>) => Promise<T>): Promise<T> {
    return this.server.ask((db) => question(db.collection(`documents_${this.#type.name}`)));
  }

  /** One question that changes nothing; asked again where the connection broke. */
  read<T>(question: (documents: Collection<StoredDocument>) => Promise<T>): Promise<T> {
    return this.server.read((db) => question(db.collection(`documents_${this.#type.name}`)));
  }

  async get(id: string): Promise<StoredDocument | undefined> {
    // BSON would carry another character instead of half a one, and find what was not asked for.
    if (!id.isWellFormed()) return undefined;
    return (await this.read((documents) => documents.findOne({ _id: id }))) ?? undefined;
  }

  /** The document that holds `value` under the unique key with this escaped name. */
  async holder(name: string, value: string): Promise<StoredDocument | undefined> {
    if (!value.isWellFormed()) return undefined;
    // There is one at most. Told so, the planner of FerretDB 2 would look through all.
    return (await this.read((documents) => documents.find({ [uniquePath(name)]: value }).toArray()))[0];
  }

  /** Which unique key of `computed` another document than `id` holds, as the error that says so. */
  async takenKey(id: string, { unique }: Computed): Promise<Error | undefined> {
    for (const [name, value] of Object.entries(unique)) {
      const holder = await this.holder(name, value);
      if (holder !== undefined && holder._id !== id) return uniqueKeyTaken(this.#type, { key: unescapeName(name), value }, holder._id);
    }
    return undefined;
  }
}

/** Where a document keeps its value of the unique key with this escaped name. */
export function uniquePath(name: string): string {
  return `unique.${name}`;
}
